package sourcetest

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"tailstock/connector/backfill"
	"tailstock/connector/cdc"
)

// The tables of the loads. No value of theirs is ever left out by a source, so
// that the fold of the stream is exact at every boundary.
const (
	itemTable = "CREATE TABLE item (id INT PRIMARY KEY, qty INT, tag VARCHAR(20))"
	slotTable = "CREATE TABLE bin (qty INT, bin INT NOT NULL, site VARCHAR(10) NOT NULL, PRIMARY KEY (site, bin))"
)

// loading starts a rig with the tables of the loads, fills them after the first
// token, and returns a loader that has followed from there.
func loading(t *testing.T, h Harness, limit int) (*rig, *loader) {
	t.Helper()
	r := newRig(t, h, itemTable, slotTable)
	l := newLoader(t, r.source("item: qty tag", "bin: qty"), limit, r.name("item"), r.name("bin"))
	return r, l
}

// fillItems commits rows into the tables of the loads.
func fillItems(r *rig) {
	for id := range writerIDs {
		r.exec(fmt.Sprintf("INSERT INTO item VALUES (%d, 1, 'first')", id))
	}
	for _, site := range []string{"DC1", "DC2", "DC3"} {
		r.exec(fmt.Sprintf("INSERT INTO bin VALUES (1, 1, '%s'), (2, 2, '%s'), (3, 10, '%s')", site, site, site))
	}
}

// testLoad loads the tables over and over, a chunk of each in flight, beside
// writers that do everything that applications and administrators do, while the
// consumer crashes now and then. At the end the tables are what was loaded.
func testLoad(t *testing.T, h Harness) {
	r, l := loading(t, h, 7)
	token := l.follow("", nil, nil, func(*cdc.Transaction) bool { return true })
	r.exec("CREATE INDEX by_tag ON item (tag)")
	fillItems(r)
	l.loads = append(l.loads, &load{table: r.name("item"), column: "tag"}, &load{table: r.name("bin"), column: "qty"})
	w := startWriters(r, h, 8)
	l.begin(100)
	token = l.follow(token, rand.New(rand.NewPCG(1, 1)), nil, func(transaction *cdc.Transaction) bool {
		w.delivered(transaction)
		return l.done()
	})
	w.stop()
	chunks, dropped := 0, 0
	for _, d := range l.loads {
		chunks, dropped = chunks+d.chunks, dropped+d.dropped
	}
	t.Logf("%d commits and %d in two phases; %s", w.committed.Load(), w.prepared.Load(), l.status())
	if chunks < 100 || dropped == 0 || w.committed.Load() == 0 || h.Dialect.Prepared != nil && w.prepared.Load() == 0 {
		t.Errorf("%d chunks, %d rows dropped, %d commits, %d in two phases: the test is void",
			chunks, dropped, w.committed.Load(), w.prepared.Load())
	}

	l.begin(1)
	l.quiet(r, token)
}

// quiet follows until everything is delivered and loaded, with nobody writing, and
// compares what was loaded with the source.
func (l *loader) quiet(r *rig, token cdc.Resume) cdc.Resume {
	l.t.Helper()
	mark := r.mark()
	marked := false
	token = l.follow(token, nil, nil, func(transaction *cdc.Transaction) bool {
		marked = marked || reachedMark(transaction, mark)
		return marked && l.done()
	})
	for _, table := range loadTables(r) {
		want := selectRows(l.t, r, table)
		if diff := cmp.Diff(want, l.loaded.rows[table.Name], cmpopts.EquateEmpty()); diff != "" {
			l.t.Errorf("table %s (-source +loaded):\n%.2000s", table.Name, diff)
		}
	}
	return token
}

// testLoadOmitting is testLoad with a session whose rows the log has in part: what
// it leaves out is read again, maybe as it is later. Whenever it is quiet, the tables
// are what was loaded.
func testLoadOmitting(t *testing.T, h Harness) {
	requireFeature(t, len(h.Dialect.Omitting) > 0, "sessions that leave columns out of the log")
	r, l := loading(t, h, 7)
	l.inexact = true
	token := l.follow("", nil, nil, func(*cdc.Transaction) bool { return true })
	fillItems(r)
	random := rand.New(rand.NewPCG(2, 2))
	for range max(h.QuietPoints, 2) {
		w := startWriters(r, h, 8, h.Dialect.Omitting...)
		l.begin(6)
		token = l.follow(token, random, nil, func(transaction *cdc.Transaction) bool {
			w.delivered(transaction)
			return l.done()
		})
		w.stop()
		t.Logf("%d commits, %d of them with omitted values, and %d in two phases; %s",
			w.committed.Load(), w.omitted.Load(), w.prepared.Load(), l.status())
		if w.omitted.Load() == 0 {
			t.Error("no commit left values out: the test is void")
		}
		if token = l.quiet(r, token); t.Failed() {
			return
		}
	}
}

// loadTables describes the captured columns of the tables, as selectRows reads them.
func loadTables(r *rig) []*cdc.Table {
	return []*cdc.Table{
		{Name: r.name("item"), Key: []int{0}, Columns: []cdc.Column{
			{Name: "id", Type: cdc.TypeInteger}, {Name: "qty", Type: cdc.TypeInteger}, {Name: "tag", Type: cdc.TypeText},
		}},
		{Name: r.name("bin"), Key: []int{2, 1}, Columns: []cdc.Column{
			{Name: "qty", Type: cdc.TypeInteger}, {Name: "bin", Type: cdc.TypeInteger}, {Name: "site", Type: cdc.TypeText},
		}},
	}
}

// testLoadIdle loads tables that nobody writes to, and does not have to wait for
// the server's log to move by itself.
func testLoadIdle(t *testing.T, h Harness) {
	r, l := loading(t, h, 3)
	token := l.follow("", nil, nil, func(*cdc.Transaction) bool { return true })
	fillItems(r)
	mark := r.mark()
	token = l.follow(token, nil, nil, func(transaction *cdc.Transaction) bool { return reachedMark(transaction, mark) })
	l.begin(2)
	l.patience = prompt
	began := time.Now()
	l.follow(token, nil, l.source.Nudge, func(*cdc.Transaction) bool { return l.done() })
	t.Logf("%v: %s", time.Since(began), l.status())
}

// testLoadInvisible begins a load while a commit is streamed and not visible. A
// reader that does not wait for it reads what was before, and the stream does not
// say it again.
func testLoadInvisible(t *testing.T, h Harness) {
	requireFeature(t, h.Features.StreamsBeforeVisible, "streaming commits before they are visible")
	r, l := loading(t, h, 5)
	token := l.follow("", nil, nil, func(*cdc.Transaction) bool { return true })
	fillItems(r)
	mark := r.mark()
	token = l.follow(token, nil, nil, func(transaction *cdc.Transaction) bool { return reachedMark(transaction, mark) })
	// Not a TRUNCATE: its lock, held until it is visible, keeps readers out by itself.
	statements := []string{
		"UPDATE item SET qty = 99 WHERE id < 10", "DELETE FROM item WHERE id BETWEEN 20 AND 30", "UPDATE bin SET qty = 99 WHERE bin = 2",
	}
	for some := range slices.Chunk(statements, r.Hanging) {
		token = loadInvisible(r, l, token, some)
	}
}

// loadInvisible loads while the commits of statements hang, and returns the token
// to go on from.
func loadInvisible(r *rig, l *loader, token cdc.Resume, statements []string) cdc.Resume {
	release := r.Hang(r.t)
	var group sync.WaitGroup
	defer group.Wait()
	defer release()
	for _, s := range statements {
		group.Go(func() { _, _ = r.DB.ExecContext(context.WithoutCancel(r.t.Context()), s) })
	}
	seen := 0
	token = l.follow(token, nil, nil, func(transaction *cdc.Transaction) bool {
		if !transaction.Progress() && transaction.Last {
			seen++
		}
		return seen == len(statements)
	})
	l.begin(1)
	released := time.AfterFunc(3*time.Second, release) // a reader that does not wait is done long before
	defer released.Stop()
	return l.follow(token, nil, l.source.Nudge, func(*cdc.Transaction) bool { return l.done() })
}

// testReadKeys reads rows by key: those that are there, and the news that the
// others are not.
func testReadKeys(t *testing.T, h Harness) {
	r, l := loading(t, h, 5)
	tail(t, l.source, "", l.emit).started()
	fillItems(r)
	for _, c := range []struct {
		table string
		keys  []backfill.Key
		want  []string
	}{
		{"item", []backfill.Key{{"7"}, {"4000"}, {"3"}, {"7"}}, []string{"id=3 qty=1 tag=first", "id=7 qty=1 tag=first", "[4000] is gone"}},
		{"bin", []backfill.Key{{"DC2", "10"}, {"DC9", "1"}, {"DC1", "1"}}, []string{"qty=1 bin=1 site=DC1", "qty=3 bin=10 site=DC2", `["DC9",1] is gone`}},
		{"item", []backfill.Key{{"5000"}}, []string{"[5000] is gone"}},
	} {
		request := backfill.Request{Table: r.name(c.table), Keys: c.keys}
		recorder := backfill.NewRecorder(10)
		window := recorder.Open(request.Table)
		chunk, err := l.source.Read(t.Context(), l.source.Mark(), request)
		if err != nil {
			t.Fatal(err)
		}
		placed, err := window.Merge(&request, chunk)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, p := range placed {
			if p.Row == nil {
				got = append(got, string(p.Key)+" is gone")
				continue
			}
			got = append(got, renderRow(chunk.Table, p.Row))
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%v: got %q, want %q", c.keys, got, c.want)
		}
	}
}

// testChunkValues expects chunks to have the very values that the stream had for
// the insert and the update, of every type, NULL included.
func testChunkValues(t *testing.T, h Harness) {
	types := []struct{ name, value string }{
		{"INT", "-2147483648"},
		{"SMALLINT", "7"},
		{"BIGINT", "9223372036854775807"},
		{"DECIMAL(20,6)", "-12.5"},
		{"DECIMAL(10)", "3"},
		{"DOUBLE PRECISION", "0.1"},
		{"DOUBLE PRECISION", "1e300"},
		{"REAL", "16777216"},
		{"VARCHAR(40)", "'ä€ it''s \"q\" '"},
		{"VARCHAR(40)", "''"},
		{"CHAR(8)", "'ab'"},
		{"DATE", "'2024-02-29'"},
		{"TIMESTAMP", "'2024-02-29 23:59:59'"},
		{"TIME", "'23:59:59'"},
		{"BOOLEAN", "TRUE"},
		{h.Dialect.UUID, "'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'"},
		{h.Dialect.LargeText, quote(largeText("chunk"))},
	}
	var tables, sources []string
	for i, ty := range types {
		tables = append(tables, fmt.Sprintf("CREATE TABLE v%d (id INT PRIMARY KEY, v %s, n INT)", i, ty.name))
		sources = append(sources, fmt.Sprintf("v%d: v", i))
	}
	r := newRig(t, h, tables...)
	s := r.source(sources...)
	st := tail(t, s, "").started()
	for i, ty := range types {
		r.exec(fmt.Sprintf("INSERT INTO v%d VALUES (1, %s, 0), (2, NULL, 0)", i, ty.value), fmt.Sprintf("UPDATE v%d SET v = %s WHERE id = 2", i, ty.value),
			fmt.Sprintf("INSERT INTO v%d VALUES (3, NULL, 0)", i))
	}
	got := st.until(r.mark())
	for i, ty := range types {
		chunk, err := s.Read(t.Context(), s.Mark(), backfill.Request{Table: r.name(fmt.Sprintf("v%d", i)), Limit: 10})
		if err != nil {
			t.Fatal(err)
		}
		streamed := []cdc.Value{got[3*i].changes[0].After[1], got[3*i+1].changes[0].After[1], got[3*i+2].changes[0].After[1]}
		if len(chunk.Rows) != 3 {
			t.Errorf("%s: got %d rows, want 3", ty.name, len(chunk.Rows))
			continue
		}
		for j, v := range streamed {
			if read := chunk.Rows[j][1]; read != v {
				t.Errorf("%s: the stream has %s, and the chunk %s", ty.name, abridge(v.String()), abridge(read.String()))
			}
		}
		if column := chunk.Table.Columns[1]; column != got[3*i].changes[0].Table.Columns[1] {
			t.Errorf("%s: the chunk's column is %v, and the stream's %v", ty.name, column, got[3*i].changes[0].Table.Columns[1])
		}
	}
}
