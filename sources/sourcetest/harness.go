package sourcetest

import (
	"context"
	"database/sql"
	"slices"
	"testing"

	"tailstock/connector/backfill"
	"tailstock/connector/cdc"
)

// Source is the part of an adapter that the engine uses. Its contract stands
// at the engine's port of the same name.
type Source interface {
	backfill.Reader
	Want(w cdc.Wanted)
	Tail(ctx context.Context, from cdc.Resume, emit cdc.EmitFunc) error
	Confirm(r cdc.Resume)
	Complete(ctx context.Context, t *cdc.Transaction, rows []*cdc.NetChange) error
}

// Features says what a database can do. A feature that is missing skips the
// tests that need it, with its name.
type Features struct {
	// TruncateInTransaction: TRUNCATE can stand between other statements of a transaction.
	TruncateInTransaction bool
	// OmitsLargeValues: an update may be sent without large values that it left
	// as they were, which makes them Unchanged.
	OmitsLargeValues bool
	// DiscardsConfirmedLog: the server keeps its log until it was confirmed.
	DiscardsConfirmedLog bool
	// StreamsBeforeVisible: a commit may be delivered long before other sessions see it.
	StreamsBeforeVisible bool
}

// Harness is what an adapter brings.
type Harness struct {
	Features Features
	Dialect  Dialect
	// PartRows is the most changes that the sources of this harness put in one
	// part: set it low, 100 or so.
	PartRows int
	// QuietPoints is how often a load of omitted values stops to compare. Defaults to 2.
	QuietPoints int
	// Start starts a server of its own for one test, which ends with it.
	Start func(t *testing.T) *Server
	// StartOther starts a server with another identity than those that Start
	// starts: it did not come from the same initialisation.
	StartOther func(t *testing.T) *Server
}

// Dialect has the SQL that databases do not share.
type Dialect struct {
	// UUID and LargeText are column types; LargeText holds a megabyte.
	UUID, LargeText string
	// AlterType changes the type of a column.
	AlterType func(table, column, newType string) string
	// LazyCommit makes the transaction that begins with it commit without
	// waiting for the disk; empty if there is no such thing.
	LazyCommit string
	// Omitting is what a session executes so that the log leaves out of its rows all
	// that it can; empty if there is no such thing.
	Omitting []string
	// Prepared returns what prepares a transaction of statements under a name on
	// one connection, what commits it, and what gets rid of a transaction that
	// could not be prepared, each executed whatever became of the one before; nil
	// if the database has no such thing.
	Prepared func(name string, statements []string) (prepare []string, commit string, abort []string)
}

// Server is a running server with one empty database.
type Server struct {
	// Schema qualifies the names of tables that the application makes.
	Schema string
	// DB opens connections of an application. They outlive a restart.
	DB *sql.DB
	// Publish prepares the server for capturing tables, as its administrator would.
	Publish func(t testing.TB, tables ...string)
	// Open returns a new source of the wanted tables. Sources of one server share
	// their place in its log, as the same daemon after a restart does. It is
	// closed at the latest when the test ends, and before if it is an io.Closer.
	Open func(t testing.TB, wanted cdc.Wanted) Source
	// Stop ends the server as a crash does; Start starts it again on the same
	// address and data, and waits until it answers.
	Stop, Start func(t testing.TB)
	// Elsewhere writes to another database of the server, outside of everything captured.
	Elsewhere func(t testing.TB)
	// Sessions counts the connections that sources of this server have open.
	Sessions func(t testing.TB) int
	// Retained tells how many bytes of log the server keeps because nobody
	// confirmed them. Only with DiscardsConfirmedLog.
	Retained func(t testing.TB) int64
	// Hang makes the commits that follow stay invisible, although they are
	// delivered, until release is called, which may be called several times. Only
	// with StreamsBeforeVisible.
	Hang func(t testing.TB) (release func())
	// Hanging is how many commits can hang at a time: the server may hold up those
	// that follow before it delivers them.
	Hanging int
}

// Run asserts everything. Its tests run in parallel.
func Run(t *testing.T, h Harness) {
	t.Helper()
	if h.PartRows < 1 || h.PartRows > 1000 {
		t.Fatalf("sourcetest: PartRows is %d, want 1 to 1000", h.PartRows)
	}
	run(t, h, slices.Concat(streamTests(), loadTests()))
}

// RunLoads asserts what Run does of tables that are loaded beside the stream, and
// more: for servers that are set up in other ways.
func RunLoads(t *testing.T, h Harness) {
	t.Helper()
	run(t, h, append(loadTests(), namedTest{"LoadOmitting", testLoadOmitting}))
}

type namedTest struct {
	name string
	test func(*testing.T, Harness)
}

func streamTests() []namedTest {
	return []namedTest{
		{"FirstToken", testFirstToken},
		{"CommitOrder", testCommitOrder},
		{"Values", testValues},
		{"Keys", testKeys},
		{"KeyChange", testKeyChange},
		{"Truncate", testTruncate},
		{"TruncateInTransaction", testTruncateInTransaction},
		{"Rollback", testRollback},
		{"SeveralTables", testSeveralTables},
		{"OnlyWanted", testOnlyWanted},
		{"SchemaChange", testSchemaChange},
		{"LargeValues", testLargeValues},
		{"Complete", testComplete},
		{"Parts", testParts},
		{"ResumeFromPart", testResumeFromPart},
		{"ResumeFromEveryToken", testResumeFromEveryToken},
		{"ResumeUnderLoad", testResumeUnderLoad},
		{"EmitError", testEmitError},
		{"Cancel", testCancel},
		{"CancelWhileEmitting", testCancelWhileEmitting},
		{"Backpressure", testBackpressure},
		{"IdleProgress", testIdleProgress},
		{"Confirm", testConfirm},
		{"ConfirmAndResume", testConfirmAndResume},
		{"ServerRestart", testServerRestart},
		{"OtherServer", testOtherServer},
		{"Workload", testWorkload},
		{"ChunkValues", testChunkValues},
		{"ReadKeys", testReadKeys},
		{"ReadReferring", testReadReferring},
	}
}

func loadTests() []namedTest {
	return []namedTest{
		{"LoadIdle", testLoadIdle},
		{"LoadInvisible", testLoadInvisible},
		{"Load", testLoad},
	}
}

func run(t *testing.T, h Harness, tests []namedTest) {
	t.Helper()
	for _, c := range tests {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			c.test(t, h)
		})
	}
}

// requireFeature skips the test of something that the database lacks by its own declaration.
func requireFeature(t *testing.T, has bool, name string) {
	t.Helper()
	if !has {
		t.Skipf("the source declares that it lacks %s", name)
	}
}
