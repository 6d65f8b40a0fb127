package connector

import (
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"tailstock/connector/backfill"
	"tailstock/connector/cdc"
	"tailstock/connector/inventory"
	"tailstock/connector/mapping"
)

// loadWish is what ought to be loaded, by what stores report.
type loadWish struct {
	feeds  []inventory.FeedName
	stores []string
	reason string
}

// loadJob is the load of a source that is under way. The goroutine that takes the
// stream owns it.
type loadJob struct {
	loadWish
	// id is the position of the message that began it.
	id     inventory.Position
	began  time.Time
	phase  loadPhase
	ends   inventory.Position // the message that completes it
	tables []*tableLoad
}

// chunkRows is the most rows of a chunk: what is placed at once delays the stream.
const chunkRows = 5_000

type loadPhase uint8

const (
	// loadStarting: the message that begins the load is not durable yet.
	loadStarting loadPhase = iota + 1
	// loadReading: tables are read.
	loadReading
	// loadEnding: the message that completes the load is not durable yet.
	loadEnding
)

// tableLoad is the reading of one table for a load.
type tableLoad struct {
	feed    inventory.FeedName
	table   cdc.TableName
	mapping *mapping.Mapping
	planner *backfill.Planner
	// reading says that a chunk is being read; notBefore is when it may be tried
	// again after a failure, which delay was waited for.
	reading   bool
	notBefore time.Time
	delay     time.Duration
	// trouble is why the last attempt failed, empty if it did not.
	trouble string
	// rows counts the rows of chunks that were placed.
	rows int64
}

// kept is the form of a loadJob in the state. A golden file pins it.
type keptLoad struct {
	Load   string          `json:"load"`
	Began  time.Time       `json:"began"`
	Reason string          `json:"reason"`
	Stores []string        `json:"stores"`
	Tables []keptTableLoad `json:"tables"`
}

type keptTableLoad struct {
	Table   string              `json:"table"`
	Mapping inventory.MappingID `json:"mapping"`
	// After is the key of the last row that is durable in the log.
	After []string `json:"after"`
	Rows  int64    `json:"rows"`
	Done  bool     `json:"done"`
}

func (j *loadJob) encode() []byte {
	kept := keptLoad{Load: j.id.String(), Began: j.began.UTC().Truncate(time.Millisecond), Reason: j.reason, Stores: j.stores}
	for _, t := range j.tables {
		c := t.planner.Cursor()
		kept.Tables = append(kept.Tables, keptTableLoad{
			Table: t.feed.Table, Mapping: t.feed.Mapping, After: c.After, Rows: c.Rows, Done: c.Done,
		})
	}
	b, err := json.Marshal(kept)
	if err != nil {
		panic(fmt.Sprintf("connector: encode plan of load %s: %v", j.id, err)) // strings and numbers always encode
	}
	return b
}

// newLoadJob begins the job of a wish, whose mappings are among those given.
func newLoadJob(w loadWish, mappings []*mapping.Mapping, now time.Time) *loadJob {
	j := &loadJob{loadWish: w, began: now, phase: loadStarting}
	for _, f := range w.feeds {
		j.tables = append(j.tables, newTableLoad(f, mappings, backfill.Cursor{}))
	}
	return j
}

// decodeLoad reads a kept load back. It returns nil if a feed of it is not
// among those that are wanted any more: such a load leads nowhere.
func decodeLoad(text []byte, mappings []*mapping.Mapping, wanted []inventory.FeedName) (*loadJob, error) {
	var kept keptLoad
	if err := json.Unmarshal(text, &kept); err != nil {
		return nil, fmt.Errorf("decode plan of a load: %w", err)
	}
	id, err := inventory.ParsePosition(kept.Load)
	if err != nil {
		return nil, fmt.Errorf("decode plan of a load: %w", err)
	}
	j := &loadJob{id: id, began: kept.Began, phase: loadReading, loadWish: loadWish{stores: kept.Stores, reason: kept.Reason}}
	for _, t := range kept.Tables {
		f := inventory.FeedName{Table: t.Table, Mapping: t.Mapping}
		if !slices.Contains(wanted, f) {
			return nil, nil
		}
		j.feeds = append(j.feeds, f)
		loaded := newTableLoad(f, mappings, backfill.Cursor{After: t.After, Rows: t.Rows, Done: t.Done})
		loaded.rows = t.Rows
		j.tables = append(j.tables, loaded)
	}
	return j, nil
}

func newTableLoad(f inventory.FeedName, mappings []*mapping.Mapping, from backfill.Cursor) *tableLoad {
	i := slices.IndexFunc(mappings, func(m *mapping.Mapping) bool {
		return m.Table().String() == f.Table && m.ID() == f.Mapping
	})
	m := mappings[i]
	return &tableLoad{
		feed: f, table: m.Table(), mapping: m,
		planner: backfill.NewPlanner(backfill.Plan{Table: m.Table(), From: from, MaxRows: chunkRows}),
	}
}

// done reports whether everything that was read is durable.
func (j *loadJob) done() bool {
	for _, t := range j.tables {
		if !t.planner.Cursor().Done {
			return false
		}
	}
	return true
}

// LoadStatus is a load under way, for people.
type LoadStatus struct {
	Load   string            `json:"load"`
	Reason string            `json:"reason"`
	Began  time.Time         `json:"began"`
	Tables []TableLoadStatus `json:"tables"`
}

// TableLoadStatus is one table of a load.
type TableLoadStatus struct {
	Table string `json:"table"`
	// Rows is how many rows were read, those of an earlier run included.
	Rows int64 `json:"rows"`
	Done bool  `json:"done"`
	// Trouble is why reading waits, empty if it does not.
	Trouble string `json:"trouble,omitempty"`
}

func (j *loadJob) status() LoadStatus {
	s := LoadStatus{Load: j.id.String(), Reason: j.reason, Began: j.began}
	for _, t := range j.tables {
		s.Tables = append(s.Tables, TableLoadStatus{
			Table: t.feed.Table, Rows: t.rows, Done: t.planner.Cursor().Done, Trouble: t.trouble,
		})
	}
	return s
}
