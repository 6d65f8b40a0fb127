package cli_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"tailstock/cmd/tailstock/internal/cli"
	"tailstock/connector"
	"tailstock/connector/backfill"
)

func TestParseKey(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]backfill.Key{
		"":                          nil,
		"42":                        {"42"},
		"-7":                        {"-7"},
		"BRK 12":                    {"BRK 12"},
		`"quoted"`:                  {`"quoted"`},
		"[42]":                      {"42"},
		`["DC1","X"]`:               {"DC1", "X"},
		` ["DC1"]`:                  {` ["DC1"]`}, // a value of a key may begin with a space
		`["[odd]"]`:                 {"[odd]"},
		`["a\"b\u00e9", -5]`:        {`a"bé`, "-5"},
		"[12345678901234567890123]": {"12345678901234567890123"},
	} {
		got, err := cli.ParseKey(text)
		if diff := cmp.Diff(want, got); diff != "" || err != nil {
			t.Errorf("%s: %v (-want +got):\n%s", text, err, diff)
		}
	}
	for _, text := range []string{"[", "[]", "[42", "[null]", "[true]", `[["a"]]`, `[{"a":1}]`, "[1] 2", "[1][2]", "[x]"} {
		if got, err := cli.ParseKey(text); err == nil {
			t.Errorf("%s: got %q", text, got)
		}
	}
}

func TestBar(t *testing.T) {
	t.Parallel()
	for want, j := range map[string]connector.JobStatus{
		"erp-1  [######..................]  25%  50 of about 200 rows  10 rows/s  15s left":                   {State: connector.JobRunning, Rows: 50, Estimate: 200},
		"erp-1  [########################] 100%  300 of about 200 rows  10 rows/s  15s left":                  {State: connector.JobRunning, Rows: 300, Estimate: 200},
		"erp-1  50 rows  10 rows/s  15s left":                                                                 {State: connector.JobRunning, Rows: 50},
		"erp-1  [######..................]  25%  50 of about 200 rows  10 rows/s  paused":                     {State: connector.JobPaused, Rows: 50, Estimate: 200},
		"erp-1  [######..................]  25%  50 of about 200 rows  10 rows/s  waits: the table is locked": {State: connector.JobRunning, Rows: 50, Estimate: 200, Waits: "the table is locked"},
		"erp-1  [########################] 200 rows  10 rows/s  completed":                                    {State: connector.JobCompleted, Rows: 200, Estimate: 210},
	} {
		j.ID = "erp-1"
		if got := cli.BarText(&j, 10, 15*time.Second); got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
}
