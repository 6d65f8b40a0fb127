package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"tailstock/connector"
)

// readyGrace is how long a running role may go without progress and still be
// ready. An idle role proves itself every few seconds; one batch of a large commit
// takes longer.
const readyGrace = 30 * time.Second

// Bounds on what a client of the endpoint may take.
const (
	httpHeaderTime   = 5 * time.Second
	httpReadTime     = 10 * time.Second
	httpWriteTime    = 30 * time.Second
	httpIdleTime     = 2 * time.Minute
	httpHeaderBytes  = 16 << 10
	httpShutdownTime = 2 * time.Second
)

// readiness tells whether this daemon does what it is there for. It is safe for
// concurrent use.
type readiness struct {
	board *connector.Board

	mu sync.Mutex
	// starting says what must happen before the roles run, empty when they do.
	starting string
	// expected names the roles that must be on the board.
	expected []string
}

// wait notes what the daemon waits for before its roles can run.
func (r *readiness) wait(what string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.starting = what
}

// expect notes the roles that run from now on.
func (r *readiness) expect(roles []connector.Role) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.starting = ""
	for i := range roles {
		r.expected = append(r.expected, roles[i].Name)
	}
}

// readyReport is the body of /readyz.
type readyReport struct {
	Ready bool `json:"ready"`
	// Waiting says what must happen before the roles run.
	Waiting string                 `json:"waiting,omitempty"`
	Roles   []connector.RoleStatus `json:"roles"`
}

// report looks at the board. The daemon is ready if every role of it is.
func (r *readiness) report(now time.Time) readyReport {
	r.mu.Lock()
	defer r.mu.Unlock()
	out := readyReport{Ready: r.starting == "", Waiting: r.starting, Roles: r.board.Roles()}
	for i := range out.Roles {
		out.Ready = out.Ready && out.Roles[i].Ready(now, readyGrace)
	}
	for _, name := range r.expected {
		out.Ready = out.Ready && slices.ContainsFunc(out.Roles, func(s connector.RoleStatus) bool { return s.Role == name })
	}
	return out
}

// handler serves /metrics, /healthz and /readyz.
func handler(ready *readiness, metrics prometheus.Gatherer) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(metrics, promhttp.HandlerOpts{}))
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		writeJSON(w, http.StatusOK, map[string]bool{"alive": true})
	})
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) {
		report := ready.report(time.Now())
		status := http.StatusOK
		if !report.Ready {
			status = http.StatusServiceUnavailable
		}
		writeJSON(w, status, report)
	})
	return mux
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	b, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = w.Write(append(b, '\n')) // the client may have gone
}

// httpServer serves in the background until it is closed.
type httpServer struct {
	server *http.Server
	done   chan error
}

// startHTTP listens on address and serves h. It fails if it cannot listen.
func startHTTP(ctx context.Context, address string, h http.Handler, log *slog.Logger) (*httpServer, error) {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", address)
	if err != nil {
		return nil, fmt.Errorf("serve http: %w", err)
	}
	s := &httpServer{done: make(chan error, 1), server: &http.Server{
		Handler: h, ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelWarn),
		ReadHeaderTimeout: httpHeaderTime, ReadTimeout: httpReadTime, WriteTimeout: httpWriteTime,
		IdleTimeout: httpIdleTime, MaxHeaderBytes: httpHeaderBytes,
	}}
	log.InfoContext(ctx, "serving http", "address", listener.Addr().String())
	go func() { s.done <- s.server.Serve(listener) }()
	return s, nil
}

// close lets requests under way end, within a bounded time, and waits for Serve.
func (s *httpServer) close(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), httpShutdownTime)
	defer cancel()
	err := s.server.Shutdown(ctx)
	if err != nil {
		err = errors.Join(err, s.server.Close())
	}
	if served := <-s.done; !errors.Is(served, http.ErrServerClosed) {
		err = errors.Join(err, served)
	}
	return err
}
