package natslog

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"tailstock/connector"
	"tailstock/connector/cdc"
	"tailstock/connector/inventory"
)

// rejectRecord is a row that could not be mapped, as the rejects stream has it.
type rejectRecord struct {
	Source  string              `json:"source"`
	Table   string              `json:"table"`
	Row     cdc.RowKey          `json:"row"`
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
		Source: r.Source, Table: r.Table, Row: r.Row, Mapping: r.Mapping, Op: r.Op.String(),
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
		Source: r.Source, Table: r.Table, Row: r.Row, Mapping: r.Mapping, Op: op,
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
	_, err = r.js.Publish(ctx, c.names.rejectSubject(&reject), body,
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

// RejectCount returns how many rejects are kept about source, all sources if empty.
func (c *Client) RejectCount(ctx context.Context, source string) (int, error) {
	if source == "" {
		source = "*"
	}
	ctx, cancel := withRequestTimeout(ctx)
	defer cancel()
	s, err := c.js.Stream(ctx, c.names.rejects())
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("count rejects: %w", err)
	}
	info, err := s.Info(ctx, jetstream.WithSubjectFilter(c.names.rejectPrefix()+"."+source+".*"))
	if err != nil {
		return 0, fmt.Errorf("count rejects: %w", err)
	}
	return len(info.State.Subjects), nil
}

// Rejects returns kept rejects about source, all sources if empty, oldest first,
// up to limit.
func (c *Client) Rejects(ctx context.Context, source string, limit int) ([]connector.Reject, error) {
	if source == "" {
		source = "*"
	}
	var out []connector.Reject
	for next := uint64(1); len(out) < limit; {
		m, err := getMessage(ctx, c.nc, c.names.rejects(), getRequest{Sequence: next, NextFor: c.names.rejectPrefix() + "." + source + ".*"})
		if errors.Is(err, errNoMessage) || hasCode(err, jetstream.JSErrCodeStreamNotFound) {
			break
		}
		if err != nil {
			return nil, err
		}
		var record rejectRecord
		if err := json.Unmarshal(m.Data, &record); err != nil {
			return nil, fmt.Errorf("reject %d: %w", m.Sequence, err)
		}
		reject, err := record.reject()
		if err != nil {
			return nil, err
		}
		out = append(out, reject)
		next = m.Sequence + 1
	}
	return out, nil
}
