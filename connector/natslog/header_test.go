package natslog_test

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/nats-io/nats.go"
	"pgregory.net/rapid"

	"tailstock/connector/cdc"
	"tailstock/connector/inventory"
	"tailstock/connector/natslog"
)

func TestHeaderRoundTrip(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		position := rapid.Custom(func(t *rapid.T) inventory.Position {
			return inventory.Position{
				Run:    rapid.Uint64Range(0, 999999999999999).Draw(t, "run"),
				Number: rapid.Uint64Range(0, 999999999999).Draw(t, "number"),
			}
		})
		want := inventory.Envelope{
			Previous: position.Draw(t, "previous"), Position: position.Draw(t, "position"),
			Resume: cdc.Resume(rapid.SliceOf(rapid.Byte()).Draw(t, "token")),
		}
		if want.Position.Before(want.Previous) {
			want.Position, want.Previous = want.Previous, want.Position
		}
		h := nats.Header{"Tailstock-Previous": {"left over"}, "Tailstock-Resume": {"left over"}}
		natslog.SetHeader(h, &want)
		got, err := natslog.ParseHeader(h)
		if want.Position == want.Previous {
			if err == nil {
				t.Fatalf("%s follows itself", want.Position)
			}
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("(-want +got):\n%s", diff)
		}
	})
}

func TestParseHeaderErrors(t *testing.T) {
	t.Parallel()
	const p, q = "000000000000007-000000000002", "000000000000007-000000000001"
	for name, h := range map[string]nats.Header{
		"nothing":           {},
		"newer format":      {"Tailstock-Format": {"2"}, "Tailstock-Position": {p}},
		"no position":       {"Tailstock-Format": {"1"}},
		"short position":    {"Tailstock-Format": {"1"}, "Tailstock-Position": {"7-2"}},
		"bad previous":      {"Tailstock-Format": {"1"}, "Tailstock-Position": {p}, "Tailstock-Previous": {"x"}},
		"does not grow":     {"Tailstock-Format": {"1"}, "Tailstock-Position": {q}, "Tailstock-Previous": {p}},
		"bad token":         {"Tailstock-Format": {"1"}, "Tailstock-Position": {p}, "Tailstock-Resume": {"%zz"}},
		"token cut off":     {"Tailstock-Format": {"1"}, "Tailstock-Position": {p}, "Tailstock-Resume": {"a%2"}},
		"token not encoded": {"Tailstock-Format": {"1"}, "Tailstock-Position": {p}, "Tailstock-Resume": {"é"}},
	} {
		if e, err := natslog.ParseHeader(h); err == nil {
			t.Errorf("%s: got %+v", name, e)
		}
	}
}

func FuzzParseHeader(f *testing.F) {
	f.Add("1", "000000000000007-000000000002", "000000000000007-000000000001", "0/16B3748")
	f.Add("1", "000000000000007-000000000002", "", "%20a%0A")
	f.Fuzz(func(t *testing.T, format, position, previous, resume string) {
		h := nats.Header{
			"Tailstock-Format": {format}, "Tailstock-Position": {position},
			"Tailstock-Previous": {previous}, "Tailstock-Resume": {resume},
		}
		e, err := natslog.ParseHeader(h)
		if err != nil {
			return
		}
		again := make(nats.Header)
		natslog.SetHeader(again, &e)
		for key, want := range map[string]string{
			"Tailstock-Format": format, "Tailstock-Position": position, "Tailstock-Previous": previous, "Tailstock-Resume": resume,
		} {
			got := ""
			if v := again[key]; v != nil {
				got = v[0]
			}
			zero := inventory.Position{}.String()
			if got != want && !(got == "" && want == zero) {
				t.Errorf("%s: %q was read as %+v, which is written as %q", key, want, e, got)
			}
		}
	})
}

func FuzzUnescapeToken(f *testing.F) {
	f.Add("0/16B3748")
	f.Add("%20a b%25%FF")
	f.Fuzz(func(t *testing.T, s string) {
		if token, err := natslog.UnescapeToken(s); err == nil && natslog.EscapeToken(token) != s {
			t.Errorf("%q is token %q, which is written %q", s, token, natslog.EscapeToken(token))
		}
		if token, err := natslog.UnescapeToken(natslog.EscapeToken(s)); err != nil || token != s {
			t.Errorf("token %q came back as %q, %v", s, token, err)
		}
	})
}

// FuzzParseAck holds the short way of reading acks to the long one.
func FuzzParseAck(f *testing.F) {
	f.Add([]byte(`{"stream":"S","seq":12}`))
	f.Add([]byte(`{"stream":"S","seq":12,"duplicate":true}`))
	f.Add([]byte(`{"stream":"S","domain":"d","seq":12}`))
	f.Add([]byte(`{"stream":"ST","seq":1}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		sequence, ok := natslog.ParseAck(b, "S")
		if !ok {
			return
		}
		var long struct {
			Stream string `json:"stream"`
			Seq    uint64 `json:"seq"`
			Error  any    `json:"error"`
		}
		err := json.Unmarshal(b, &long)
		if err == nil && (long.Stream != "S" || long.Seq != sequence || long.Error != nil) {
			t.Errorf("%s: got %d, want %+v", b, sequence, long)
		}
	})
}
