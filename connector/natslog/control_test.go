package natslog_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"tailstock/connector"
	"tailstock/connector/cdc"
	"tailstock/connector/natslog"
)

// echo answers with its question, or fails with one of the errors that are told apart.
func echo(name string, access natslog.Access, asked *atomic.Int64) natslog.Endpoint {
	return natslog.Endpoint{Name: name, Access: access, Answer: func(_ context.Context, question []byte) (any, error) {
		asked.Add(1)
		switch text := strings.Trim(string(question), `"`); text {
		case "refused":
			return nil, fmt.Errorf("outside: %w", &connector.JobError{Reason: "not so"})
		case "no job":
			return nil, fmt.Errorf("job x: %w", connector.ErrNoJob)
		case "not capturing":
			return nil, connector.ErrNotCapturing
		case "setup":
			return nil, &cdc.SetupError{Object: "table a", Problem: "is odd", Fix: "mend it"}
		case "other":
			return nil, errors.New("this went wrong")
		default:
			return text, nil
		}
	}}
}

func serve(t *testing.T, c *natslog.Client, source string, e ...natslog.Endpoint) *natslog.Control {
	t.Helper()
	control, err := c.Serve(t.Context(), source, e...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = control.Stop() })
	return control
}

func TestControl(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	operator, err := natslog.Connect(t.Context(), w.cfg, natslog.Options{Role: natslog.RoleOperator})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = operator.Close() })
	for name, server := range map[string]*natslog.Client{"embedded": w.client, "external": w.external()} {
		var looked, changed, other atomic.Int64
		control := serve(t, server, "erp", echo("look", natslog.AccessRead, &looked), echo("change", natslog.AccessAdmin, &changed))
		serve(t, server, "wms", echo("look", natslog.AccessRead, &other))
		for access, endpoint := range map[natslog.Access]string{natslog.AccessRead: "look", natslog.AccessAdmin: "change"} {
			var out string
			if err := operator.Ask(t.Context(), "erp", access, endpoint, "hello", &out); err != nil || out != "hello" {
				t.Errorf("%s: %s answered %q, %v", name, endpoint, out, err)
			}
		}
		if looked.Load() != 1 || changed.Load() != 1 || other.Load() != 0 {
			t.Errorf("%s: asked to look %d times, to change %d times, of another source %d times", name, looked.Load(), changed.Load(), other.Load())
		}
		checkControlErrors(t, operator)
		if err := control.Stop(); err != nil {
			t.Error(err)
		}
		eventually(t, "nobody answers", func() bool {
			return errors.Is(operator.Ask(t.Context(), "erp", natslog.AccessRead, "look", "hello", new(string)), natslog.ErrNoDaemon)
		})
	}
}

// checkControlErrors holds that errors arrive as what they are.
func checkControlErrors(t *testing.T, c *natslog.Client) {
	t.Helper()
	ask := func(what string) error {
		return c.Ask(t.Context(), "erp", natslog.AccessRead, "look", what, new(string))
	}
	var refused *connector.JobError
	if err := ask("refused"); !errors.As(err, &refused) || refused.Reason != "not so" {
		t.Errorf("got %v", err)
	}
	if err := ask("no job"); !errors.Is(err, connector.ErrNoJob) || err.Error() != "job x: "+connector.ErrNoJob.Error() {
		t.Errorf("got %v", err)
	}
	isErr(t, ask("not capturing"), connector.ErrNotCapturing)
	var setup *cdc.SetupError
	if err := ask("setup"); !errors.As(err, &setup) || setup.Fix != "mend it" || setup.Object != "table a" || setup.Problem != "is odd" {
		t.Errorf("got %v", err)
	}
	if err := ask("other"); err == nil || err.Error() != "this went wrong" {
		t.Errorf("got %v", err)
	}
}

// TestControlNamespaces holds that installations on one server do not answer for
// each other.
func TestControlNamespaces(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	var asked atomic.Int64
	serve(t, w.client, "erp", echo("look", natslog.AccessRead, &asked))
	cfg := w.cfg
	cfg.Namespace = "staging"
	other, err := natslog.Connect(t.Context(), cfg, natslog.Options{Embedded: w.server})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = other.Close() })
	isErr(t, other.Ask(t.Context(), "erp", natslog.AccessRead, "look", "hello", new(string)), natslog.ErrNoDaemon)
	serve(t, other, "erp", echo("look", natslog.AccessRead, new(atomic.Int64)))
	if err := other.Ask(t.Context(), "erp", natslog.AccessRead, "look", "hello", new(string)); err != nil {
		t.Error(err)
	}
	if n := asked.Load(); n != 0 {
		t.Errorf("the daemon of another installation was asked %d times", n)
	}
}

// TestControlPermissions holds that a reader can ask for nothing, and that only a
// daemon can answer.
func TestControlPermissions(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	var asked atomic.Int64
	serve(t, w.client, "erp", echo("look", natslog.AccessRead, &asked), echo("change", natslog.AccessAdmin, &asked))

	reader := w.admin(natslog.RoleReader).Conn()
	for _, subject := range []string{"inventory.control.read.erp.look", "inventory.control.admin.erp.change"} {
		if err := reader.PublishRequest(subject, "_INBOX_READER.x", []byte(`"hello"`)); err != nil {
			t.Fatal(err)
		}
		eventually(t, "a refusal", func() bool { return reader.Flush() == nil && refusedFor(reader, subject) })
	}
	if n := asked.Load(); n != 0 {
		t.Errorf("a reader has asked %d times", n)
	}

	operator := w.admin(natslog.RoleOperator).Conn()
	for _, subject := range []string{"inventory.control.>", "inventory.control.read.erp.look"} {
		if _, err := operator.Subscribe(subject, func(*nats.Msg) {}); err != nil {
			t.Fatal(err)
		}
		eventually(t, "a refusal", func() bool { return operator.Flush() == nil && refusedFor(operator, subject) })
	}
}

// refusedFor reports whether the server's last word to nc is that it may not use subject.
func refusedFor(nc *nats.Conn, subject string) bool {
	err := nc.LastError()
	return err != nil && strings.Contains(strings.ToLower(err.Error()), "permissions violation") && strings.Contains(err.Error(), `"`+subject+`"`)
}

// TestControlSlowAnswer holds that a question ends with its asker's time.
func TestControlSlowAnswer(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ended := make(chan struct{})
	control := serve(t, w.client, "erp", natslog.Endpoint{Name: "wait", Access: natslog.AccessAdmin, Answer: func(ctx context.Context, _ []byte) (any, error) {
		<-ctx.Done()
		close(ended)
		return nil, context.Cause(ctx)
	}})
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	isErr(t, w.client.Ask(ctx, "erp", natslog.AccessAdmin, "wait", 1, new(int)), context.DeadlineExceeded)
	if err := control.Stop(); err != nil {
		t.Error(err)
	}
	select {
	case <-ended:
	case <-t.Context().Done():
		t.Error("a question outlives its service")
	}
}

// TestAskWithoutServer: who waits for an answer is told at once when the server goes away.
func TestAskWithoutServer(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	operator, err := natslog.Connect(t.Context(), w.cfg, natslog.Options{Role: natslog.RoleOperator})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = operator.Close() })
	asked := make(chan struct{})
	serve(t, w.client, "erp", natslog.Endpoint{Name: "look", Access: natslog.AccessRead, Answer: func(ctx context.Context, _ []byte) (any, error) {
		close(asked)
		<-ctx.Done()
		return nil, context.Cause(ctx)
	}})
	answer := make(chan error, 1)
	began := time.Now()
	go func() { answer <- operator.Ask(t.Context(), "erp", natslog.AccessRead, "look", "hello", new(string)) }()
	<-asked
	w.stop()
	err = <-answer
	if err == nil || !strings.Contains(err.Error(), "connection broke") || time.Since(began) > 20*time.Second {
		t.Errorf("got %v after %s, want to hear at once that the connection broke", err, time.Since(began))
	}
}
