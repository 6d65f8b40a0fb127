package postgres

import (
	"errors"
	"testing"

	"github.com/jackc/pgx/v5/pgproto3"

	"tailstock/connector/cdc"
)

// body encodes the fields of an error or notice as they are on the wire.
func body(t *testing.T, r pgproto3.ErrorResponse) []byte {
	t.Helper()
	b, err := r.Encode(nil)
	if err != nil {
		t.Fatal(err)
	}
	return b[5:]
}

func reason(err error) cdc.GapReason {
	var gap *cdc.GapError
	if errors.As(err, &gap) {
		return gap.Reason
	}
	return ""
}

func TestServerErrorsWhileStreaming(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		response pgproto3.ErrorResponse
		want     cdc.GapReason
	}{
		"publication missing": {pgproto3.ErrorResponse{Code: "42704", Message: `publication "p" does not exist`, Routine: "get_publication_oid"}, cdc.GapSkipped},
		"the same in German":  {pgproto3.ErrorResponse{Code: "42704", Message: `Publikation »p« existiert nicht`, Routine: "get_publication_oid"}, cdc.GapSkipped},
		"another object":      {pgproto3.ErrorResponse{Code: "42704", Message: `type "t" does not exist`, Routine: "typenameType"}, ""},
		"log removed":         {pgproto3.ErrorResponse{Code: "58P01", Message: "requested WAL segment 0000 has already been removed"}, cdc.GapSlotLost},
		"shutdown":            {pgproto3.ErrorResponse{Code: "57P01", Message: "terminating connection"}, ""},
	} {
		if err := streamError("s", body(t, test.response)); err == nil || reason(err) != test.want {
			t.Errorf("%s: %v, want reason %q", name, err, test.want)
		}
	}
}

func TestNoticesWhileStreaming(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		response pgproto3.ErrorResponse
		want     cdc.GapReason
	}{
		"skipped":            {pgproto3.ErrorResponse{Severity: "WARNING", Code: "55000", Message: `skipped loading publication "p"`}, cdc.GapSkipped},
		"skipped, in German": {pgproto3.ErrorResponse{Severity: "WARNUNG", Code: "55000", Message: `Laden der Publikation »p« übersprungen`, Routine: "LoadPublications"}, cdc.GapSkipped},
		"another":            {pgproto3.ErrorResponse{Severity: "NOTICE", Code: "00000", Message: "hello"}, ""},
	} {
		n, err := notice(body(t, test.response))
		if reason(err) != test.want || (err == nil) != (n != nil) {
			t.Errorf("%s: %v, %v; want reason %q", name, n, err, test.want)
		}
	}
}
