package natslog

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"tailstock/connector"
	"tailstock/connector/cdc"
	"tailstock/connector/inventory"
)

// rejectRecord is a row that could not be mapped, as the rejects stream has it.
type rejectRecord struct {
	Source string     `json:"source"`
	Table  string     `json:"table"`
	Row    cdc.RowKey `json:"row"`
	// Key has the values of the row's key, exactly; absent in records of old.
	Key     connector.Key       `json:"key,omitempty"`
	Mapping inventory.MappingID `json:"mapping"`
	Op      string              `json:"op"`
	// Transaction, CommittedAt and At name the source commit.
	Transaction string    `json:"transaction"`
	CommittedAt time.Time `json:"committed_at"`
	At          string    `json:"at,omitempty"`
	// Position is that of the log message that steps over the row.
	Position string        `json:"position"`
	Problem  problemRecord `json:"problem"`
	// Values are those of the columns that the mapping names, in table order.
	Values []valueRecord `json:"values"`
}

type problemRecord struct {
	Kind   inventory.ProblemKind `json:"kind"`
	Rule   string                `json:"rule"`
	Reason string                `json:"reason"`
}

type valueRecord struct {
	Column string `json:"column"`
	// Value is null for NULL.
	Value *string `json:"value"`
}

func newRejectRecord(r *connector.Reject) (rejectRecord, error) {
	out := rejectRecord{
		Source: r.Source, Table: r.Table, Row: r.Row, Key: r.Key, Mapping: r.Mapping, Op: r.Op.String(),
		Transaction: r.Transaction, CommittedAt: r.CommittedAt.UTC(), At: r.At, Position: r.Position.String(),
		Problem: problemRecord{r.Problem.Kind, r.Problem.Rule, r.Problem.Reason},
		Values:  make([]valueRecord, 0, len(r.Columns)),
	}
	if len(r.Columns) != len(r.Values) {
		return out, fmt.Errorf("reject of table %s row %s: %d columns and %d values", r.Table, r.Row, len(r.Columns), len(r.Values))
	}
	for i, column := range r.Columns {
		out.Values = append(out.Values, valueRecord{column, r.Values[i]})
	}
	return out, nil
}

func (r *rejectRecord) reject() (connector.Reject, error) {
	op, ok := cdc.ParseOp(r.Op)
	if !ok {
		return connector.Reject{}, fmt.Errorf("reject of table %s row %s: operation %q", r.Table, r.Row, r.Op)
	}
	position, err := inventory.ParsePosition(r.Position)
	if err != nil {
		return connector.Reject{}, fmt.Errorf("reject of table %s row %s: %w", r.Table, r.Row, err)
	}
	out := connector.Reject{
		Source: r.Source, Table: r.Table, Row: r.Row, Key: r.Key, Mapping: r.Mapping, Op: op,
		Transaction: r.Transaction, CommittedAt: r.CommittedAt, At: r.At, Position: position,
		Problem: inventory.Problem{Kind: r.Problem.Kind, Rule: r.Problem.Rule, Reason: r.Problem.Reason},
	}
	for _, v := range r.Values {
		out.Columns = append(out.Columns, v.Column)
		out.Values = append(out.Values, v.Value)
	}
	return out, nil
}

// Reject stores a row that could not be mapped, and waits until it is durable. A
// later reject of the same row under the same mapping replaces it, so sending it
// again changes nothing. When the stream of rejects is full it fails: no reject
// makes room for another.
func (r *run) Reject(ctx context.Context, reject connector.Reject) error {
	record, err := newRejectRecord(&reject)
	if err != nil {
		return err
	}
	body, err := json.Marshal(record)
	if err != nil {
		return fmt.Errorf("reject of table %s row %s: %w", reject.Table, reject.Row, err)
	}
	c := r.log.c
	ctx, cancel := withRequestTimeout(ctx)
	defer cancel()
	_, err = r.js.Publish(ctx, c.names.rejectSubject(reject.Source, &connector.RejectRef{Table: reject.Table, Mapping: reject.Mapping, Row: reject.Row}), body,
		jetstream.WithExpectStream(c.names.rejects()), jetstream.WithRetryAttempts(0))
	if hasCode(err, codeStoreFailed) {
		return fmt.Errorf("stream %s takes no more, as when it is full: look at the rejects, mend the rows or the mapping, "+
			"and drop them, or raise rejects_max_bytes: %w", c.names.rejects(), err)
	}
	if err != nil {
		return fmt.Errorf("store reject of table %s row %s: %w", reject.Table, reject.Row, err)
	}
	return nil
}

// Settle removes kept rejects of the run's source, as connector.Run says.
func (r *run) Settle(ctx context.Context, refs []connector.RejectRef) error {
	for i := range refs {
		if _, err := dropReject(ctx, r.nc, r.log.c.names, r.log.source, &refs[i]); err != nil {
			return err
		}
	}
	return nil
}

// dropReject removes one reject, and reports whether it was there. Its subject tells
// whether it is the one that ref means.
func dropReject(ctx context.Context, nc *nats.Conn, n names, source string, ref *connector.RejectRef) (bool, error) {
	m, err := getMessage(ctx, nc, n.rejects(), getRequest{Sequence: ref.ID})
	switch {
	case ref.ID == 0, errors.Is(err, errNoMessage), hasCode(err, jetstream.JSErrCodeStreamNotFound):
		return false, nil
	case err != nil:
		return false, fmt.Errorf("drop reject %d: %w", ref.ID, err)
	case m.Subject != n.rejectSubject(source, ref):
		return false, nil
	}
	there, err := deleteMessage(ctx, nc, n.rejects(), ref.ID)
	if err != nil {
		return false, fmt.Errorf("drop reject %d: %w", ref.ID, err)
	}
	return there, nil
}

// ErrNoReject is returned when a reject is not kept, or not any more: it was dropped,
// its row was tried again, or it was replaced by a newer one of the same row.
var ErrNoReject = errors.New("there is no such reject")

// KeptReject is a reject as it is kept.
type KeptReject struct {
	connector.Reject
	// ID is what it is called: a later reject of the same row has another, higher one.
	ID uint64
	// KeptAt is when it was kept.
	KeptAt time.Time
}

// Ref names k.
func (k *KeptReject) Ref() connector.RejectRef {
	return connector.RejectRef{ID: k.ID, Table: k.Table, Mapping: k.Mapping, Row: k.Row}
}

// RejectCount returns how many rejects are kept about source, all sources if empty.
func (c *Client) RejectCount(ctx context.Context, source string) (int, error) {
	ctx, cancel := withRequestTimeout(ctx)
	defer cancel()
	s, err := c.js.Stream(ctx, c.names.rejects())
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("count rejects: %w", err)
	}
	if source == "" {
		return int(s.CachedInfo().State.Msgs), nil //nolint:gosec // a stream of bounded size has no more
	}
	info, err := s.Info(ctx, jetstream.WithSubjectFilter(c.names.rejectsOf(source)))
	if err != nil {
		return 0, fmt.Errorf("count rejects: %w", err)
	}
	return len(info.State.Subjects), nil
}

// Rejects returns kept rejects about source, all sources if empty, oldest first, from
// the first that is called more than after, up to limit.
func (c *Client) Rejects(ctx context.Context, source string, after uint64, limit int) ([]KeptReject, error) {
	var out []KeptReject
	for len(out) < limit {
		kept, err := c.reject(ctx, getRequest{Sequence: after + 1, NextFor: c.names.rejectsOf(source)})
		if errors.Is(err, ErrNoReject) {
			break
		}
		if err != nil {
			return nil, err
		}
		out, after = append(out, kept), kept.ID
	}
	return out, nil
}

// Reject returns the reject that is called id. It fails with ErrNoReject if it is not
// kept.
func (c *Client) Reject(ctx context.Context, id uint64) (KeptReject, error) {
	if id == 0 {
		return KeptReject{}, fmt.Errorf("reject 0: %w", ErrNoReject)
	}
	return c.reject(ctx, getRequest{Sequence: id})
}

// LastReject returns the reject about source, any source if empty, that was kept last.
// It fails with ErrNoReject if there is none.
func (c *Client) LastReject(ctx context.Context, source string) (KeptReject, error) {
	return c.reject(ctx, getRequest{LastFor: c.names.rejectsOf(source)})
}

// NewestReject returns the reject that is kept of the row of another, under the same
// mapping. It fails with ErrNoReject if none is.
func (c *Client) NewestReject(ctx context.Context, source string, of connector.RejectRef) (KeptReject, error) {
	return c.reject(ctx, getRequest{LastFor: c.names.rejectSubject(source, &of)})
}

// DropReject removes a reject about source, and reports whether it was there: a newer
// one of the same row stays.
func (c *Client) DropReject(ctx context.Context, source string, ref connector.RejectRef) (bool, error) {
	return dropReject(ctx, c.nc, c.names, source, &ref)
}

func (c *Client) reject(ctx context.Context, r getRequest) (KeptReject, error) {
	m, err := getMessage(ctx, c.nc, c.names.rejects(), r)
	switch {
	case errors.Is(err, errNoMessage), hasCode(err, jetstream.JSErrCodeStreamNotFound):
		if r.Sequence > 0 && r.NextFor == "" {
			return KeptReject{}, fmt.Errorf("reject %d: %w", r.Sequence, ErrNoReject)
		}
		return KeptReject{}, ErrNoReject
	case err != nil:
		return KeptReject{}, fmt.Errorf("read rejects: %w", err)
	}
	var record rejectRecord
	if err := json.Unmarshal(m.Data, &record); err != nil {
		return KeptReject{}, fmt.Errorf("reject %d: %w", m.Sequence, err)
	}
	reject, err := record.reject()
	if err != nil {
		return KeptReject{}, fmt.Errorf("reject %d: %w", m.Sequence, err)
	}
	return KeptReject{Reject: reject, ID: m.Sequence, KeptAt: m.Time}, nil
}
