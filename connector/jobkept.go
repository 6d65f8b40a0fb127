package connector

import (
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"tailstock/connector/backfill"
	"tailstock/connector/inventory"
	"tailstock/connector/mapping"
)

// keptJobs is the form of a source's jobs in the state. A golden file pins it.
type keptJobs struct {
	Jobs []keptJob `json:"jobs"`
	// Rederived is a position up to which everything that was to be derived again has
	// been, empty if none is known.
	Rederived string `json:"rederived,omitempty"`
	// Missed are rows that were looked for in vain by what was mapped up to there, and
	// maybe behind it, each with its table. Absent if that is not known.
	Missed *[][2]string `json:"missed,omitempty"`
	// Collisions are part numbers that became one.
	Collisions []collision `json:"collisions,omitempty"`
}

type keptJob struct {
	ID     string    `json:"id"`
	Kind   JobKind   `json:"kind"`
	Reason string    `json:"reason"`
	Asked  time.Time `json:"asked"`
	Began  time.Time `json:"began,omitzero"`
	Needed bool      `json:"needed,omitempty"`
	Paused bool      `json:"paused,omitempty"`
	// Cancelled is a load that the stores have not been told to drop yet.
	Cancelled bool `json:"cancelled,omitempty"`
	// Load is the position of the message that began a load, empty before that.
	Load   string       `json:"load,omitempty"`
	Stores []string     `json:"stores,omitempty"`
	From   backfill.Key `json:"from,omitempty"`
	To     backfill.Key `json:"to,omitempty"`
	Where  string       `json:"where,omitempty"`
	JobPace
	Verify *VerifyStatus `json:"verify,omitempty"`
	// Rejects are those of a retry, which begins anew with every run.
	Rejects []RetryRow  `json:"rejects,omitempty"`
	Tables  []keptTable `json:"tables"`
}

type keptTable struct {
	Table string `json:"table"`
	// Mapping is that of the feed that a load fills.
	Mapping inventory.MappingID `json:"mapping,omitempty"`
	// After is the key of the last row that is durable in the log.
	After backfill.Key `json:"after"`
	Rows  int64        `json:"rows"`
	Done  bool         `json:"done"`
}

// encodeJobs returns what is kept of jobs and beside them, nil for nothing.
func encodeJobs(jobs []*job, rederived inventory.Position, missed *[][2]string, collisions []collision) []byte {
	if len(jobs) == 0 && rederived.IsZero() && len(collisions) == 0 {
		return nil
	}
	kept := keptJobs{Jobs: []keptJob{}, Collisions: collisions}
	if !rederived.IsZero() {
		kept.Rederived, kept.Missed = rederived.String(), missed
	}
	for _, j := range jobs {
		kept.Jobs = append(kept.Jobs, j.kept())
	}
	b, err := json.Marshal(kept)
	if err != nil {
		panic(fmt.Sprintf("connector: encode jobs: %v", err)) // strings and numbers always encode
	}
	return b
}

func (j *job) kept() keptJob {
	k := keptJob{
		ID: j.id, Kind: j.kind, Reason: j.reason, Asked: keptTime(j.asked), Began: keptTime(j.began),
		Needed: j.needed, Paused: j.paused, Cancelled: j.cancelled, Stores: j.stores,
		From: j.from, To: j.to, Where: j.where, JobPace: j.pace, Verify: j.verify, Rejects: j.rejects(),
	}
	if j.started() {
		k.Load = j.load.String()
	}
	for _, t := range j.tables {
		c := t.cursor()
		table := keptTable{Table: t.name, After: c.After, Rows: c.Rows, Done: c.Done}
		if j.kind == JobLoad {
			table.Mapping = t.mappings[0].ID()
		}
		k.Tables = append(k.Tables, table)
	}
	return k
}

func keptTime(t time.Time) time.Time {
	if t.IsZero() {
		return t
	}
	return t.UTC().Truncate(time.Millisecond)
}

// decodeJobs reads kept jobs back. Those that lead nowhere any more are returned
// as dropped: loads of a feed that is not among those wanted, and backfills of
// tables that none of mappings is of.
func decodeJobs(text []byte, mappings []*mapping.Mapping, wanted []inventory.FeedName) (
	jobs []*job, dropped []keptJob, left keptLookups, err error,
) {
	var kept keptJobs
	if err := json.Unmarshal(text, &kept); err != nil {
		return nil, nil, left, fmt.Errorf("decode jobs: %w", err)
	}
	left.collisions = kept.Collisions
	if kept.Rederived != "" {
		left.missed = kept.Missed
		if left.rederived, err = inventory.ParsePosition(kept.Rederived); err != nil {
			return nil, nil, left, fmt.Errorf("decode jobs: %w", err)
		}
	}
	for i := range kept.Jobs {
		j, err := kept.Jobs[i].job(mappings, wanted)
		if err != nil {
			return nil, nil, left, fmt.Errorf("decode job %s: %w", kept.Jobs[i].ID, err)
		}
		if j == nil {
			dropped = append(dropped, kept.Jobs[i])
			continue
		}
		jobs = append(jobs, j)
	}
	return jobs, dropped, left, nil
}

// keptLookups is what an earlier run kept beside its jobs.
type keptLookups struct {
	collisions []collision
	rederived  inventory.Position
	missed     *[][2]string
}

// job returns the job that k keeps, nil if it leads nowhere.
func (k *keptJob) job(mappings []*mapping.Mapping, wanted []inventory.FeedName) (*job, error) {
	j := &job{
		id: k.ID, kind: k.Kind, reason: k.Reason, asked: k.Asked, began: k.Began, needed: k.Needed,
		paused: k.Paused, cancelled: k.Cancelled, stores: k.Stores, from: k.From, to: k.To, where: k.Where,
		pace: k.JobPace, throttle: backfill.NewThrottle(k.Throttle), verify: k.Verify,
	}
	var err error
	if k.Load != "" {
		if j.load, err = inventory.ParsePosition(k.Load); err != nil {
			return nil, err
		}
	}
	if k.Where != "" {
		if j.condition, err = mapping.ParseCondition(k.Where); err != nil {
			return nil, err
		}
	}
	if k.Kind == JobRetry {
		return k.retry(j, mappings)
	}
	for _, t := range k.Tables {
		read := k.table(t, mappings, wanted)
		if read == nil {
			return nil, nil
		}
		j.planFrom(read, backfill.Cursor{After: t.After, Rows: t.Rows, Done: t.Done})
		j.tables = append(j.tables, read)
	}
	return j, nil
}

// retry gives j the rows that k names, and returns nil if their tables are not
// mapped any more.
func (k *keptJob) retry(j *job, mappings []*mapping.Mapping) (*job, error) {
	if _, ok := j.retry(k.Rejects, func(table string) *tableRead { return newTableRead(table, mappings) }); !ok {
		return nil, nil
	}
	for _, t := range j.tables {
		if err := t.retry.findKeys(); err != nil {
			return nil, err
		}
	}
	j.plan(k.JobPace)
	return j, nil
}

func (k *keptJob) table(t keptTable, mappings []*mapping.Mapping, wanted []inventory.FeedName) *tableRead {
	if k.Kind != JobLoad {
		return newTableRead(t.Table, mappings)
	}
	f := inventory.FeedName{Table: t.Table, Mapping: t.Mapping}
	if !slices.Contains(wanted, f) {
		return nil
	}
	return newFeedRead(f, mappings)
}
