package sourcetest

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"tailstock/connector/backfill"
	"tailstock/connector/cdc"
)

// testReadReferring reads rows by what they refer to, in chunks of two, with an
// index and without one.
func testReadReferring(t *testing.T, h Harness) {
	const columns = " (id INT PRIMARY KEY, item INT, code VARCHAR(20), price DECIMAL(10,2), qty INT)"
	r := newRig(t, h, "CREATE TABLE pick"+columns, "CREATE TABLE bare"+columns)
	r.exec("CREATE INDEX by_code ON pick (code)", "CREATE INDEX by_item ON pick (item)", "CREATE INDEX by_both ON pick (code, item)")
	s := r.source("pick: item code price qty", "bare: item code price qty")
	tail(t, s, "").started()
	for _, table := range []string{"pick", "bare"} {
		r.exec("INSERT INTO " + table + " VALUES (1, 7, 'a', 1.50, 1), (2, 7, 'A', 2, 1), (3, NULL, NULL, NULL, 1), (4, 8, 'it''s', 1.5, 1), (5, 7, 'a', 3, 1)")
		for _, c := range []struct {
			column string
			values []string
			want   string
		}{
			{"item", []string{"7"}, "1 2 5"},
			{"item", []string{"8", "99999999999999999999", "7", "x"}, "1 2 4 5"},
			{"item", []string{"9"}, ""},
			{"code", []string{"a"}, "1 5"},
			{"code", []string{"A", "it's", "NULL"}, "2 4"},
			{"price", []string{"1.5"}, "1 4"},
			{"id", []string{"3"}, "3"},
		} {
			request := backfill.Request{Table: r.name(table), Limit: 2, Referring: backfill.ByColumn(c.column, c.values...)}
			if got := readAll(t, s, request); got != c.want {
				t.Errorf("%s, %s in %q: got rows %s, want %s", table, c.column, c.values, got, c.want)
			}
		}
		readBySeveral(t, s, r.name(table))
	}
}

// readBySeveral reads rows by several columns. Rows that have each of the values, but
// not together, may come as well.
func readBySeveral(t *testing.T, s Source, table cdc.TableName) {
	t.Helper()
	for _, c := range []struct {
		columns     []string
		values      [][]string
		least, most string
	}{
		{[]string{"item", "code"}, [][]string{{"7", "a"}}, "1 5", "1 5"},
		{[]string{"code", "item"}, [][]string{{"A", "7"}, {"it's", "8"}}, "2 4", "2 4"},
		{[]string{"item", "code"}, [][]string{{"7", "A"}, {"8", "a"}}, "2", "1 2 5"},
		{[]string{"price", "item"}, [][]string{{"1.5", "8"}, {"1.5", "99999999999999999999"}}, "4", "4"},
		{[]string{"code", "item", "price"}, [][]string{{"a", "7", "3.0"}}, "5", "5"},
		{[]string{"qty", "price"}, [][]string{{"1", "2"}}, "2", "2"},
		{[]string{"item", "code"}, [][]string{{"8", "a"}, {"x", "A"}}, "", ""},
	} {
		request := backfill.Request{Table: table, Limit: 2, Referring: &backfill.Referring{Columns: c.columns, Values: c.values}}
		got := strings.Fields(readAll(t, s, request))
		for _, id := range strings.Fields(c.least) {
			if !slices.Contains(got, id) {
				t.Errorf("%s, %q in %q: got rows %q, want %s", table, c.columns, c.values, got, c.least)
			}
		}
		for i, id := range got {
			if !slices.Contains(strings.Fields(c.most), id) || slices.Contains(got[:i], id) {
				t.Errorf("%s, %q in %q: got rows %q, want at most %s, each once", table, c.columns, c.values, got, c.most)
			}
		}
	}
}

// readAll reads a request in chunks, and returns the first columns of the rows.
func readAll(t *testing.T, s Source, request backfill.Request) string {
	t.Helper()
	var got []string
	for {
		chunk, err := s.Read(t.Context(), s.Mark(), request)
		if err != nil {
			t.Fatal(err)
		}
		for _, row := range chunk.Rows {
			got = append(got, row[0].Text())
		}
		if chunk.Read() < request.Limit {
			return strings.Join(got, " ")
		}
		request.After = chunk.Last
	}
}

// touch notes the rows that net changed since the window was opened.
func (d *load) touch(net []cdc.NetChange) {
	if d.touched == nil {
		return
	}
	for i := range net {
		if net[i].Table.Name == d.table {
			d.touched[net[i].Key] = true
		}
	}
}

// referred returns half of the values of the column that rows have, and one that none
// has.
func (l *loader) referred(d *load) []string {
	var all []string
	for _, row := range l.stream.rows[d.table] {
		if value := valueOf(row, d.column); value != "" && !slices.Contains(all, value) {
			all = append(all, value)
		}
	}
	slices.Sort(all)
	some := []string{"-1"}
	for i, value := range all {
		if (i+d.chunks)%2 == 0 {
			some = append(some, value)
		}
	}
	return some
}

// valueOf is the text of a column in a row as renderRow has it.
func valueOf(row, column string) string {
	for field := range strings.FieldsSeq(row) {
		if name, value, ok := strings.Cut(field, "="); ok && name == column {
			return value
		}
	}
	return ""
}

// compareReferring compares rows that were read by what they refer to with what is
// there: all that were placed, and all that refer to the values and were not
// changed meanwhile. Those that were may be placed or not.
func (l *loader) compareReferring(d *load, placed map[cdc.RowKey]string, upto backfill.Key, all bool) error {
	want := make(map[cdc.RowKey]string)
	for key, row := range l.stream.rows[d.table] {
		within := (d.after == nil || compareKeys(key, d.after) > 0) && (all || compareKeys(key, upto) <= 0)
		_, was := placed[key]
		if within && (was || !d.touched[key]) && slices.Contains(d.request.Referring.Texts(0), valueOf(row, d.column)) {
			want[key] = row
		}
	}
	if diff := cmp.Diff(want, placed); diff != "" {
		return fmt.Errorf("%w: rows by %s of %q, chunk %d behind %q up to %q (-source +read):\n%.2000s",
			errWrong, d.column, d.request.Referring.Values, d.chunks, d.after, upto, diff)
	}
	return nil
}
