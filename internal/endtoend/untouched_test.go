package endtoend_test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"tailstock/internal/testenv"
)

// catalogQueries show everything that could be made or changed in a database, one
// text per object.
var catalogQueries = map[string]string{
	// Without what TRUNCATE and maintenance change.
	"relations": `select (to_jsonb(c) - array['relfilenode', 'relpages', 'reltuples', 'relallvisible', 'relallfrozen',
		'relfrozenxid', 'relminmxid'])::text from pg_class c where relnamespace <> 'pg_toast'::regnamespace`,
	"columns":         `select a::text from pg_attribute a`,
	"functions":       `select p::text from pg_proc p`,
	"triggers":        `select t::text from pg_trigger t`,
	"event triggers":  `select t::text from pg_event_trigger t`,
	"rules":           `select r::text from pg_rewrite r`,
	"constraints":     `select c::text from pg_constraint c`,
	"indexes":         `select i::text from pg_index i`,
	"types":           `select t::text from pg_type t`,
	"schemas":         `select n::text from pg_namespace n`,
	"extensions":      `select e::text from pg_extension e`,
	"publications":    `select p::text from pg_publication p`,
	"published":       `select p::text from pg_publication_rel p`,
	"subscriptions":   `select s::text from pg_subscription s`,
	"policies":        `select p::text from pg_policy p`,
	"large objects":   `select l::text from pg_largeobject_metadata l`,
	"roles":           `select r::text from pg_authid r`,
	"memberships":     `select m::text from pg_auth_members m`,
	"databases":       `select datname || coalesce(datacl::text, '') from pg_database`,
	"settings":        `select s::text from pg_db_role_setting s`,
	"server settings": `select name || '=' || setting from pg_settings`,
	"slots":           `select slot_name || ' ' || plugin from pg_replication_slots`,
	"origins":         `select o::text from pg_replication_origin o`,
}

// catalog reads everything that the queries show.
func catalog(t *testing.T, dsn string) map[string][]string {
	t.Helper()
	conn := connect(t, dsn)
	defer conn.Close(context.WithoutCancel(t.Context()))
	out := make(map[string][]string)
	for name, sql := range catalogQueries {
		rows, err := conn.Query(t.Context(), sql)
		if err != nil {
			t.Fatal(err)
		}
		if out[name], err = pgx.CollectRows(rows, pgx.RowTo[string]); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		slices.Sort(out[name])
	}
	return out
}

const (
	// writes counts what was ever written into tables.
	writes = `select coalesce(string_agg(relname || ' ' || n_tup_ins || ' ' || n_tup_upd || ' ' || n_tup_del, ', ' order by relname), '')
		from pg_stat_user_tables`
	// nextTransaction is the id that the next transaction that writes will have.
	nextTransaction = `select pg_snapshot_xmax(pg_current_snapshot())::text`
)

// TestSourceIsUntouched follows a source with a role that may do no more than the
// documentation asks for, runs every command beside it, and looks for traces.
func TestSourceIsUntouched(t *testing.T) {
	t.Parallel()
	s := newSystem(t, false,
		testenv.Setting("log_statement", "all"), testenv.Setting("log_replication_commands", "on"),
		testenv.Setting("log_line_prefix", "<%u> "), testenv.Setting("autovacuum", "off"))
	dsn := s.erp.DSN("postgres")
	execSQL(t, dsn, `insert into bin_stock select n, 'OLD', 'DC1', 'PICK', 1, '' from generate_series(1, 100) n`)
	before, written, next := catalog(t, dsn), queryText(t, dsn, writes), queryText(t, dsn, nextTransaction)

	// A whole life without anybody else: not even a transaction id may be used.
	p := s.started(t)
	for _, args := range [][]string{
		{"check"}, {"map"}, {"map", "--check", "--json"}, {"explain", "OLD"}, {"store", "list"}, {"levels", "rebuild"}, {"cache", "rebuild"},
	} {
		if r := s.command(t, args...); r.code != 0 {
			t.Errorf("%v: exit code %d: %s%s", args, r.code, r.out, r.err)
		}
	}
	p.kill()
	p = s.started(t)
	p.signal(t, syscall.SIGTERM)
	p.expectExit(t, 0)
	checkCatalog(t, before, catalog(t, dsn))
	if got := queryText(t, dsn, nextTransaction); got != next {
		t.Errorf("the next transaction id was %s, and is %s: something was written", next, got)
	}
	if got := queryText(t, dsn, writes); got != written {
		t.Errorf("tables were written: %s, then %s", written, got)
	}

	// A life with people who work.
	execSQL(t, dsn, `truncate bin_stock, order_line`)
	before = catalog(t, dsn)
	p = s.started(t)
	w := s.work(t, random(t))
	s.awaitConfirmed(t, p)
	p.kill()
	p = s.started(t)
	w.end(t)
	s.awaitAgreement(t, p)
	p.signal(t, syscall.SIGTERM)
	p.expectExit(t, 0)

	checkCatalog(t, before, catalog(t, dsn))
	s.checkStatements(t)
	s.checkMessages(t)
}

// checkCatalog fails the test if anything but our slot is new.
func checkCatalog(t *testing.T, before, after map[string][]string) {
	t.Helper()
	if slots := after["slots"]; !slices.Equal(slots, []string{"tailstock_erp pgoutput"}) {
		t.Errorf("slots: got %q", slots)
	}
	before["slots"], after["slots"] = nil, nil
	if diff := cmp.Diff(before, after); diff != "" {
		t.Errorf("the catalog changed (-before +after):\n%s", diff)
	}
}

// harmless are the statements that a role which only reads may send.
var harmless = []string{
	"BEGIN", "COMMIT", "ROLLBACK", "SELECT ", "WITH ", "SHOW ", "SET SEARCH_PATH ", "SET LOCAL SEARCH_PATH ", "SET ROW_SECURITY ", "LOCK TABLE ONLY ", "CLOSE ",
	"IDENTIFY_SYSTEM", "START_REPLICATION SLOT ", "CREATE_REPLICATION_SLOT ", "TIMELINE_HISTORY ", "DEALLOCATE ", "-- ping", "",
}

// checkStatements reads what our role sent from the server's log.
func (s *system) checkStatements(t *testing.T) {
	t.Helper()
	text, err := os.ReadFile(s.erp.Log())
	if err != nil {
		t.Fatal(err)
	}
	line := regexp.MustCompile(`(?m)^<` + capturer + `> LOG:  (?:statement|execute [^:]*|received replication command): ([^\n]*)`)
	seen := make(map[string]int)
	for _, m := range line.FindAllStringSubmatch(string(text), -1) {
		statement := strings.ToUpper(strings.TrimSpace(m[1]))
		seen[statement]++
		for one := range strings.SplitSeq(statement, ";") {
			one = strings.TrimSpace(one)
			if !slices.ContainsFunc(harmless, func(prefix string) bool { return one == prefix || prefix != "" && strings.HasPrefix(one, prefix) }) {
				t.Errorf("the source was sent: %s", m[1])
			}
		}
		// What a SELECT calls could write as well.
		for _, call := range []string{"PG_LOGICAL_EMIT_MESSAGE", "PG_CREATE_", "PG_DROP_", "PG_REPLICATION_SLOT_ADVANCE", "PG_SWITCH_WAL", "LOCK(", "NEXTVAL(", "SETVAL("} {
			if strings.Contains(statement, call) {
				t.Errorf("the source was sent: %s", m[1])
			}
		}
	}
	if len(seen) < 5 {
		t.Errorf("only %d different statements were found in the server's log", len(seen))
	}
}

// checkMessages looks for logical messages in the source's log.
func (s *system) checkMessages(t *testing.T) {
	t.Helper()
	wal := filepath.Join(queryText(t, s.erp.DSN("postgres"), "show data_directory"), "pg_wal")
	segments, err := filepath.Glob(filepath.Join(wal, "0000*"))
	if err != nil || len(segments) == 0 {
		t.Fatalf("segments in %s: %q, %v", wal, segments, err)
	}
	slices.Sort(segments)
	dump := func(rmgr string) string {
		// It ends with an error at the end of the log.
		out, _ := exec.CommandContext(t.Context(), filepath.Join(s.erp.BinDir(), "pg_waldump"),
			"--rmgr="+rmgr, "--path="+wal, filepath.Base(segments[0])).Output()
		return string(out)
	}
	if out := dump("LogicalMessage"); out != "" {
		t.Errorf("logical messages in the source's log:\n%s", out)
	}
	if n := strings.Count(dump("Transaction"), "COMMIT"); n < 100 {
		t.Errorf("pg_waldump shows only %d commits", n)
	}
}
