package sourcetest

import (
	"context"
	"crypto/sha256"
	"fmt"
	"strings"
	"testing"

	"tailstock/connector/cdc"
)

// largeText returns 64 kB that do not compress and depend on seed.
func largeText(seed string) string {
	var b strings.Builder
	for i := 0; b.Len() < 64<<10; i++ {
		fmt.Fprintf(&b, "%x", sha256.Sum256(fmt.Append(nil, seed, i)))
	}
	return b.String()
}

func noteTable(d Dialect) string {
	return "CREATE TABLE note (id INT PRIMARY KEY, qty INT, body " + d.LargeText + ", extra " + d.LargeText + ")"
}

// completing returns a hook that completes what is Unchanged in the net changes
// of each transaction, from within emit as the engine does, and hands on how
// many values that were.
func completing(s Source, note func(values int)) cdc.EmitFunc {
	return func(ctx context.Context, t *cdc.Transaction) error {
		net, err := netOf(t)
		if err != nil {
			return err
		}
		rows := incomplete(net)
		values := 0
		for _, row := range rows {
			for _, v := range row.After {
				if v.IsUnchanged() {
					values++
				}
			}
		}
		if len(rows) == 0 {
			return nil
		}
		note(values)
		return s.Complete(ctx, t, rows)
	}
}

// testLargeValues expects large values exactly, and those that an update left
// as they were either exactly or as Unchanged, never as NULL, also when the key
// changed; completed they are exact.
func testLargeValues(t *testing.T, h Harness) {
	r := newRig(t, h, noteTable(h.Dialect))
	s := r.source("note: qty body extra")
	completed := 0
	st := tail(t, s, "", completing(s, func(n int) { completed += n })).started()
	body, extra := largeText("body"), largeText("extra")
	r.exec(
		"INSERT INTO note VALUES (1, 1, "+quote(body)+", NULL)",
		"UPDATE note SET qty = 2",
		"UPDATE note SET extra = "+quote(extra),
		"UPDATE note SET id = 7, qty = 3",
		"UPDATE note SET body = ''",
	)
	got := st.until(r.mark())
	if len(got) != 5 {
		t.Fatalf("got %d commits, want 5", len(got))
	}
	// A completed value may be a later one: body as the last update made it.
	allowed := func(values ...string) map[string]bool {
		m := make(map[string]bool)
		for _, v := range values {
			m[v] = true
		}
		return m
	}
	for i, want := range []struct {
		row         string
		body, extra map[string]bool
	}{
		{"id=1 qty=1", allowed(body), allowed("NULL")},
		{"id=1 qty=2", allowed(body, ""), allowed("NULL", extra)},
		{"id=1 qty=2", allowed(body, ""), allowed(extra)},
		{"id=7 qty=3", allowed(body, ""), allowed(extra)},
		{"id=7 qty=3", allowed(""), allowed(extra)},
	} {
		change := got[i].changes[0]
		if change.After == nil || len(change.After) != 4 {
			t.Fatalf("commit %d: row is %v", i+1, change.After)
		}
		row, b, e := renderRow(change.Table, change.After[:2]), change.After[2], change.After[3]
		gone := b.IsUnchanged() // the row had another key when it was completed
		if row != want.row || (!gone && (!want.body[b.String()] || !want.extra[e.String()])) {
			t.Errorf("commit %d: got %s body=%.20s extra=%.20s, want %s with the written values", i+1, row, b, e, want.row)
		}
		if gone && i != 1 && i != 2 {
			t.Errorf("commit %d: values were not completed although the row is there", i+1)
		}
	}
	if h.Features.OmitsLargeValues && completed == 0 {
		t.Error("nothing was left out, although the source declares that it omits large values")
	}
}

// testComplete expects missing values to be filled in as they are now, what is
// there to stay, and a row that is gone to have no image.
func testComplete(t *testing.T, h Harness) {
	r := newRig(t, h, stockTable, "CREATE TABLE bin (site VARCHAR(10), bin INT, qty INT, sku VARCHAR(10), PRIMARY KEY (bin, site))")
	s := r.source("stock: sku qty", "bin: qty sku")
	st := tail(t, s, "").started()
	r.commit(insertMany(1, 4), "INSERT INTO bin VALUES ('DC''1', 1, 5, 'A'), ('DC2', 1, 6, NULL)")
	transaction := st.until(r.mark())[0].parts[0]
	r.exec("DELETE FROM stock WHERE id = 2", "UPDATE stock SET sku = 'later', qty = 99 WHERE id = 3")
	net, err := netOf(transaction)
	if err != nil {
		t.Fatal(err)
	}
	var rows []*cdc.NetChange
	for i := range net {
		sku := net[i].Table.Column("sku")
		net[i].After[sku] = cdc.Unchanged
		rows = append(rows, &net[i])
	}
	if err := s.Complete(t.Context(), transaction, rows); err != nil {
		t.Fatal(err)
	}
	for i, want := range []string{
		"id=1 sku=SKU-1 qty=0.000", "", "id=3 sku=later qty=2.000", "id=4 sku=SKU-4 qty=3.000",
		"site=DC'1 bin=1 qty=5 sku=A", "site=DC2 bin=1 qty=6 sku=NULL",
	} {
		if want == "" {
			if rows[i].After != nil {
				t.Errorf("row %s is gone and has the image %s", rows[i].Key, renderRow(rows[i].Table, rows[i].After))
			}
			continue
		}
		if rows[i].After == nil {
			t.Errorf("row %s is said to be gone", rows[i].Key)
		} else if got := renderRow(rows[i].Table, rows[i].After); got != want {
			t.Errorf("row %s: got %s, want %s", rows[i].Key, got, want)
		}
	}
}
