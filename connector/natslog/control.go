package natslog

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/micro"

	"tailstock/connector"
	"tailstock/connector/cdc"
)

// Access is what a client may do over the control plane. Each has subjects of its
// own, so that a server's permissions can tell them apart.
type Access string

const (
	// AccessRead is for looking.
	AccessRead Access = "read"
	// AccessAdmin is for changing what a daemon does.
	AccessAdmin Access = "admin"
)

// Endpoint is something that a daemon does for whoever may ask.
type Endpoint struct {
	// Name is letters, digits, hyphens and underscores.
	Name   string
	Access Access
	// Answer takes the JSON of the question and returns the answer, which is sent as
	// JSON, or why there is none. One question at a time is put to it.
	Answer func(ctx context.Context, question []byte) (any, error)
}

// answerTime bounds how long a daemon works on an answer, and askTime how long a
// client waits for it: reading a first row may wait for a lock.
const (
	answerTime = 30 * time.Second
	askTime    = answerTime + requestTimeout
)

// ErrNoDaemon is returned when no daemon answers for a source.
var ErrNoDaemon = errors.New("no daemon answers")

// errAskCut is returned when the connection broke while an answer was waited for.
var errAskCut = errors.New("the connection broke before the answer came; what was asked may have been done")

// Control serves the endpoints of one source, as a NATS service.
type Control struct {
	service micro.Service
	cancel  context.CancelFunc
}

// Serve has endpoints answered for source until the Control is stopped. It is for
// the daemon that holds the source's capture. Answers are made under ctx. When it
// returns, the server knows.
func (c *Client) Serve(ctx context.Context, source string, endpoints ...Endpoint) (*Control, error) {
	service, err := micro.AddService(c.nc, micro.Config{
		Name: "tailstock-control", Version: "1.0.0", Description: "controls the capture of a source",
		Metadata: map[string]string{"source": source, "namespace": c.cfg.Namespace, "host": c.host},
	})
	if err != nil {
		return nil, fmt.Errorf("serve control of source %s: %w", source, err)
	}
	ctx, cancel := context.WithCancel(ctx)
	control := &Control{service, cancel}
	for _, e := range endpoints {
		group := service.AddGroup(c.names.controlSubject(e.Access, source))
		err := group.AddEndpoint(e.Name, micro.HandlerFunc(func(r micro.Request) { answer(ctx, e, r) }))
		if err != nil {
			return nil, errors.Join(fmt.Errorf("serve control %s of source %s: %w", e.Name, source, err), control.Stop())
		}
	}
	flush, done := withRequestTimeout(ctx)
	defer done()
	if err := c.nc.FlushWithContext(flush); err != nil {
		return nil, errors.Join(fmt.Errorf("serve control of source %s: %w", source, err), control.Stop())
	}
	return control, nil
}

// Stop ends the service. Questions that were taken are answered, with an error.
func (c *Control) Stop() error {
	c.cancel()
	if err := c.service.Stop(); err != nil && !errors.Is(err, nats.ErrConnectionClosed) {
		return fmt.Errorf("stop control: %w", err)
	}
	return nil
}

func (n names) controlPrefix() string { return n.subject("inventory.control") }

func (n names) controlSubject(a Access, source string) string {
	return n.controlPrefix() + "." + string(a) + "." + source
}

// Codes of errors on the control plane.
const (
	codeFailed       = "failed"
	codeRefused      = "refused"
	codeSetup        = "setup"
	codeNoJob        = "no_job"
	codeNotCapturing = "not_capturing"
)

// controlError is an error as it is sent.
type controlError struct {
	Code  string `json:"code"`
	Error string `json:"error"`
	// Object, Problem and Fix are those of a *cdc.SetupError.
	Object  string `json:"object,omitempty"`
	Problem string `json:"problem,omitempty"`
	Fix     string `json:"fix,omitempty"`
}

// answer has e answer r. An answer that cannot be sent is as if it had been lost.
func answer(ctx context.Context, e Endpoint, r micro.Request) {
	ctx, cancel := context.WithTimeout(ctx, answerTime)
	defer cancel()
	v, err := e.Answer(ctx, r.Data())
	if err == nil {
		err = r.RespondJSON(v)
	}
	if err == nil {
		return
	}
	sent := newControlError(err)
	body, _ := json.Marshal(sent) // strings always encode
	_ = r.Error(sent.Code, sent.Error, body)
}

func newControlError(err error) controlError {
	sent := controlError{Code: codeFailed, Error: err.Error()}
	var refused *connector.JobError
	var setup *cdc.SetupError
	switch {
	case errors.As(err, &refused):
		sent.Code, sent.Error = codeRefused, refused.Reason
	case errors.As(err, &setup):
		sent.Code, sent.Object, sent.Problem, sent.Fix = codeSetup, setup.Object, setup.Problem, setup.Fix
	case errors.Is(err, connector.ErrNoJob):
		sent.Code = codeNoJob
	case errors.Is(err, connector.ErrNotCapturing):
		sent.Code = codeNotCapturing
	}
	return sent
}

// err is the error that e was made of, as far as a caller can tell it from others.
func (e *controlError) err() error {
	switch e.Code {
	case codeRefused:
		return &connector.JobError{Reason: e.Error}
	case codeSetup:
		return &cdc.SetupError{Object: e.Object, Problem: e.Problem, Fix: e.Fix}
	case codeNoJob:
		return &remoteError{e.Error, connector.ErrNoJob}
	case codeNotCapturing:
		return &remoteError{e.Error, connector.ErrNotCapturing}
	}
	return errors.New(e.Error)
}

// remoteError is an error of a daemon, in its words.
type remoteError struct {
	text string
	is   error
}

func (e *remoteError) Error() string { return e.text }
func (e *remoteError) Unwrap() error { return e.is }

// Ask puts a question to the daemon that serves an endpoint for source, and
// decodes the answer into out. It fails with ErrNoDaemon if nobody does, and
// with the daemon's own error: a *connector.JobError, a *cdc.SetupError,
// connector.ErrNoJob or connector.ErrNotCapturing where it is one of these. It
// waits no longer than the connection lasts: a daemon that died does not answer,
// and took the server with it where that is embedded.
func (c *Client) Ask(ctx context.Context, source string, a Access, endpoint string, question, out any) error {
	ctx, cancel := context.WithTimeout(ctx, askTime)
	defer cancel()
	body, err := json.Marshal(question)
	if err != nil {
		return fmt.Errorf("ask for %s of source %s: %w", endpoint, source, err)
	}
	reply, err := c.request(ctx, c.names.controlSubject(a, source)+"."+endpoint, body)
	switch {
	case errors.Is(err, nats.ErrNoResponders):
		return fmt.Errorf("%w for source %s: none captures it at present; start \"tailstock run\", or look at its log if it runs",
			ErrNoDaemon, source)
	case err != nil:
		return fmt.Errorf("ask for %s of source %s: %w", endpoint, source, err)
	case reply.Header.Get(micro.ErrorCodeHeader) != "":
		var sent controlError
		if json.Unmarshal(reply.Data, &sent) != nil || sent.Error == "" {
			sent = controlError{Code: codeFailed, Error: reply.Header.Get(micro.ErrorHeader)}
		}
		return sent.err()
	}
	if err := json.Unmarshal(reply.Data, out); err != nil {
		return fmt.Errorf("answer to %s of source %s: %w", endpoint, source, err)
	}
	return nil
}

// request sends a request and waits for the reply, until ctx ends or the
// connection breaks.
func (c *Client) request(ctx context.Context, subject string, body []byte) (*nats.Msg, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	broken := c.nc.StatusChanged(nats.RECONNECTING, nats.DISCONNECTED, nats.CLOSED)
	var watch sync.WaitGroup
	watch.Go(func() {
		if _, ok := <-broken; ok {
			cancel(errAskCut)
		}
	})
	reply, err := c.nc.RequestWithContext(ctx, subject, body)
	c.nc.RemoveStatusListener(broken) // closes it
	watch.Wait()
	if err != nil && errors.Is(context.Cause(ctx), errAskCut) {
		return nil, errAskCut
	}
	return reply, err
}
