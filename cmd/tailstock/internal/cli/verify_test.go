package cli_test

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"tailstock/cmd/tailstock/internal/cli"
	"tailstock/connector"
	"tailstock/internal/testenv"
)

// verified is what verify prints.
type verified struct {
	Rows, Stated int64
	ReadBack     int64 `json:"read_back"`
	Unreadable   int64
	Stores       []struct {
		connector.ComparedRows
		Complete    bool
		Differences []struct{ Kind, Row string }
	}
}

// verify runs verify, which must end with code, and returns what it printed about
// the only source and store.
func (r *rig) verify(code int, args ...string) (verified, connector.ComparedRows, []string) {
	r.t.Helper()
	got, out, complaints := r.run(append([]string{"verify", "--json"}, args...)...)
	if got != code {
		r.t.Fatalf("verify %q ended with %d, want %d: %s%s", args, got, code, out, complaints)
	}
	var results []verified
	if err := json.Unmarshal([]byte(out), &results); err != nil || len(results) != 1 || len(results[0].Stores) != 1 {
		r.t.Fatalf("verify printed %s (%v), want one source and one store", out, err)
	}
	store := results[0].Stores[0]
	if !store.Complete || store.Total() < results[0].Stated {
		r.t.Errorf("not complete: %s", out)
	}
	var differences []string
	for _, d := range store.Differences {
		differences = append(differences, d.Kind+" "+d.Row)
	}
	slices.Sort(differences)
	return results[0], store.ComparedRows, differences
}

// levels runs verify --levels, which must end with code, and returns the SKUs of the
// cells that are wrong.
func (r *rig) levels(code int, args ...string) []string {
	r.t.Helper()
	got, out, complaints := r.run(append([]string{"verify", "--levels", "--json"}, args...)...)
	if got != code {
		r.t.Fatalf("verify --levels %q ended with %d, want %d: %s%s", args, got, code, out, complaints)
	}
	var result struct {
		Cells  int64
		Drifts []struct{ SKU string }
	}
	if err := json.Unmarshal([]byte(out), &result); err != nil || result.Cells == 0 {
		r.t.Fatalf("verify --levels printed %s (%v)", out, err)
	}
	skus := []string{}
	for _, d := range result.Drifts {
		skus = append(skus, d.SKU)
	}
	return skus
}

// quiet are the rows that no workload touches.
const quiet = 100

// work has people change rows above quiet until stop is called, in every way.
func (r *rig) work(workers int) (stop func()) {
	const workPace = 5 * time.Millisecond
	ctx, cancel := context.WithCancel(r.t.Context())
	var wg sync.WaitGroup
	for worker := range workers {
		conn, err := pgx.Connect(ctx, r.erp.Config().ConnString())
		if err != nil {
			r.t.Fatal(err)
		}
		wg.Go(func() {
			defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
			random := rand.New(rand.NewPCG(uint64(worker), 7))
			// No faster than a store under the race detector can follow: a verification
			// takes its turn behind what is streamed.
			pace := time.NewTicker(workPace)
			defer pace.Stop()
			for ctx.Err() == nil {
				<-pace.C
				if _, err := conn.Exec(ctx, oneChange(random)); err != nil && ctx.Err() == nil {
					r.t.Errorf("workload: %v", err)
					return
				}
			}
		})
	}
	return sync.OnceFunc(func() { cancel(); wg.Wait() })
}

func oneChange(random *rand.Rand) string {
	id := quiet + 1 + random.IntN(2*rigRows)
	switch random.IntN(6) {
	case 0:
		return fmt.Sprintf(`DELETE FROM stock WHERE id = %d`, id)
	case 1:
		return fmt.Sprintf(`UPDATE stock SET id = %d WHERE id = %d AND NOT EXISTS (SELECT 1 FROM stock WHERE id = %d)`, -id, id, -id)
	case 2:
		return fmt.Sprintf(`DELETE FROM stock WHERE id = %d`, -id)
	case 3:
		return fmt.Sprintf(`UPDATE stock SET qty = %d, part = 'P%d' WHERE id = %d`, random.IntN(50)-10, random.IntN(500), id)
	default:
		return fmt.Sprintf(`INSERT INTO stock VALUES (%d, 'P%d', 'L%d', %d) ON CONFLICT (id) DO UPDATE SET qty = excluded.qty`,
			id, random.IntN(500), random.IntN(3), random.IntN(60)-10)
	}
}

// contributionRow has the columns that a contribution without dates fills.
const contributionRow = `contribution (feed, row_key, leg, sku, location, on_hand, committed, unavailable, safety_stock, incoming,
	run, number, committed_at, transaction_id)`

// corrupt spoils rows that are quiet in the store, each in another way.
func (r *rig) corrupt() {
	r.t.Helper()
	const feed = `(select id from feed where state = 'active')`
	for _, statement := range []string{
		`update contribution set on_hand = on_hand + 5 where row_key = '[1]' and feed in ` + feed,
		`update contribution set sku = 'P2-WRONG' where row_key = '[2]' and feed in ` + feed,
		`delete from contribution where row_key = '[3]' and feed in ` + feed,
		`insert into ` + contributionRow + ` select feed, '[9000001]', leg, sku, location, on_hand, committed, unavailable, safety_stock, incoming,
			run, number, committed_at, transaction_id from contribution where row_key = '[4]' and feed in ` + feed,
		`insert into problem select feed, '[5]', 'rejected', 'rule', 'by hand', run, number, committed_at, transaction_id
			from contribution where row_key = '[5]' and feed in ` + feed,
		`insert into problem select feed, '[9000002]', 'rejected', 'rule', 'by hand', run, number, committed_at, transaction_id
			from contribution where row_key = '[5]' and feed in ` + feed,
		`update cell set on_hand = on_hand - 7 where sku = 'P60' and feed in ` + feed,
		`delete from cell where sku = 'P61' and feed in ` + feed,
		`insert into cell select 'P-NEVER', location, feed, 1, 5, 0, 0, 0, 0, updated_at, committed_at, transaction_id
			from cell where sku = 'P62' and feed in ` + feed,
	} {
		r.byHand(statement)
	}
}

// byHand changes rows of the store, waiting for its worker to let it: SQLite makes no
// queue of those who want to write.
func (r *rig) byHand(statement string) {
	r.t.Helper()
	var n int64
	var err error
	testenv.Eventually(r.t, time.Minute, func() bool {
		var result sql.Result
		if result, err = r.store.ExecContext(r.t.Context(), statement); err == nil {
			n, err = result.RowsAffected()
		}
		return err == nil
	}, func() string { return fmt.Sprintf("%s: %v", statement, err) })
	if n == 0 {
		r.t.Fatalf("%s: no rows", statement)
	}
}

// TestVerify finds exactly what was spoilt in a store, and nothing else, while
// people work in the source, and repairs it.
func TestVerify(t *testing.T) {
	t.Parallel()
	onEachStore(t, verifyOn)
}

func verifyOn(r *rig) {
	t := r.t
	r.settled(none)
	if v, rows, _ := r.verify(cli.ExitOK); v.Rows != rigRows || rows != (connector.ComparedRows{Equal: rigRows}) || v.ReadBack != 0 {
		t.Errorf("at rest: %+v, %+v; want %d rows, all equal, and none looked for", v, rows, rigRows)
	}
	stop := r.work(3)
	defer stop()
	for range 4 {
		v, rows, differences := r.verify(cli.ExitOK)
		if rows.Drift() != 0 || rows.Equal == 0 {
			t.Errorf("under load: %+v %q, want nothing to differ", rows, differences)
		}
		t.Logf("under load: %d rows read, %d looked for, %+v", v.Rows, v.ReadBack, rows)
	}
	if skus := r.levels(cli.ExitOK); len(skus) > 0 {
		t.Errorf("levels under load: %q", skus)
	}

	r.corrupt()
	want := []string{"different [1]", "different [2]", "different [5]", "extra [9000001]", "extra [9000002]", "missing [3]"}
	for _, args := range [][]string{nil, {"--repair"}} {
		_, rows, differences := r.verify(cli.ExitProblems, args...)
		if diff := cmp.Diff(want, differences); diff != "" || rows.Drift() != int64(len(want)) {
			t.Errorf("verify %q: %+v (-want +got):\n%s", args, rows, diff)
		}
	}
	if _, rows, differences := r.verify(cli.ExitOK); rows.Drift() != 0 {
		t.Errorf("after the repair: %+v %q", rows, differences)
	}
	r.repairLevels()
	stop()
	r.agree()
}

// repairLevels has the levels repaired, and expects just those to be wrong that were
// spoilt by hand.
func (r *rig) repairLevels() {
	r.t.Helper()
	wrong := r.levels(cli.ExitProblems)
	for _, sku := range []string{"P60", "P61", "P-NEVER", "P1", "P2", "P3", "P4"} {
		if !slices.Contains(wrong, sku) {
			r.t.Errorf("levels of %q are wrong, want %s among them", wrong, sku)
		}
	}
	if diff := cmp.Diff(wrong, r.levels(cli.ExitProblems, "--repair")); diff != "" {
		r.t.Errorf("levels repaired (-found +repaired):\n%s", diff)
	}
	if skus := r.levels(cli.ExitOK); len(skus) > 0 {
		r.t.Errorf("levels after the repair: %q", skus)
	}
}

// agree waits until the store's levels are those of the source's rows.
func (r *rig) agree() {
	r.t.Helper()
	var want, got []string
	testenv.Eventually(r.t, 30*time.Second, func() bool {
		rows, err := r.erp.Query(r.t.Context(), `SELECT part || '|' || site || '|' || sum(qty) FROM stock WHERE qty >= 0 GROUP BY part, site ORDER BY 1`)
		if err != nil {
			r.t.Fatal(err)
		}
		if want, err = pgx.CollectRows(rows, pgx.RowTo[string]); err != nil {
			r.t.Fatal(err)
		}
		got = r.texts(`select sku || '|' || location || '|' || cast(on_hand as integer) from stock_level order by 1`)
		slices.Sort(want)
		slices.Sort(got)
		return slices.Equal(want, got)
	}, func() string { return "levels (-want +got):\n" + cmp.Diff(want, got) })
}

func (r *rig) texts(query string) []string {
	r.t.Helper()
	rows, err := r.store.QueryContext(r.t.Context(), query)
	if err != nil {
		r.t.Fatal(err)
	}
	defer rows.Close()
	var out []string
	for rows.Next() {
		var text string
		if err := rows.Scan(&text); err != nil {
			r.t.Fatal(err)
		}
		out = append(out, text)
	}
	if err := rows.Err(); err != nil {
		r.t.Fatal(err)
	}
	return out
}

// TestVerifySurvivesRestart: a verification goes on after a restart of the daemon,
// reads no row twice, and looks for all that stores have, because nobody remembers
// what was compared before.
func TestVerifySurvivesRestart(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.settled(none)
	var wg sync.WaitGroup
	wg.Go(func() {
		if code, out, _ := r.run("verify", "--json", "--throttle", "400"); code != cli.ExitFailed {
			t.Errorf("verify ended with %d while the daemon went away: %s", code, out)
		}
	})
	var job connector.JobStatus
	testenv.Eventually(t, 30*time.Second, func() bool {
		for _, j := range r.jobs() {
			if j.Kind == connector.JobVerify && j.Rows >= 800 { // more than what is read at once
				job = j
			}
		}
		return job.ID != ""
	}, func() string { return "no verification reads" })
	r.stop()
	wg.Wait()
	r.start()
	r.await(job.ID, "looking for rows of the store", func(j connector.JobStatus) bool { return j.Verify != nil && j.Verify.ReadBack > 0 })
	if j := r.job(job.ID); j.State == connector.JobCompleted {
		t.Fatalf("the job is over before its second restart: %+v", j)
	}
	r.stop()
	r.start()
	r.await(job.ID, "completed", func(j connector.JobStatus) bool { return j.State == connector.JobCompleted })
	if job = r.job(job.ID); job.Rows != rigRows || job.Verify.Stated != rigRows || job.Verify.ReadBack == 0 || len(job.Verify.Stores) != 1 {
		t.Errorf("job %+v with %+v, want %d rows read once, and rows looked for in one store", job, job.Verify, rigRows)
	}
	if _, rows, _ := r.verify(cli.ExitOK); rows.Equal != rigRows {
		t.Errorf("afterwards %+v", rows)
	}
}

// TestVerifySays what it did not compare, and what makes no sense.
func TestVerifySays(t *testing.T) {
	t.Parallel()
	onEachStore(t, verifySaysOn)
}

func verifySaysOn(r *rig) {
	t := r.t
	r.settled(none)
	if v, rows, _ := r.verify(cli.ExitOK, "--sample", "1%"); v.Stated >= rigRows || rows.Equal != v.Stated || v.ReadBack >= rigRows {
		t.Errorf("a sample of 1%%: %+v, %+v, want a part of the rows", v, rows)
	}
	for _, args := range [][]string{
		{"--table", "public.other"}, {"--source", "other"}, {"--sample", "0"}, {"--sample", "x"}, {"--levels", "--sample", "1%"},
	} {
		if code, out, complaints := r.run(append([]string{"verify"}, args...)...); code != cli.ExitUsage {
			t.Errorf("verify %q ended with %d: %s%s", args, code, out, complaints)
		}
	}
	if out := r.must("verify", "--table", "public.stock"); !strings.Contains(out, "2000 rows compared") || !strings.Contains(out, "nothing differs") {
		t.Errorf("verify says %q", out)
	}
	const copied = `insert into ` + contributionRow + ` select feed, '%s', leg, sku, location, on_hand, committed, unavailable, safety_stock, incoming,
		run, number, committed_at, transaction_id from contribution where row_key = '[4]'`
	for _, key := range []string{"bogus", `["4"]`, "[4,5]", "[99999999999999999999]"} {
		if _, err := r.store.ExecContext(t.Context(), fmt.Sprintf(copied, key)); err != nil {
			t.Fatal(err)
		}
	}
	code, out, complaints := r.run("verify", "--json")
	if code != cli.ExitFailed || !strings.Contains(complaints, "4 rows of stores could not be looked for") {
		t.Errorf("with odd keys verify ended with %d: %s%s", code, out, complaints)
	}
}

// TestVerifyKeys: rows that only a store has are found by keys of several columns,
// of types whose texts are not plain, and rows with keys too long to be read back are
// compared all the same.
func TestVerifyKeys(t *testing.T) {
	t.Parallel()
	onEachStore(t, verifyKeysOn)
}

func verifyKeysOn(r *rig) {
	t := r.t
	r.settled(none)
	r.stop()
	config, err := os.ReadFile(r.config)
	if err != nil {
		t.Fatal(err)
	}
	bins := "      public.bins:\n        contributes: [{sku: \"'B'\", location: \"'L'\", on_hand: qty}]\n"
	if err := os.WriteFile(r.config, append(config, bins...), 0o600); err != nil {
		t.Fatal(err)
	}
	publication := strings.TrimSpace(strings.SplitN(strings.SplitN(string(config), "publication: ", 2)[1], "}", 2)[0])
	_, err = r.erp.Exec(t.Context(), `CREATE TABLE bins (site text, code uuid, at timestamptz, n numeric(12,3), qty int, PRIMARY KEY (site, code, at, n));
		INSERT INTO bins SELECT 'S"' || i % 4 || E'\\ \u00dc\t', gen_random_uuid(), now() + i * interval '1.5 s', i / 8.0, 1 FROM generate_series(1, 400) i;
		INSERT INTO bins VALUES (repeat('long', 200), gen_random_uuid(), now(), 1, 1);
		ALTER PUBLICATION `+publication+` ADD TABLE bins`)
	if err != nil {
		t.Fatal(err)
	}
	r.start()
	testenv.Eventually(t, 30*time.Second, func() bool {
		return slices.Equal(r.texts(`select cast(on_hand as integer) || '' from stock_level where sku = 'B'`), []string{"401"})
	}, func() string { return "the table is not loaded" })
	if v, rows, _ := r.verify(cli.ExitOK, "--table", "public.bins"); rows != (connector.ComparedRows{Equal: 401}) || v.Unreadable != 0 {
		t.Errorf("at rest %+v, %+v", v, rows)
	}
	_, err = r.store.ExecContext(t.Context(), `insert into `+contributionRow+` select feed, replace(row_key, 'S\"1', 'S\"9'), leg, sku, location,
		on_hand, committed, unavailable, safety_stock, incoming, run, number, committed_at, transaction_id
		from contribution where row_key like '["S_"1%'`)
	if err != nil {
		t.Fatal(err)
	}
	if v, rows, _ := r.verify(cli.ExitProblems, "--repair", "--table", "public.bins"); rows != (connector.ComparedRows{Equal: 401, Extra: 100}) {
		t.Errorf("with 100 rows too many %+v, %+v", v, rows)
	}
	if _, rows, _ := r.verify(cli.ExitOK); rows.Drift() != 0 {
		t.Errorf("after the repair %+v", rows)
	}
}
