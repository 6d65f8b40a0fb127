package postgres

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"tailstock/connector/cdc"
)

// TestTokenForm pins the persisted form: tokens of earlier releases must stay readable.
func TestTokenForm(t *testing.T) {
	t.Parallel()
	const text = cdc.Resume(`{"lsn":"16/B374D848","system":"7312345678901234567","timeline":3}`)
	want := token{0x16B374D848, server{"7312345678901234567", 3}}
	got, err := parseToken(text)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(token{}, server{})); diff != "" {
		t.Errorf("parsed (-want +got):\n%s", diff)
	}
	if got.resume() != text {
		t.Errorf("written as %s, want %s", got.resume(), text)
	}
}

func TestTokensThatAreRefused(t *testing.T) {
	t.Parallel()
	for _, text := range []cdc.Resume{
		"", "null", "[]", "0/1", `{}`,
		`{"lsn":"0/0","system":"1","timeline":1}`,
		`{"lsn":"0/1","system":"","timeline":1}`,
		`{"lsn":"0/1","system":"1"}`,
		`{"lsn":"0/1","system":"1","timeline":1,"more":1}`,
		`{"lsn":"0/1","system":"1","timeline":1} ` + `{}`,
		`{"lsn":"0/1x","system":"1","timeline":1}`,
		`{"lsn":"0/123456789","system":"1","timeline":1}`,
		`{"file":"binlog.000001","pos":4}`,
	} {
		if got, err := parseToken(text); err == nil {
			t.Errorf("%q was read as %+v", text, got)
		}
	}
}

func FuzzToken(f *testing.F) {
	f.Add(`{"lsn":"0/30003C0","system":"1","timeline":1}`)
	f.Fuzz(func(t *testing.T, text string) {
		got, err := parseToken(cdc.Resume(text))
		if err != nil {
			return
		}
		again, err := parseToken(got.resume())
		if err != nil || again != got {
			t.Errorf("%q is %+v, written as %s is %+v (%v)", text, got, got.resume(), again, err)
		}
	})
}

func TestLSNText(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		p := lsn(rapid.Uint64().Draw(t, "lsn"))
		text := string(appendLSN(nil, p))
		if text != p.String() {
			t.Fatalf("%d is written as %s, and by pglogrepl as %s", p, text, p)
		}
		if got, err := parseLSN(text); err != nil || got != p {
			t.Fatalf("%s was read as %d, %v; want %d", text, got, err, p)
		}
	})
}

func TestSwitchPoint(t *testing.T) {
	t.Parallel()
	const history = "# comment\n\n1\t0/3000158\tno recovery target specified\n\n2\t16/B374D848\tbefore 2026-11-23 08:00:00+00\n"
	for timeline, want := range map[int32]lsn{1: 0x3000158, 2: 0x16B374D848, 3: 0} {
		got, ok, err := switchPoint(history, timeline)
		if err != nil || got != want || ok != (want != 0) {
			t.Errorf("timeline %d was left at %s, %v, %v; want %s", timeline, got, ok, err, want)
		}
	}
	for _, broken := range []string{"1\n", "1\tnowhere\treason\n"} {
		if _, _, err := switchPoint(broken, 1); err == nil {
			t.Errorf("%q was accepted", broken)
		}
	}
}
