package postgres

import (
	"strings"
	"testing"

	"tailstock/connector/cdc"
)

func TestCheckVersion(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		version     int
		state       cdc.FindingState
		detail, fix string
	}{
		{120022, cdc.FindingProblem, "older than 13", "upgrade"},
		{130020, cdc.FindingWarning, "can lose changes", "13.22"},
		{140017, cdc.FindingWarning, "can lose changes", "14.19"},
		{140018, cdc.FindingWarning, "much memory", "14.19"},
		{150014, cdc.FindingOK, "", ""},
		{160009, cdc.FindingWarning, "much memory", "16.10"},
		{170004, cdc.FindingWarning, "can lose changes", "17.6"},
		{170006, cdc.FindingOK, "", ""},
		{180000, cdc.FindingOK, "", ""},
		{190001, cdc.FindingWarning, "newer than 18", ""},
	} {
		var ch check
		ch.checkVersion(&serverFacts{version: c.version, versionText: "it"})
		f := ch.findings[0]
		if len(ch.findings) != 1 || f.State != c.state || !strings.Contains(f.Detail, c.detail) || !strings.Contains(f.Fix, c.fix) {
			t.Errorf("version %d: got %+v, want %s with %q and %q", c.version, ch.findings, c.state, c.detail, c.fix)
		}
	}
}

func TestBytesText(t *testing.T) {
	t.Parallel()
	for n, want := range map[int64]string{0: "0 bytes", 1023: "1023 bytes", 1024: "1 kB", 1536: "1.5 kB", 50 << 30: "50 GB", 5000 << 40: "5000 TB"} {
		if got := bytesText(n); got != want {
			t.Errorf("bytesText(%d) = %q, want %q", n, got, want)
		}
	}
}
