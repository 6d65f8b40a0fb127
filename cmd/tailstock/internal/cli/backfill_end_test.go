package cli_test

import (
	"encoding/json"
	"strings"
	"testing"

	"tailstock/cmd/tailstock/internal/cli"
	"tailstock/connector"
)

// TestBackfill runs an installation through everything that an operator can ask
// for: each time the store is spoilt first, and just what was asked for is mended.
func TestBackfill(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.settled(none) // the first load

	r.spoil()
	r.settled(all)
	var plan struct {
		Rows    int64
		Samples []struct{ Contributions, Changes int }
	}
	if err := json.Unmarshal([]byte(r.must("backfill", "--dry-run", "--json")), &plan); err != nil {
		t.Fatal(err)
	}
	if plan.Rows != rigRows || len(plan.Samples) != 1 || plan.Samples[0].Changes != 100 || plan.Samples[0].Contributions != 100 {
		t.Errorf("plan %+v, want %d rows and a sample of which all would change", plan, rigRows)
	}

	out := r.must("backfill", "--table", "stock", "--from", "10", "--to", "[20]", "--json")
	lines := strings.Split(strings.TrimSpace(out), "\n")
	var last connector.JobStatus
	if err := json.Unmarshal([]byte(lines[len(lines)-1]), &last); err != nil {
		t.Fatal(err)
	}
	if last.State != connector.JobCompleted || last.Rows != 11 || last.Kind != connector.JobBackfill {
		t.Errorf("the last line is %+v, want a completed backfill of 11 rows", last)
	}
	r.settled(func(id int) bool { return id < 10 || id > 20 })

	r.must("backfill", "--table", "public.stock", "--where", "site == 'L1' and not (qty > 1000)")
	r.settled(func(id int) bool { return (id < 10 || id > 20) && (id%2 == 0 || id > 1000) })

	r.must("backfill", "--source", "erp")
	r.settled(none)
}

// TestBackfillSteered pauses a load over a restart, and cancels another.
func TestBackfillSteered(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.settled(none)

	r.spoil()
	id := r.detached("--throttle", "300")
	r.await(id, "reading", func(j connector.JobStatus) bool { return j.Rows > 0 && j.State == connector.JobRunning })
	r.must("backfill", "pause", id)
	r.stop()
	if code, _, complaint := r.run("backfill", "list"); code != cli.ExitFailed || !strings.Contains(complaint, "no daemon runs") {
		t.Errorf("without a daemon: code %d, %s", code, complaint)
	}
	r.start()
	r.await(id, "found again", func(j connector.JobStatus) bool { return j.State == connector.JobPaused && j.Rows > 0 })
	rows := r.job(id).Rows
	if rows >= rigRows {
		t.Fatalf("the load has read %d rows before it was paused: there is nothing left to prove", rows)
	}
	r.settled(all)
	r.must("backfill", "resume", id)
	r.await(id, "completed", func(j connector.JobStatus) bool { return j.State == connector.JobCompleted && j.Rows == rigRows })
	r.settled(none)

	r.spoil()
	id = r.left("backfill", "--throttle", "300")
	r.await(id, "reading", func(j connector.JobStatus) bool { return j.Rows > 0 && j.State == connector.JobRunning })
	r.must("backfill", "cancel", id)
	r.await(id, "cancelled", func(j connector.JobStatus) bool { return j.State == connector.JobCancelled })
	r.settled(all)
	r.await(r.detached(), "completed", func(j connector.JobStatus) bool { return j.State == connector.JobCompleted })
	r.settled(none)
	var feeds int
	if err := r.store.QueryRow(`select count(*) from feed where state not in ('active', 'dropped')`).Scan(&feeds); err != nil || feeds != 0 {
		t.Errorf("%d feeds are left over (%v)", feeds, err)
	}
}

// TestBackfillRefused holds that what cannot work is refused at once, with a reason.
func TestBackfillRefused(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.settled(none)
	for _, c := range []struct {
		args string
		code int
		want string
	}{
		{"backfill --table nosuch", cli.ExitUsage, `no table "nosuch" is mapped`},
		{"backfill --from 1", cli.ExitUsage, "name it with --table"},
		{"backfill --table stock --from [1", cli.ExitUsage, "not the text of a key"},
		{"backfill --table stock --from [1,2]", cli.ExitFailed, "has 2 values"},
		{"backfill --table stock --to abc", cli.ExitFailed, "abc"},
		{"backfill --table stock --where qty>upper(part)", cli.ExitUsage, "--where"},
		{"backfill --table stock --where nosuch==1", cli.ExitFailed, `"nosuch"`},
		{"backfill --table stock --where part==1", cli.ExitFailed, `"part"`},
		{"backfill --throttle -1", cli.ExitUsage, "not negative"},
		{"backfill pause erp-none", cli.ExitFailed, "there is no such job"},
		{"backfill cancel other-1", cli.ExitFailed, "no daemon answers"},
		{"backfill resume x", cli.ExitUsage, "not the id of a job"},
	} {
		code, out, complaint := r.run(strings.Fields(c.args)...)
		if code != c.code || !strings.Contains(complaint, c.want) {
			t.Errorf("%s: code %d, %s%s\nwant %d and %q", c.args, code, out, complaint, c.code, c.want)
		}
	}
	for _, j := range r.jobs() {
		if j.State != connector.JobCompleted {
			t.Errorf("a job was begun: %+v", j)
		}
	}
}
