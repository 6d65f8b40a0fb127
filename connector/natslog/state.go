package natslog

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sort"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"tailstock/connector/inventory"
)

// errConflict is returned by a compare-and-set on a key that changed since it was read.
var errConflict = errors.New("changed by another meanwhile")

// state is the key-value bucket beside the streams. Reads ask the bucket's
// leader, and every write is a compare-and-set.
type state struct {
	nc     *nats.Conn
	js     jetstream.JetStream
	config jetstream.KeyValueConfig
}

// entry is what a key holds. Revision is 0 for a key that was never written, and
// that of the marker for a deleted one.
type entry struct {
	value    []byte
	revision uint64
	found    bool
}

func (s *state) stream() string            { return "KV_" + s.config.Bucket }
func (s *state) subject(key string) string { return "$KV." + s.config.Bucket + "." + key }

// get reads key. A missing key or bucket is no error.
func (s *state) get(ctx context.Context, key string) (entry, error) {
	m, err := getMessage(ctx, s.nc, s.stream(), getRequest{LastFor: s.subject(key)})
	switch {
	case errors.Is(err, errNoMessage), hasCode(err, jetstream.JSErrCodeStreamNotFound):
		return entry{}, nil
	case err != nil:
		return entry{}, fmt.Errorf("read %s from %s: %w", key, s.config.Bucket, err)
	case m.Header.Get("KV-Operation") != "":
		return entry{revision: m.Sequence}, nil
	}
	return entry{value: m.Data, revision: m.Sequence, found: true}, nil
}

// read decodes the JSON value of key into v.
func (s *state) read(ctx context.Context, key string, v any) (entry, error) {
	e, err := s.get(ctx, key)
	if err == nil && e.found {
		if err = json.Unmarshal(e.value, v); err != nil {
			err = fmt.Errorf("read %s from %s: %w", key, s.config.Bucket, err)
		}
	}
	return e, err
}

// put writes key if its revision is still the given one, and returns the new
// revision. It fails with errConflict otherwise. It makes the bucket if missing.
func (s *state) put(ctx context.Context, key string, value []byte, revision uint64) (uint64, error) {
	return s.publish(ctx, key, &nats.Msg{Subject: s.subject(key), Data: value}, revision)
}

// write is put of v as JSON.
func (s *state) write(ctx context.Context, key string, v any, revision uint64) (uint64, error) {
	b, err := json.Marshal(v)
	if err != nil {
		return 0, fmt.Errorf("write %s to %s: %w", key, s.config.Bucket, err)
	}
	return s.put(ctx, key, b, revision)
}

// remove deletes key if its revision is still the given one.
func (s *state) remove(ctx context.Context, key string, revision uint64) error {
	m := &nats.Msg{Subject: s.subject(key), Header: nats.Header{"KV-Operation": {"DEL"}}}
	_, err := s.publish(ctx, key, m, revision)
	return err
}

func (s *state) publish(ctx context.Context, key string, m *nats.Msg, revision uint64) (uint64, error) {
	ctx, cancel := withRequestTimeout(ctx)
	defer cancel()
	if m.Header == nil {
		m.Header = make(nats.Header)
	}
	m.Header[jetstream.ExpectedLastSubjSeqHeader] = []string{strconv.FormatUint(revision, 10)}
	ack, err := s.js.PublishMsg(ctx, m, jetstream.WithRetryAttempts(0))
	if errors.Is(err, jetstream.ErrNoStreamResponse) {
		// The server says that nothing took the message, so nothing stored it.
		if err = s.ensure(ctx); err == nil {
			ack, err = s.js.PublishMsg(ctx, m, jetstream.WithRetryAttempts(0))
		}
	}
	switch {
	case hasCode(err, codeWrongSequence), hasCode(err, codeWrongSequenceReplicated):
		return 0, fmt.Errorf("write %s to %s: %w", key, s.config.Bucket, errConflict)
	case err != nil:
		return 0, fmt.Errorf("write %s to %s: %w", key, s.config.Bucket, err)
	}
	return ack.Sequence, nil
}

// ensure makes the bucket if missing.
func (s *state) ensure(ctx context.Context) error {
	_, err := s.js.KeyValue(ctx, s.config.Bucket)
	if errors.Is(err, jetstream.ErrBucketNotFound) {
		_, err = s.js.CreateKeyValue(ctx, s.config)
	}
	if err != nil {
		return fmt.Errorf("open or make bucket %s: %w", s.config.Bucket, err)
	}
	return nil
}

// keys lists the keys that match pattern, sorted. Deleted ones may be among them.
func (s *state) keys(ctx context.Context, pattern string) ([]string, error) {
	ctx, cancel := withRequestTimeout(ctx)
	defer cancel()
	stream, err := s.js.Stream(ctx, s.stream())
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("list keys of %s: %w", s.config.Bucket, err)
	}
	info, err := stream.Info(ctx, jetstream.WithSubjectFilter(s.subject(pattern)))
	if err != nil {
		return nil, fmt.Errorf("list keys of %s: %w", s.config.Bucket, err)
	}
	var out []string
	for subject := range info.State.Subjects {
		out = append(out, strings.TrimPrefix(subject, s.subject("")))
	}
	sort.Strings(out)
	return out, nil
}

// Keys of the bucket, and what they hold as JSON.

func runKey(source string) string              { return "run." + source }
func mappingKey(id inventory.MappingID) string { return "mapping." + string(id) }
func reportKey(source, store string) string    { return "report." + source + "." + store }
func planKey(source string) string             { return "plan." + source }
func leaseKey(name string) string              { return "lease." + name }

const (
	sessionKey      = "session"
	installationKey = "installation"
)

// runRecord is the last run of a source's log, and the token beside its tail.
type runRecord struct {
	// Log is the identity of the stream that the run appends to.
	Log string `json:"log"`
	Run uint64 `json:"run"`
	// Position is the last message that the run knew to be stored, empty for none.
	Position string `json:"position,omitempty"`
	// Resume is where the source goes on if the log's tail still has Position,
	// encoded as in the header.
	Resume string `json:"resume,omitempty"`
}

// sessionRecord is the last session of the levels stream.
type sessionRecord struct {
	Stream  string `json:"stream"`
	Session uint64 `json:"session"`
}

// installationRecord tells installations apart.
type installationRecord struct {
	ID   string    `json:"id"`
	Made time.Time `json:"made"`
}

// textOf is the text of p, empty for the zero position.
func textOf(p inventory.Position) string {
	if p.IsZero() {
		return ""
	}
	return p.String()
}

func positionOf(text string) (inventory.Position, error) {
	if text == "" {
		return inventory.Position{}, nil
	}
	return inventory.ParsePosition(text)
}
