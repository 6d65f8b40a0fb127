package natslog

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/nats-io/nats.go/jetstream"
)

// metadataID is where a stream's configuration keeps its random identity. A
// stream that is deleted and made again gets another.
const metadataID = "tailstock-id"

// StreamSettingsError is returned when a stream exists with settings that break
// what is promised of it. Nothing was changed.
type StreamSettingsError struct {
	Stream      string
	Differences []string
	// Fix says what the operator can do.
	Fix string
}

// Error names every difference.
func (e *StreamSettingsError) Error() string {
	return fmt.Sprintf("stream %s exists with other settings: %s; %s", e.Stream, strings.Join(e.Differences, "; "), e.Fix)
}

// Halts tells the engine that a retry is pointless.
func (e *StreamSettingsError) Halts() bool { return true }

// logConfig is how a source's log is kept. It has no age limit: that would
// remove the newest message of an idle source, which is its checkpoint. Single
// messages cannot be deleted, so that the log has no holes.
func (c *Client) logConfig(source, id string) jetstream.StreamConfig {
	return jetstream.StreamConfig{
		Name: c.names.log(source), Description: "tailstock: the log of source " + source,
		Subjects: []string{c.names.logSubject(source, id)}, Storage: jetstream.FileStorage, Replicas: c.cfg.Replicas,
		Discard: jetstream.DiscardNew, MaxBytes: c.cfg.MaxBytes, DenyDelete: true,
		Metadata: map[string]string{metadataID: id},
	}
}

// levelsConfig keeps the last level of each cell. Levels are derived, so one
// replica need not be synced (persist_mode, since nats-server 2.12).
func (c *Client) levelsConfig(id string) jetstream.StreamConfig {
	cfg := jetstream.StreamConfig{
		Name: c.names.levels(), Description: "tailstock: the last level of every cell",
		Subjects: []string{c.names.levelPrefix() + ".*.*"}, Storage: jetstream.FileStorage, Replicas: c.cfg.Replicas,
		Discard: jetstream.DiscardNew, MaxMsgsPerSubject: 1, AllowDirect: true,
		Metadata: map[string]string{metadataID: id},
	}
	if c.cfg.Replicas == 1 {
		cfg.PersistMode = jetstream.AsyncPersistMode
	}
	return cfg
}

// rejectsConfig keeps the newest reject of each row and mapping, and refuses
// more when it is full: no reject is dropped to make room for another.
func (c *Client) rejectsConfig() jetstream.StreamConfig {
	return jetstream.StreamConfig{
		Name: c.names.rejects(), Description: "tailstock: rows that could not be mapped",
		Subjects: []string{c.names.rejectPrefix() + ".*.*"}, Storage: jetstream.FileStorage, Replicas: c.cfg.Replicas,
		Discard: jetstream.DiscardNew, MaxMsgsPerSubject: 1, MaxBytes: c.cfg.RejectsMaxBytes, AllowDirect: true,
	}
}

func (c *Client) stateConfig() jetstream.KeyValueConfig {
	return jetstream.KeyValueConfig{
		Bucket: c.names.bucket(), Description: "tailstock: leases, runs, sessions, mappings and reports",
		Storage: jetstream.FileStorage, Replicas: c.cfg.Replicas,
	}
}

// storageExhausted is the code of the error of a server that has no room for the limit
// of a stream (nats-server v2.15, JSStorageResourcesExceededErr).
const storageExhausted = 10047

// ensureStream returns the stream that want describes, made if missing. An
// existing one keeps its identity, and must agree with want in what matters.
func ensureStream(ctx context.Context, js jetstream.JetStream, want jetstream.StreamConfig) (*jetstream.StreamInfo, error) {
	ctx, cancel := withRequestTimeout(ctx)
	defer cancel()
	s, err := js.Stream(ctx, want.Name)
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		s, err = js.CreateStream(ctx, want)
		if errors.Is(err, jetstream.ErrStreamNameAlreadyInUse) { // made by another meanwhile
			s, err = js.Stream(ctx, want.Name)
		}
	}
	if api := (*jetstream.APIError)(nil); errors.As(err, &api) && api.ErrorCode == storageExhausted {
		return nil, fmt.Errorf("make stream %s: %w: the limits of all streams together are more than the server may store, by its own limit or "+
			"by three quarters of the free disk: lower log.max_bytes, which each source has, or rejects.max_bytes, or give the server more", want.Name, err)
	}
	if err != nil {
		return nil, fmt.Errorf("open or make stream %s: %w", want.Name, err)
	}
	info := s.CachedInfo()
	if err := checkStream(&info.Config, &want); err != nil {
		return nil, err
	}
	return info, nil
}

// checkStream compares an existing stream with what is wanted.
func checkStream(have, want *jetstream.StreamConfig) error {
	e := &StreamSettingsError{Stream: want.Name}
	differ := func(bad bool, format string, args ...any) {
		if bad {
			e.Differences = append(e.Differences, fmt.Sprintf(format, args...))
		}
	}
	id := have.Metadata[metadataID]
	differ(id == "" && want.Metadata != nil, "its configuration has no %s, so it was not made by tailstock", metadataID)
	if id != "" && want.Metadata != nil {
		// An existing log has its own identity in its subject.
		own := strings.Replace(want.Subjects[0], "."+want.Metadata[metadataID], "."+id, 1)
		differ(!slices.Equal(have.Subjects, []string{own}), "subjects are %q, not %q", have.Subjects, own)
	}
	differ(have.Storage != want.Storage, "storage is %s, not %s", have.Storage, want.Storage)
	differ(have.Retention != jetstream.LimitsPolicy, "retention is %s, not %s", have.Retention, jetstream.LimitsPolicy)
	differ(have.Discard != want.Discard, "discard is %s, not %s", have.Discard, want.Discard)
	differ(have.MaxAge != 0, "max_age is %s, not unlimited", have.MaxAge)
	differ(have.MaxMsgs > 0, "max_msgs is %d, not unlimited", have.MaxMsgs)
	differ(max(have.MaxMsgsPerSubject, 0) != want.MaxMsgsPerSubject, "max_msgs_per_subject is %d, not %d",
		have.MaxMsgsPerSubject, want.MaxMsgsPerSubject)
	differ(have.Mirror != nil || len(have.Sources) > 0 || have.SubjectTransform != nil, "it mirrors, sources or transforms")
	if len(e.Differences) > 0 {
		e.Fix = "move it out of the way, or configure another namespace"
		return e
	}
	differ(have.Replicas != want.Replicas, "it has %d replicas, and %d are configured", have.Replicas, want.Replicas)
	differ(max(have.MaxBytes, 0) != want.MaxBytes, "max_bytes is %d, and %d is configured", have.MaxBytes, want.MaxBytes)
	if len(e.Differences) > 0 {
		e.Fix = fmt.Sprintf("change the configuration back, or the stream with: nats stream edit %s --replicas %d%s",
			want.Name, want.Replicas, maxBytesFlag(want))
		return e
	}
	return nil
}

func maxBytesFlag(want *jetstream.StreamConfig) string {
	if want.MaxBytes == 0 {
		return ""
	}
	return fmt.Sprintf(" --max-bytes %d", want.MaxBytes)
}
