package connector

import (
	"errors"
	"time"

	"tailstock/connector/backfill"
)

// JobKind says what a job is for.
type JobKind string

// The kinds of jobs.
const (
	// JobLoad reads whole tables into new feeds beside those that count, which then
	// take their places, all at once.
	JobLoad JobKind = "load"
	// JobBackfill states rows of one table anew, as if they had just been streamed:
	// a range of keys, those that a condition selects, or both.
	JobBackfill JobKind = "backfill"
)

// JobState is what a job is doing.
type JobState string

// The states of a job.
const (
	// JobQueued: another job of the source comes first.
	JobQueued JobState = "queued"
	// JobRunning: the job reads, or waits for what Waits says.
	JobRunning JobState = "running"
	// JobPaused: the job waits until it is resumed, also over restarts.
	JobPaused JobState = "paused"
	// JobCompleted: everything that was read is durable in the log.
	JobCompleted JobState = "completed"
	// JobCancelled: the job was given up.
	JobCancelled JobState = "cancelled"
	// JobDropped: the job became pointless: what is captured changed, or everything
	// is loaded anew after a gap.
	JobDropped JobState = "dropped"
)

// Ended reports whether a job in state s is over.
func (s JobState) Ended() bool { return s == JobCompleted || s == JobCancelled || s == JobDropped }

// JobSpec is a job as an operator asks for it.
type JobSpec struct {
	Kind JobKind `json:"kind"`
	// Tables are those to read, as "schema.name". A load without any is of all that
	// are configured; a backfill has one.
	Tables []string `json:"tables,omitempty"`
	// From and To bound the rows of a backfill by their keys, as canonical texts in
	// key order, both included. Nil is no bound.
	From backfill.Key `json:"from,omitempty"`
	To   backfill.Key `json:"to,omitempty"`
	// Where selects rows of a backfill by an expression as mapping.ParseCondition
	// reads it. Empty selects all.
	Where string `json:"where,omitempty"`
	// Rejects are those that a retry tries again, at most MaxRetry.
	Rejects []RetryRow `json:"rejects,omitempty"`
	VerifySpec
	JobPace
}

// JobPace bounds how a job burdens the source.
type JobPace struct {
	// Throttle is the most rows to read in a second. Zero is no limit.
	Throttle float64 `json:"throttle,omitempty"`
	// MaxLag has no chunk read while the commits that the stream delivers are older
	// than that: then the source keeps its log longer the more it is asked. The
	// age is by the clocks of both machines. Zero is no limit.
	MaxLag time.Duration `json:"max_lag,omitempty"`
}

// JobPlan is what a job would do.
type JobPlan struct {
	Source string  `json:"source"`
	Kind   JobKind `json:"kind"`
	// Rows is about how many rows would be read, Chunks about in how many pieces.
	Rows   int64 `json:"rows"`
	Chunks int64 `json:"chunks"`
	// Part says that only a part of the tables would be read, and nobody knows how
	// large it is: Rows are those of the whole tables.
	Part   bool        `json:"part,omitempty"`
	Tables []TablePlan `json:"tables"`
}

// TablePlan is one table of a JobPlan.
type TablePlan struct {
	Table string `json:"table"`
	Rows  int64  `json:"rows"`
}

// JobStatus is a job as it stands, for people.
type JobStatus struct {
	ID     string   `json:"id"`
	Source string   `json:"source"`
	Kind   JobKind  `json:"kind"`
	State  JobState `json:"state"`
	// Reason says why the job is there.
	Reason string `json:"reason"`
	// Load is the position of the message that began a load, empty before that.
	Load  string       `json:"load,omitempty"`
	Asked time.Time    `json:"asked"`
	Began time.Time    `json:"began,omitzero"`
	Ended time.Time    `json:"ended,omitzero"`
	From  backfill.Key `json:"from,omitempty"`
	To    backfill.Key `json:"to,omitempty"`
	Where string       `json:"where,omitempty"`
	JobPace
	// Rows is how many rows were read, those of earlier runs included; Estimate
	// about how many there are, zero if that is not known.
	Rows     int64            `json:"rows"`
	Estimate int64            `json:"estimate,omitempty"`
	Tables   []TableJobStatus `json:"tables"`
	// Verify is set for a verification.
	Verify *VerifyStatus `json:"verify,omitempty"`
	// Retry is set for a retry.
	Retry *RetryStatus `json:"retry,omitempty"`
	// Waits says what holds a running job up, empty if nothing does.
	Waits string `json:"waits,omitempty"`
}

// TableJobStatus is one table of a job.
type TableJobStatus struct {
	Table    string `json:"table"`
	Rows     int64  `json:"rows"`
	Estimate int64  `json:"estimate,omitempty"`
	Done     bool   `json:"done"`
	// Trouble is why the last attempt to read failed, empty if it did not.
	Trouble string `json:"trouble,omitempty"`
}

var (
	// ErrNotCapturing is returned when a job is asked for, or is to be changed, while
	// the capture of its source does not run here.
	ErrNotCapturing = errors.New("the source is not captured at present")
	// ErrNoJob is returned when a source has no such job, or has it no more.
	ErrNoJob = errors.New("there is no such job")
)

// JobError says why a job cannot be had as it was asked for. Asking again does
// not help.
type JobError struct{ Reason string }

func (e *JobError) Error() string { return e.Reason }
