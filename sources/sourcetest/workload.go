package sourcetest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"tailstock/connector/cdc"
)

// The ids and sites of the workload are few, so that its changes meet.
const (
	workloadIDs   = 12
	workloadSites = 3
)

// testWorkload runs random transactions, with savepoints, rollbacks, key
// changes, truncations and large values, while a consumer crashes at random and
// goes on from its last token or an earlier one. Whenever it has caught up, what
// it folded together must be what the tables have.
func testWorkload(t *testing.T, h Harness) {
	r := newRig(t, h, noteTable(h.Dialect),
		"CREATE TABLE bin (site VARCHAR(10), bin INT, qty DECIMAL(12,3), sku VARCHAR(20), PRIMARY KEY (site, bin))")
	open := func() Source { return r.source("note: qty body", "bin: qty sku") }
	c := &consumer{t: t, open: open, fold: newFold(), tokens: []cdc.Resume{""}}
	c.follow(0)
	c.tokens = c.tokens[1:] // from now on there is a first token
	texts := []string{quote(largeText("a")), quote(largeText("b")), "'short'", "''", "NULL"}
	rapid.Check(t, func(rt *rapid.T) {
		w := &workload{t: rt, dialect: h.Dialect, texts: texts, truncate: h.Features.TruncateInTransaction}
		for range rapid.IntRange(1, 12).Draw(rt, "transactions") {
			w.run(r.DB)
		}
		c.random = rand.New(rand.NewPCG(rapid.Uint64().Draw(rt, "crashes"), 0))
		c.follow(r.mark())
		for _, table := range workloadTables(r) {
			want := selectRows(rt, r, table)
			if diff := cmp.Diff(want, c.fold.rows[table.Name], cmpopts.EquateEmpty()); diff != "" {
				rt.Fatalf("table %s (-source +folded):\n%.2000s\nafter:\n%.4000s", table.Name, diff, strings.Join(w.log, "\n"))
			}
		}
	})
}

// workloadTables describes the captured columns of the tables, as selectRows reads them.
func workloadTables(r *rig) []*cdc.Table {
	return []*cdc.Table{
		{Name: r.name("note"), Key: []int{0}, Columns: []cdc.Column{
			{Name: "id", Type: cdc.TypeInteger}, {Name: "qty", Type: cdc.TypeInteger}, {Name: "body", Type: cdc.TypeText},
		}},
		{Name: r.name("bin"), Key: []int{0, 1}, Columns: []cdc.Column{
			{Name: "site", Type: cdc.TypeText},
			{Name: "bin", Type: cdc.TypeInteger},
			{Name: "qty", Type: cdc.TypeDecimal},
			{Name: "sku", Type: cdc.TypeText},
		}},
	}
}

// selectRows reads a table as the fold has it.
func selectRows(t rapid.TB, r *rig, table *cdc.Table) map[cdc.RowKey]string {
	t.Helper()
	names := make([]string, len(table.Columns))
	for i, c := range table.Columns {
		names[i] = c.Name
	}
	query := fmt.Sprintf("SELECT %s FROM %s", strings.Join(names, ", "), table.Name.Name)
	rows, err := r.DB.QueryContext(r.t.Context(), query)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	all := make(map[cdc.RowKey]string)
	for rows.Next() {
		texts := make([]*string, len(names))
		targets := make([]any, len(names))
		for i := range texts {
			targets[i] = &texts[i]
		}
		if err := rows.Scan(targets...); err != nil {
			t.Fatal(err)
		}
		row := make(cdc.Row, len(names))
		for i, text := range texts {
			if text != nil {
				row[i] = cdc.Text(*text)
			}
		}
		all[keyOf(table, row)] = abridge(renderRow(table, row))
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return all
}

// consumer follows a source with crashes and folds what it gets.
type consumer struct {
	t    testing.TB
	open func() Source
	fold *fold
	// tokens are those of what was folded, in order.
	tokens []cdc.Resume
	random *rand.Rand
}

// follow tails until row mark of the table mark was delivered, or until the
// first token if mark is 0. On the way it crashes now and then, and goes on from
// one of the last tokens that it got: what comes again makes no difference.
func (c *consumer) follow(mark int) {
	c.t.Helper()
	for {
		left := -1
		if mark > 0 && c.random.IntN(3) > 0 {
			// The tokens after it are forgotten: they do not count any more once
			// an earlier commit has been folded in again.
			c.tokens = c.tokens[:max(1, len(c.tokens)-c.random.IntN(6))]
			left = c.random.IntN(12)
		}
		from := c.tokens[len(c.tokens)-1]
		c.fold.restart()
		s := c.open()
		reached := false
		st := tail(c.t, s, from, func(ctx context.Context, t *cdc.Transaction) error {
			if left == 0 {
				return errCrash
			}
			left--
			if err := c.fold.add(ctx, s, t); err != nil {
				return err
			}
			c.tokens = append(c.tokens, t.Resume)
			reached = mark == 0 || reachedMark(t, mark)
			if reached {
				return errCrash
			}
			return nil
		})
		err := st.ended()
		if closer, ok := s.(io.Closer); ok {
			_ = closer.Close()
		}
		if !errors.Is(err, errCrash) {
			c.t.Fatalf("Tail returned %v, want emit's error", err)
		}
		if reached {
			return
		}
	}
}

func reachedMark(t *cdc.Transaction, mark int) bool {
	all := commits([]*cdc.Transaction{t})
	return len(all) == 1 && all[0].mark() == mark
}
