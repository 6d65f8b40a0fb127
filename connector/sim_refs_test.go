package connector_test

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"tailstock/connector/backfill"
	"tailstock/connector/cdc"
	"tailstock/connector/inventory"
	"tailstock/connector/mapping"
)

// memRef is a reference table: part (id, code, brand), brand (id, name), lot (part,
// site, name), whose key has two columns, and hold (id, part), of which rows only ask
// whether there is one. The SKU of a row of bin or tray is the key of a part.
type memRef struct {
	*cdc.Table
	rows, visible map[string]refRow
	locks         map[string]int
	truncates     int
}

// refRow is a row of part, or of another table, which has a text alone.
type refRow struct{ text, brand string }

const (
	simParts  = 4
	simBrands = 3
	simHolds  = 5
)

func newRefs(rng *rand.Rand) []*memRef {
	var out []*memRef
	for _, def := range []struct {
		name    string
		columns []string
		key     []int
	}{{"part", []string{"id", "code", "brand"}, []int{0}}, {"brand", []string{"id", "name"}, []int{0}}, {"lot", []string{"part", "site", "name"}, []int{0, 1}}, {"hold", []string{"id", "part"}, []int{0}}} {
		t := &memRef{
			Table: &cdc.Table{Name: cdc.TableName{Schema: "public", Name: def.name}, Key: def.key},
			rows:  make(map[string]refRow), locks: make(map[string]int),
		}
		for _, column := range def.columns {
			t.Columns = append(t.Columns, cdc.Column{Name: column, Type: cdc.TypeText})
		}
		for _, key := range t.keys() {
			if rng.IntN(4) > 0 {
				t.rows[key] = t.random(rng)
			}
		}
		t.visible = maps.Clone(t.rows)
		out = append(out, t)
	}
	return out
}

// keys are those that rows may have; the values of a key of two columns have a
// slash between them.
func (t *memRef) keys() []string {
	var out []string
	switch t.Name.Name {
	case "part":
		return numbered("P", simParts)
	case "brand":
		return numbered("B", simBrands)
	case "hold":
		return numbered("H", simHolds)
	}
	for _, part := range numbered("P", simParts) {
		out = append(out, part+"/L0", part+"/L1")
	}
	return out
}

func numbered(prefix string, n int) []string {
	var out []string
	for i := range n {
		out = append(out, prefix+strconv.Itoa(i))
	}
	return out
}

func (t *memRef) random(rng *rand.Rand) refRow {
	switch t.Name.Name {
	case "part":
		return refRow{"C" + strconv.Itoa(rng.IntN(5)), "B" + strconv.Itoa(rng.IntN(simBrands))}
	case "hold":
		return refRow{text: "P" + strconv.Itoa(rng.IntN(simParts))}
	}
	return refRow{text: "N" + strconv.Itoa(rng.IntN(5))}
}

func (t *memRef) image(key string, r refRow) cdc.Row {
	var out cdc.Row
	for part := range strings.SplitSeq(key, "/") {
		out = append(out, cdc.Text(part))
	}
	if out = append(out, cdc.Text(r.text)); t.Name.Name == "part" {
		out = append(out, cdc.Text(r.brand))
	}
	return out
}

func (t *memRef) keyImage(key string) cdc.Row {
	out := t.image(key, refRow{})
	for i := len(t.Key); i < len(out); i++ {
		out[i] = cdc.Unchanged
	}
	return out
}

// free reports whether c may touch a row.
func (t *memRef) free(c *memCommit, key string) bool {
	return (t.locks[key] == 0 || t.locks[key] == c.number()) && (t.truncates == 0 || t.truncates == c.number())
}

// write makes r a row, nil for none, if nobody holds it.
func (t *memRef) write(c *memCommit, key string, r *refRow) {
	if !t.free(c, key) {
		return
	}
	_, exists := t.rows[key]
	change := cdc.Change{Op: cdc.OpInsert, Table: t.Table}
	switch {
	case r == nil && !exists:
		return
	case r == nil:
		change.Op, change.Before = cdc.OpDelete, t.keyImage(key)
		delete(t.rows, key)
	default:
		if exists {
			change.Op = cdc.OpUpdate
		}
		change.After = t.image(key, *r)
		t.rows[key] = *r
	}
	c.Changes = append(c.Changes, change)
	t.locks[key] = c.number()
	c.effects = append(c.effects, func() {
		if delete(t.locks, key); r == nil {
			delete(t.visible, key)
		} else {
			t.visible[key] = *r
		}
	})
}

// truncate empties t, if nobody holds any of its rows.
func (t *memRef) truncate(c *memCommit) {
	for key := range t.locks {
		if !t.free(c, key) {
			return
		}
	}
	clear(t.rows)
	t.truncates = c.number()
	c.effects = append(c.effects, func() { clear(t.visible); t.truncates = 0 })
	c.Changes = append(c.Changes, cdc.Change{Op: cdc.OpTruncate, Table: t.Table})
}

// changeRefs changes a few rows of the reference tables. mu must be held.
func (s *memSource) changeRefs(c *memCommit, rng *rand.Rand) {
	for range 1 + rng.IntN(3) {
		t := s.refs[rng.IntN(len(s.refs))]
		key := t.keys()[rng.IntN(len(t.keys()))]
		row := t.random(rng)
		switch n := rng.IntN(20); {
		case n == 0 && rng.IntN(3) == 0:
			t.truncate(c)
		case n < 4:
			t.write(c, key, nil)
		case n < 6: // nothing that anybody uses
			if old, ok := t.rows[key]; ok {
				t.write(c, key, &old)
			}
		default:
			t.write(c, key, &row)
		}
	}
}

// mendRefs writes the rows of reference tables that are missing.
func (s *memSource) mendRefs(rng *rand.Rand) {
	s.hide(0)
	if err := s.await(s.t.Context(), func() bool { return s.visible(len(s.log)) }); err != nil {
		s.t.Error(err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.begin()
	for _, t := range s.refs {
		for _, key := range t.keys() {
			if _, ok := t.rows[key]; !ok {
				row := t.random(rng)
				t.write(c, key, &row)
			}
		}
	}
	s.end(c, 0)
}

// refsNow are the rows of the reference tables after the last commit. mu must be held.
func (s *memSource) refsNow() simRefs {
	var out simRefs
	for i, into := range []*map[string]refRow{&out.part, &out.brand, &out.lot, &out.hold} {
		*into = maps.Clone(s.refs[i].rows)
	}
	return out
}

// simRefs are the rows of the reference tables at one moment.
type simRefs struct{ part, brand, lot, hold map[string]refRow }

// sku is what a row's SKU is mapped to, false if a row is missing for that.
func (r simRefs) sku(row simRow) (string, bool) {
	part, ok := r.part[row.sku]
	brand, also := r.brand[part.brand]
	held := ""
	for _, h := range r.hold {
		if h.text == row.sku {
			held = "!"
		}
	}
	return part.text + "/" + brand.text + r.lot[row.sku+"/"+row.location].text + held, ok && also
}

// readRef reads what is visible of a reference table. mu must be held.
func (s *memAdapter) readRef(t *memRef, r backfill.Request) *backfill.Chunk {
	if s.wanted[r.Table] == nil {
		s.t.Errorf("table %s is read, and nobody wants it", r.Table)
	}
	c := &backfill.Chunk{Table: t.Table, View: s.view(), ReadAt: time.Now()}
	for _, key := range slices.Sorted(maps.Keys(t.visible)) {
		if r.After != nil && key <= strings.Join(r.After, "/") {
			continue
		}
		if len(c.Rows) == min(r.Limit, 2) { // small chunks, as of several moments
			break
		}
		c.Last = strings.Split(key, "/")
		c.Rows = append(c.Rows, t.image(key, t.visible[key]))
	}
	if len(c.Rows) == 2 {
		c.Scanned = r.Limit
	}
	return c
}

// ref returns a reference table, nil if name is not one.
func (s *memSource) ref(name cdc.TableName) *memRef {
	for _, t := range s.refs {
		if t.Name == name {
			return t
		}
	}
	return nil
}

// lookingMapping maps rows of a quantity of at least least to what their parts are called.
func lookingMapping(tb testing.TB, table string, least int) *mapping.Mapping {
	tb.Helper()
	v := &mapping.Vocabulary{Lookups: []mapping.Lookup{
		{Name: "part", Table: cdc.TableName{Schema: "public", Name: "part"}},
		{Name: "brand", Table: cdc.TableName{Schema: "public", Name: "brand"}},
		{Name: "lot", Table: cdc.TableName{Schema: "public", Name: "lot"}, Missing: mapping.MissingIsNull},
		{Name: "hold", Table: cdc.TableName{Schema: "public", Name: "hold"}, Key: []string{"part"}},
	}}
	r := mapping.Rule{
		When: mapping.Value{Text: "qty >= " + strconv.Itoa(least)}, Location: mapping.Value{Text: "location"},
		SKU: mapping.Value{Text: "part[sku].code + '/' + brand[part[sku].brand].name + (lot[sku, location].name ?? '') + (exists(hold[sku]) ? '!' : '')"},
	}
	r.Quantities[inventory.OnHand] = mapping.Value{Text: "qty"}
	m, err := mapping.Compile(cdc.TableName{Schema: "public", Name: table}, mapping.Spec{Contributes: []mapping.Rule{r}, Vocabulary: v})
	if err != nil {
		tb.Fatal(err)
	}
	return m
}

// openRows are what commits named to be derived again and nothing answered yet, as
// a store has read the log.
type openRows []openNames

type openNames struct {
	at   inventory.Position
	list []inventory.Rederive
}

func (o openRows) take(m *inventory.Message) openRows {
	o = slices.Clone(o)
	if m.Rederived != nil {
		o = slices.DeleteFunc(o, func(n openNames) bool { return !m.Rederived.Through.Before(n.at) })
	}
	if m.SourceGap != nil {
		o = nil
	}
	for i := range m.Commits {
		if list := m.Commits[i].Rederive; len(list) > 0 {
			o = append(o, openNames{m.Position, list})
		}
	}
	return o
}

// name reports whether a row of table is among them.
func (o openRows) name(table string, row simRow) bool {
	return slices.ContainsFunc(o, func(n openNames) bool {
		return slices.ContainsFunc(n.list, func(r inventory.Rederive) bool {
			return r.Table == table && (r.Columns == nil || row.has(r.Columns, r.Values))
		})
	})
}

// has reports whether r has one of values in columns.
func (r simRow) has(columns []string, values [][]string) bool {
	return !r.bad && slices.ContainsFunc(values, func(v []string) bool {
		for i, column := range columns {
			if v[i] != map[string]string{"sku": r.sku, "location": r.location}[column] {
				return false
			}
		}
		return true
	})
}

// refers reports whether a source reads r for what refers to others. Like a real
// one it may read more: what has each of the values, though not together.
func (r simRow) refers(f *backfill.Referring) bool {
	for i, column := range f.Columns {
		var values [][]string
		for _, v := range f.Values {
			values = append(values, v[i:i+1])
		}
		if !r.has([]string{column}, values) {
			return false
		}
	}
	return true
}

// excused removes from want and got the rows of a table that may differ at a place
// of the log: those for which a row of another table is missing, and those that are
// named to be derived again.
func (s *memSource) excused(place int, table string, open openRows, want, got map[string]string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	at := s.history[place]
	for id, r := range at.rows[table] {
		key := "[" + strconv.Itoa(id) + "]"
		if _, complete := at.refs.sku(r); !complete || open.name(table, r) {
			delete(want, key)
			delete(got, key)
		}
	}
}

// exactness notes from which place on the lookups of each run are exact, as the
// capture logs it, and passes on what else is logged.
type exactness struct {
	slog.Handler
	mu     *sync.Mutex
	places map[uint64]int
}

func newExactness(h slog.Handler) *exactness {
	return &exactness{h, new(sync.Mutex), make(map[uint64]int)}
}

func (e *exactness) Enabled(context.Context, slog.Level) bool { return true }

func (e *exactness) WithAttrs(a []slog.Attr) slog.Handler {
	return &exactness{e.Handler.WithAttrs(a), e.mu, e.places}
}

func (e *exactness) Handle(ctx context.Context, r slog.Record) error {
	if r.Message == "lookups are exact from here on" {
		var run uint64
		var place int
		r.Attrs(func(a slog.Attr) bool {
			switch a.Key {
			case "run":
				run = a.Value.Uint64()
			case "resume":
				place = placeOf(cdc.Resume(a.Value.String()))
			}
			return true
		})
		e.mu.Lock()
		e.places[run] = place
		e.mu.Unlock()
	}
	if e.Handler.Enabled(ctx, r.Level) {
		return e.Handler.Handle(ctx, r)
	}
	return nil
}

// holds reports whether what a run has appended up to a place is mapped exactly.
func (e *exactness) holds(run uint64, place int) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	from, ok := e.places[run]
	return ok && place >= from
}

// refStory tells how the reference tables changed up to a place of the log.
func (s *memSource) refStory(place int) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var b strings.Builder
	for i := max(place-40, 1); i <= place; i++ {
		was, is := s.history[i-1].refs, s.history[i].refs
		if !maps.Equal(was.part, is.part) || !maps.Equal(was.brand, is.brand) || !maps.Equal(was.lot, is.lot) || !maps.Equal(was.hold, is.hold) {
			fmt.Fprintf(&b, "%d: parts %v, brands %v, lots %v, holds %v\n", i, is.part, is.brand, is.lot, is.hold)
		}
	}
	return b.String()
}

// passTime lets fake time pass, until nothing moves.
func passTime(d time.Duration) {
	time.Sleep(d) // fake time
	synctest.Wait()
}

// refWorld is a world in which nothing fails, with two parts of one brand and three
// rows of bin, the last of which waits for its part.
func refWorld(t *testing.T, keep time.Duration) *world {
	t.Helper()
	w := newWorld(t, 1)
	w.chaos.set(0)
	w.keep, w.config = keep, simConfig{bin: 0, tray: -1, binLooks: true}
	w.source.dawdles = false
	for i, table := range w.source.refs {
		clear(table.rows)
		for _, key := range table.keys()[:[]int{2, 2, 0, 0}[i]] {
			table.rows[key] = refRow{"X" + key, []string{"B0", ""}[i]}
		}
		table.visible = maps.Clone(table.rows)
	}
	for _, table := range w.source.tables {
		clear(table.rows)
		clear(table.good)
		clear(table.visible)
	}
	w.source.set(1, simRow{sku: "P0", location: "L0", qty: 3})
	w.source.set(2, simRow{sku: "P1", location: "L0", qty: 4})
	w.source.set(3, simRow{sku: "P3", location: "L0", qty: 5})
	return w
}

// commitRefs commits a change of reference tables.
func (s *memSource) commitRefs(change func(c *memCommit)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.begin()
	change(c)
	s.end(c, 0)
}

// named lists what the log names to be derived again, from a message on.
func (l *memLog) named(from int) (names []string, messages int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, m := range l.messages[from:] {
		for _, c := range m.decoded.Commits {
			for _, r := range c.Rederive {
				var values []string
				for _, v := range r.Values {
					values = append(values, strings.Join(v, "/"))
				}
				names = append(names, fmt.Sprint(r.Table, " ", values))
			}
		}
	}
	return names, len(l.messages)
}

// TestOpenRederivationsHoldThePurge has a source refuse to be read while a part is
// renamed. The commit that names the rows stays in the log, though stores have
// applied it, and a run that begins meanwhile takes it up.
func TestOpenRederivationsHoldThePurge(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := refWorld(t, 0)
		d := w.start()
		defer func() { d.kill() }()
		passTime(time.Minute)
		w.source.breakReads(5 * time.Minute)
		w.source.commitRefs(func(c *memCommit) { w.source.refs[0].write(c, "P0", &refRow{"R", "B0"}) })
		for range 4 {
			passTime(15 * time.Second)
			w.source.commitAt(time.Now()) // there is more to purge
		}
		if names, _ := w.log.named(0); strings.Join(names, "; ") != "public.bin [P0]" {
			t.Errorf("the log names %q", names)
		}
		d.kill()
		w.source.breakReads(0)
		d = w.start()
		passTime(2 * time.Minute)
		want := map[string]string{"[1]": "R/XB0 L0 3", "[2]": "XP1/XB0 L0 4"}
		if diff := cmp.Diff(want, w.store.state.feeds[0].counts()); diff != "" {
			t.Errorf("the store (-want +got):\n%s", diff)
		}
		if names, _ := w.log.named(0); len(names) > 0 {
			t.Errorf("the log still names %q", names)
		}
	})
}

// TestRoomThatIsMadeForgetsNothing has a log make room for a run, as one that is full
// does, while a row waits to be derived again: the commit that says so goes.
func TestRoomThatIsMadeForgetsNothing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := refWorld(t, 0)
		d := w.start()
		defer func() { d.kill() }()
		passTime(time.Minute)
		w.source.breakReads(5 * time.Minute)
		w.source.commitRefs(func(c *memCommit) { w.source.refs[0].write(c, "P0", &refRow{"R", "B0"}) })
		passTime(15 * time.Second)
		w.source.commitAt(time.Now())
		passTime(15 * time.Second)
		d.kill()
		if names, _ := w.log.named(0); strings.Join(names, "; ") != "public.bin [P0]" {
			t.Errorf("the log names %q", names)
		}
		w.log.makeRoom()
		if names, _ := w.log.named(0); len(names) > 0 {
			t.Fatalf("the log still names %q", names)
		}
		w.source.breakReads(0)
		for range 2 { // a run that ends before it is done leaves it to the next
			d = w.start()
			passTime(time.Second)
			d.kill()
		}
		d = w.start()
		passTime(2 * time.Minute)
		want := map[string]string{"[1]": "R/XB0 L0 3", "[2]": "XP1/XB0 L0 4"}
		if diff := cmp.Diff(want, w.store.state.feeds[0].counts()); diff != "" {
			t.Errorf("the store (-want +got):\n%s", diff)
		}
	})
}

// makeRoom removes all messages but the newest.
func (l *memLog) makeRoom() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.messages = slices.Clone(l.messages[len(l.messages)-1:])
}

// TestGapThatIsNotStatedLetsNothingGo has a slot dropped while a row waits to be
// derived again. The run that finds the gap makes another slot, where the first
// stood, and ends before it states the gap: the next one sees none.
func TestGapThatIsNotStatedLetsNothingGo(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := refWorld(t, 0)
		d := w.start()
		defer func() { d.kill() }()
		passTime(time.Minute)
		w.source.breakReads(5 * time.Minute)
		w.source.commitRefs(func(c *memCommit) { w.source.refs[0].write(c, "P0", &refRow{"R", "B0"}) })
		passTime(30 * time.Second)
		d.kill()
		w.source.dropSlot()
		d = w.start() // it cannot read its lookups
		passTime(time.Minute)
		d.kill()
		w.source.breakReads(0)
		d = w.start()
		passTime(2 * time.Minute)
		want := map[string]string{"[1]": "R/XB0 L0 3", "[2]": "XP1/XB0 L0 4"}
		if diff := cmp.Diff(want, w.store.state.feeds[0].counts()); diff != "" {
			t.Errorf("the store (-want +got):\n%s", diff)
		}
	})
}

// TestOnlyWhatIsUsedIsDerivedAgain has rows of reference tables change in a world in
// which nothing fails, and looks at what the log names, over a restart.
func TestOnlyWhatIsUsedIsDerivedAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := refWorld(t, 24*time.Hour)
		part, brand := w.source.refs[0], w.source.refs[1]
		d := w.start()
		defer func() { d.kill() }()
		seen := 0
		check := func(what, want string, change func(c *memCommit)) {
			t.Helper()
			w.source.commitRefs(change)
			passTime(time.Minute)
			var got []string
			if got, seen = w.log.named(seen); strings.Join(got, "; ") != want {
				t.Errorf("%s: %q is named, want %q", what, got, want)
			}
			if diff := cmp.Diff(w.source.want("public.bin", simMeaning{0, true}), w.store.state.feeds[0].counts()); diff != "" && !strings.Contains(diff, "[3]") {
				t.Errorf("%s (-source +store):\n%s", what, diff)
			}
		}
		write := func(table *memRef, key string, row refRow) func(c *memCommit) {
			return func(c *memCommit) { table.write(c, key, &row) }
		}
		passTime(time.Minute)
		for range 2 {
			check("a part is renamed", "public.bin [P0]", write(part, "P0", refRow{"R" + fmt.Sprint(seen), "B0"}))
			check("a brand is renamed", "public.bin [P0 P1]", write(brand, "B0", refRow{text: "Q" + fmt.Sprint(seen)}))
			check("nothing changes", "", func(c *memCommit) { row := part.rows["P0"]; part.write(c, "P0", &row) })
			check("a part arrives that nobody waits for", "", write(part, "P2", refRow{"N", "B0"}))
			check("and goes", "public.bin [P2]", func(c *memCommit) { part.write(c, "P2", nil) })
			passTime(2 * time.Minute) // what is known is kept
			d.kill()
			d = w.start()
			passTime(time.Minute)
		}
		check("a part arrives that a row waits for", "public.bin [P3]", write(part, "P3", refRow{"N", "B0"}))
		check("it names a brand that is not there", "public.bin [P3]", write(part, "P3", refRow{"N", "B2"}))
		check("which arrives", "public.bin [P3]", write(brand, "B2", refRow{text: "M"}))
	})
}
