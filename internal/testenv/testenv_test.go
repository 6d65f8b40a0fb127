package testenv_test

import (
	"os"
	"testing"

	"github.com/jackc/pgx/v5"

	"tailstock/internal/testenv"
)

func TestMain(m *testing.M) { os.Exit(testenv.Main(m)) }

func TestDatabasesAreSeparate(t *testing.T) {
	t.Parallel()
	for range 2 {
		conn, err := pgx.Connect(t.Context(), testenv.Database(t))
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close(t.Context())
		// Fails the second time if both were one database.
		if _, err := conn.Exec(t.Context(), "create table only_once ()"); err != nil {
			t.Fatal(err)
		}
	}
}
