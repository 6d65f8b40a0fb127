package connector

import (
	"context"
	"encoding/json"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"tailstock/connector/backfill"
	"tailstock/connector/cdc"
	"tailstock/connector/inventory"
)

// JobVerify compares whole tables with what stores hold of them, at one place of the
// log each row, and then the rows that only stores have.
const JobVerify JobKind = "verify"

// verifyName stands for the transaction of rows that were read to be compared.
const verifyName = "verify"

// VerifySpec is what a verification does beside comparing everything.
type VerifySpec struct {
	// Repair has stores take what differs.
	Repair bool `json:"repair,omitempty"`
	// Sample is the part of the chunks to compare, in percent. Zero is all of them.
	Sample float64 `json:"sample,omitempty"`
}

// VerifyStatus is how far a verification has come.
type VerifyStatus struct {
	VerifySpec
	// Stated is how many events were put into the log to be compared, by every
	// store: one for each row and mapping.
	Stated int64 `json:"stated"`
	// ReadBack is how many rows that stores have were looked for in the source.
	ReadBack int64 `json:"read_back"`
	// Unreadable is how many of them could not be, because their keys are too long or
	// do not fit the table. They were not compared.
	Unreadable int64 `json:"unreadable"`
	// Stores are those that were asked for their rows.
	Stores []string `json:"stores"`
}

func (l *loader) newAskedVerify(id string, spec *JobSpec) (*job, error) {
	switch {
	case spec.From != nil || spec.To != nil || spec.Where != "":
		return nil, &JobError{"a verification is of whole tables"}
	case spec.Sample < 0 || spec.Sample > 100:
		return nil, &JobError{"a sample is between 0 and 100 percent"}
	}
	names := spec.Tables
	if len(names) == 0 {
		for _, f := range l.s.configured {
			names = append(names, f.Table)
		}
	}
	j := &job{id: id, kind: JobVerify, reason: reasonAsked, asked: time.Now(), verify: &VerifyStatus{VerifySpec: spec.VerifySpec}}
	for _, name := range slices.Compact(slices.Sorted(slices.Values(names))) {
		t := newTableRead(name, l.s.mappings)
		if t == nil {
			return nil, l.unmapped(name)
		}
		j.tables = append(j.tables, t)
	}
	if len(j.tables) == 0 {
		return nil, &JobError{"source " + l.s.c.cfg.Source + " has no tables"}
	}
	j.plan(spec.JobPace)
	return j, nil
}

// verified is how far j has come if it is a verification.
func (j *job) verified() *VerifyStatus {
	if j.verify == nil {
		return nil
	}
	v := *j.verify
	v.Stores = slices.Clone(v.Stores)
	for _, t := range j.tables {
		v.ReadBack += t.keys.readBack
		v.Unreadable += t.keys.unreadable
	}
	return &v
}

// verifyEnd is the body of the message that ends a verification.
func (j *job) verifyEnd(source string) []byte {
	return inventory.AppendChunk(nil, source, &inventory.ChunkMarker{Job: j.id, Table: j.tables[len(j.tables)-1].name, Done: true})
}

// keyReading is the second half of verifying a table: the rows that stores have and
// that were not compared are looked for in the source, by their keys.
type keyReading struct {
	// ranged is where reading the table itself ended.
	ranged backfill.Cursor
	// version is the table as it was read last.
	version *cdc.Table
	begun   bool
	// left are those that are still to be asked, the first of them now.
	left []keySource
	// asked says that an answer is on its way, last that there is no page after the
	// one that is being read, which begins behind after.
	asked bool
	last  bool
	after cdc.RowKey
	done  bool
	// page are the keys that are being read, one at a time if single. failures counts
	// the times in a row that reading them failed, odd are those of the last time.
	page     []backfill.Key
	single   bool
	failures int
	odd      []backfill.Key
	// readBack and unreadable count rows, as VerifyStatus does.
	readBack, unreadable int64
}

// keySource is a feed of a store.
type keySource struct {
	store string
	feed  inventory.FeedName
}

// keyAsk asks a store for a page of keys, and keyAnswer is what comes of it.
type keyAsk struct {
	table *tableRead
	keys  *keyReading
	from  keySource
	req   KeysRequest
}

type keyAnswer struct {
	keyAsk
	page KeysPage
	err  error
}

// done reports whether everything of t that was read is durable.
func (t *tableRead) done() bool {
	if t.keys != nil && t.retry == nil {
		return t.keys.done
	}
	return t.planner.Cursor().Done
}

// cursor is where reading t goes on after a crash.
func (t *tableRead) cursor() backfill.Cursor {
	if t.keys != nil && t.keys.begun {
		return t.keys.ranged
	}
	return t.planner.Cursor()
}

// lookBack goes on with the second halves of the current verification. Its
// messages to stores wait until they have applied what stands before.
func (l *loader) lookBack() {
	l.takeKeys()
	for _, t := range l.job.tables {
		k := t.keys
		l.isolate(t)
		if k.done || k.asked || !t.planner.Cursor().Done {
			continue
		}
		if !k.begun {
			k.begun, k.ranged = true, t.planner.Cursor()
			l.findStores(t)
		} else if k.last {
			k.left, k.last, k.after = k.left[1:], false, ""
		}
		l.ask(t)
	}
}

// findStores notes which stores count t, and under which mappings.
func (l *loader) findStores(t *tableRead) {
	v := l.job.verify
	for _, r := range l.s.run.Reports() {
		if r.LogID != l.s.start.LogID {
			continue
		}
		for _, f := range r.Feeds {
			if f.Table == t.name && f.State != FeedLoading && t.states(f.Mapping) {
				t.keys.left = append(t.keys.left, keySource{r.Store, f.FeedName})
				if !slices.Contains(v.Stores, r.Store) {
					v.Stores = append(v.Stores, r.Store)
					slices.Sort(v.Stores)
				}
			}
		}
	}
	slices.SortFunc(t.keys.left, func(a, b keySource) int { return strings.Compare(a.store, b.store) })
}

// states reports whether rows of t are stated under a mapping.
func (t *tableRead) states(id inventory.MappingID) bool {
	for _, m := range t.mappings {
		if m.ID() == id {
			return true
		}
	}
	return false
}

// ask asks for the next page of keys of t, if the store is ready.
func (l *loader) ask(t *tableRead) {
	k := t.keys
	now := time.Now()
	for len(k.left) > 0 {
		at, known := l.appliedBy(k.left[0].store)
		switch {
		case !known:
			k.left, k.after = k.left[1:], ""
			continue
		case l.asking || now.Before(t.notBefore) || at.Before(l.rests):
			l.waitForStores(now)
			return
		}
		k.asked, l.asking = true, true
		l.asks <- keyAsk{t, k, k.left[0], KeysRequest{
			Verification: l.job.id, Source: l.s.c.cfg.Source, Feed: k.left[0].feed, After: k.after,
		}}
		return
	}
	k.done, l.changed = true, true
	l.wakeAt(now)
}

// appliedBy returns what a store has applied, false if there is no such store any more.
func (l *loader) appliedBy(store string) (inventory.Position, bool) {
	for _, r := range l.s.run.Reports() {
		if r.Store == store && r.LogID == l.s.start.LogID {
			return r.Position, true
		}
	}
	return inventory.Position{}, false
}

// keyFailures is how often reading keys may fail before one of them is blamed.
const keyFailures = 2

// failed notes that keys could not be read, or with none that some could. A nil k has
// none.
func (k *keyReading) failed(keys []backfill.Key) {
	switch {
	case k == nil:
	case len(keys) == 0:
		k.failures, k.odd = 0, nil
	default:
		k.failures, k.odd = k.failures+1, keys
	}
}

// isolate has the keys of t that cannot be read, time after time, read one by one,
// and leaves out one that cannot be even then: a store may hold anything, and the
// source may not even be able to look for it. It waits until all that was read
// before is durable.
func (l *loader) isolate(t *tableRead) {
	k := t.keys
	if k.failures < keyFailures || len(k.odd) == 0 {
		return
	}
	at := t.planner.Cursor().Listed
	if at == len(k.page) || &k.page[at] != &k.odd[0] {
		return
	}
	if k.single {
		l.leaveOut(t, &k.odd[0])
		at++
	}
	k.single = true
	t.planner.Close()
	l.forget(t)
	l.readKeys(t, k.page[at:])
}

// leaveOut notes that a key of t cannot be looked for.
func (l *loader) leaveOut(t *tableRead, key *backfill.Key) {
	log := l.s.c.cfg.Logger.With("table", t.name, "key", []string(*key), "why", t.trouble)
	if t.retry != nil {
		log.Warn("a row that could not be mapped cannot be looked for in the source again")
		t.retry.unreadable(key)
		return
	}
	log.Warn("a row that a store has cannot be looked for in the source")
	t.keys.unreadable++
	t.keys.readBack--
}

// readKeys has keys of t read.
func (l *loader) readKeys(t *tableRead, keys []backfill.Key) {
	k := t.keys
	k.page = keys
	k.failed(nil)
	plan := backfill.Plan{Table: t.table, Keys: keys, MaxRows: chunkRows, Throttle: l.job.throttle}
	if k.single {
		plan.MinRows, plan.MaxRows = 1, 1
	}
	t.planner = backfill.NewPlanner(plan)
}

// takeKeys takes a page of keys that has come.
func (l *loader) takeKeys() {
	var a keyAnswer
	select {
	case a = <-l.answered:
		l.asking = false
	default:
		return
	}
	t, k := a.table, a.keys
	if t.keys != k || l.job == nil || !slices.Contains(l.job.tables, t) {
		return // its job was parked or is over
	}
	k.asked = false
	if a.err != nil {
		t.delay = min(max(2*t.delay, readRetryFirst), readRetryLongest)
		t.notBefore, t.trouble = time.Now().Add(t.delay), a.err.Error()
		l.s.c.cfg.Logger.Warn("a store did not tell its row keys, will ask again", "store", a.from.store, "table", t.name,
			"error", a.err, "after", t.delay)
		l.changed = true
		l.ask(t)
		return
	}
	t.delay, t.trouble = 0, ""
	k.last, k.after = a.page.Done, a.page.Last
	keys := make([]backfill.Key, 0, len(a.page.Keys))
	for _, text := range a.page.Keys {
		if key, ok := parseRowKey(text, k.version); ok && (l.job.verify.Sample == 0 || l.sampled()) {
			keys = append(keys, key)
		} else if !ok {
			k.unreadable++
		}
	}
	k.readBack += int64(len(keys))
	k.single = false
	l.readKeys(t, keys)
}

// sampled chooses at random what a sample holds.
func (l *loader) sampled() bool {
	return rand.Float64()*100 < l.job.verify.Sample //nolint:gosec // nobody gains by guessing
}

// compared makes the events by which the placed rows of a chunk are compared. Rows
// that were asked for by key are stated only if they are not there: if they are, they
// were compared, or are newer and came with the stream.
func (l *loader) compared(t *tableRead, prepared *chunkResult, placed []backfill.Placed) *readRows {
	r := &readRows{
		compare: l.job.id, repair: l.job.verify.Repair, name: verifyName, readAt: prepared.chunk.ReadAt,
	}
	k := t.keys
	if k.begun {
		for _, p := range placed {
			if p.Index < 0 {
				e := inventory.Event{Op: cdc.OpDelete, Table: t.name, Mapping: k.left[0].feed.Mapping, Row: p.Key}
				r.events = append(r.events, inventory.AppendEvent(nil, &e))
			}
		}
		return r
	}
	k.version = prepared.chunk.Table
	if l.job.verify.Sample > 0 && !l.sampled() {
		return r
	}
	each := len(t.mappings)
	for _, p := range placed {
		for i := p.Index * each; i < (p.Index+1)*each; i++ {
			r.events = append(r.events, prepared.stated.at(i))
		}
	}
	return r
}

// keyAsker asks stores for their row keys beside the stream. It is used by one goroutine.
type keyAsker struct {
	ask   AskKeysFunc
	nudge func()
}

// run asks what comes from asks until ctx ends. answered has room for the answer.
func (a *keyAsker) run(ctx context.Context, asks <-chan keyAsk, answered chan<- keyAnswer) error {
	for {
		select {
		case ask := <-asks:
			answer := keyAnswer{keyAsk: ask}
			if a.ask == nil {
				answer.page.Done = true
			} else {
				answer.page, answer.err = a.ask(ctx, ask.from.store, ask.req)
			}
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			answered <- answer
			a.nudge()
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// parseRowKey returns the key values that a row key is the text of. It fails for the
// key of a row that version, if it is known, cannot have: a hashed one, or one of
// another shape.
func parseRowKey(text cdc.RowKey, version *cdc.Table) (backfill.Key, bool) {
	d := json.NewDecoder(strings.NewReader(string(text)))
	d.UseNumber()
	var values []any
	if d.Decode(&values) != nil || len(values) == 0 || d.More() {
		return nil, false
	}
	if version != nil && len(values) != len(version.Key) {
		return nil, false
	}
	key := make(backfill.Key, len(values))
	row := make(cdc.Row, 0)
	if version != nil {
		row = make(cdc.Row, len(version.Columns))
	}
	for i, v := range values {
		switch v := v.(type) {
		case string:
			key[i] = v
		case json.Number:
			key[i] = v.String()
		default:
			return nil, false
		}
		if version != nil {
			row[version.Key[i]] = cdc.Text(key[i])
		}
	}
	if version == nil {
		return key, true
	}
	again, err := version.KeyOf(row)
	return key, err == nil && again == text
}
