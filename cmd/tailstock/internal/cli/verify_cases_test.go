package cli_test

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"tailstock/cmd/tailstock/internal/cli"
)

const (
	countedFeed = `(select id from feed where state = 'active')`
	// ofRow begins the copy of a contribution under another key.
	copyOfRow4 = `, leg, sku, location, on_hand, committed, unavailable, safety_stock, incoming,
		run, number, committed_at, transaction_id from contribution where row_key = '[4]' and feed in ` + countedFeed
)

// drifts are what can be wrong in a store: how it is spoilt by hand, the rows that
// verify names for it, and the cells whose levels are not the sums of what the store
// holds.
var drifts = []struct {
	name   string
	spoil  []string
	rows   []string
	levels []string
}{
	{name: "nothing"},
	{
		name:  "a row is missing",
		spoil: []string{`delete from contribution where row_key = '[3]' and feed in ` + countedFeed},
		rows:  []string{"missing [3]"}, levels: []string{"P3"},
	},
	{
		name: "rows too many",
		spoil: []string{
			`insert into ` + contributionRow + ` select feed, '[9000001]'` + copyOfRow4,
			`insert into ` + contributionRow + ` select feed, '[9000002]'` + copyOfRow4,
		},
		rows: []string{"extra [9000001]", "extra [9000002]"}, levels: []string{"P4"},
	},
	{
		name: "another number, another part, another place",
		spoil: []string{
			`update contribution set on_hand = on_hand + 1 where row_key = '[5]' and feed in ` + countedFeed,
			`update contribution set sku = 'P60' where row_key = '[6]' and feed in ` + countedFeed,
			`update contribution set location = 'L9' where row_key = '[7]' and feed in ` + countedFeed,
		},
		rows: []string{"different [5]", "different [6]", "different [7]"}, levels: []string{"P5", "P6", "P60", "P7", "P7"},
	},
	{
		name: "one leg too many",
		spoil: []string{`insert into ` + contributionRow + ` select feed, row_key, 'odd', sku, location, 1, 0, 0, 0, 0, run, number, committed_at, transaction_id
			from contribution where row_key = '[8]' and feed in ` + countedFeed},
		rows: []string{"different [8]"}, levels: []string{"P8"},
	},
	{
		name: "a problem that the row does not have",
		spoil: []string{`insert into problem select feed, row_key, 'rejected', 'rule', 'by hand', run, number, committed_at, transaction_id
			from contribution where row_key = '[9]' and feed in ` + countedFeed},
		rows: []string{"different [9]"},
	},
	{
		name: "wrong levels alone",
		spoil: []string{
			`update cell set on_hand = on_hand - 7 where sku = 'P10' and feed in ` + countedFeed,
			`update cell set contributions = contributions + 1 where sku = 'P11' and feed in ` + countedFeed,
			`delete from cell where sku = 'P12' and feed in ` + countedFeed,
			`insert into cell select 'P-NEVER', location, feed, 1, 5, 0, 0, 0, 0, updated_at, committed_at, transaction_id
				from cell where sku = 'P13' and feed in ` + countedFeed,
		},
		levels: []string{"P-NEVER", "P10", "P11", "P12"},
	},
}

// TestVerifyFinds spoils a store in every way, and expects verify to find just that,
// to repair it, and to say so by its exit code.
func TestVerifyFinds(t *testing.T) {
	t.Parallel()
	onEachStore(t, func(r *rig) {
		r.settled(none)
		for _, c := range drifts {
			r.t.Run(c.name, func(t *testing.T) {
				r := *r
				r.t = t
				for _, statement := range c.spoil {
					r.byHand(statement)
				}
				r.finds(c.rows, c.levels)
			})
		}
		r.agree()
	})
}

// finds expects verify to find rows, verify --levels to find cells, and both to
// repair what they found.
func (r *rig) finds(rows, levels []string) {
	r.t.Helper()
	code := func(found []string) int {
		if len(found) > 0 {
			return cli.ExitProblems
		}
		return cli.ExitOK
	}
	same := func(what string, want, got []string) {
		r.t.Helper()
		slices.Sort(got)
		if diff := cmp.Diff(want, got); len(want)+len(got) > 0 && diff != "" {
			r.t.Errorf("%s (-want +got):\n%s", what, diff)
		}
	}
	same("levels", levels, r.levels(code(levels)))
	for _, args := range [][]string{nil, {"--sample", "100%"}, {"--repair"}} {
		_, _, found := r.verify(code(rows), args...)
		same("rows", rows, found)
	}
	if _, held, _ := r.verify(cli.ExitOK); held.Equal != rigRows || held.Drift() != 0 {
		r.t.Errorf("after the repair: %+v", held)
	}
	// What was repaired was taken out of levels that did not have it.
	if found := r.levels(code(levels)); len(levels) > 0 {
		same("levels repaired", found, r.levels(cli.ExitProblems, "--repair"))
	}
	same("levels after the repair", nil, r.levels(cli.ExitOK))
	r.agree()
}
