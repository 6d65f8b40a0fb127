package postgres

import (
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"

	"tailstock/connector/cdc"
)

// SQLSTATE codes that decide something, from the appendix "PostgreSQL Error Codes".
const (
	stateObjectInUse   = "55006"
	stateNotInState    = "55000"
	stateUndefined     = "42704"
	statePrivilege     = "42501"
	stateConfigLimit   = "53400"
	stateFileMissing   = "58P01"
	stateAuthorization = "28000"
	statePassword      = "28P01"
	stateNoDatabase    = "3D000"
)

// sqlState returns the code of a server's error, empty if err is none.
func sqlState(err error) string {
	var pgErr *pgconn.PgError
	if errors.As(err, &pgErr) {
		return pgErr.Code
	}
	return ""
}

// streamError says what an error means that the server sent while streaming.
func streamError(slot string, body []byte) error {
	var response pgproto3.ErrorResponse
	if err := response.Decode(body); err != nil {
		return fmt.Errorf("the server sent an error that cannot be read: %w", err)
	}
	err := pgconn.ErrorResponseToPgError(&response)
	switch {
	case err.Code == stateUndefined && aboutPublication(err.Routine, err.Message):
		// The server looks for the publication as of the change that it decodes. It
		// will fail at the same change for ever, whatever is created now.
		return &cdc.GapError{
			Reason: cdc.GapSkipped,
			Detail: fmt.Sprintf("the server cannot decode changes that were made while the publication did not exist (%s)", err.Message),
			Fix:    reloadFix,
		}
	case err.Code == stateFileMissing:
		return &cdc.GapError{
			Reason: cdc.GapSlotLost,
			Detail: fmt.Sprintf("the server lacks log that slot %q needs (%s)", slot, err.Message),
			Fix:    reloadFix,
		}
	}
	return fmt.Errorf("stream from slot %q: %w", slot, err)
}

// aboutPublication reports whether a message comes from looking up a
// publication. The routine is the same in all languages of lc_messages; the
// text, which is not, is for builds without it.
func aboutPublication(routine, text string) bool {
	switch routine {
	case "get_publication_oid", "GetPublicationByName", "GetPublication", "LoadPublications":
		return true
	}
	return routine == "" && strings.Contains(text, "publication")
}

// notice judges a notice that came while streaming. From version 18 on the
// server says in one that it skips changes for want of the publication, and
// goes on; that is a loss.
func notice(body []byte) (*pgconn.Notice, error) {
	var response pgproto3.NoticeResponse
	if err := response.Decode(body); err != nil {
		return nil, fmt.Errorf("the server sent a notice that cannot be read: %w", err)
	}
	n := (*pgconn.Notice)(pgconn.ErrorResponseToPgError((*pgproto3.ErrorResponse)(&response)))
	if n.Routine == "LoadPublications" || strings.Contains(n.Message, "skipped loading publication") {
		return nil, &cdc.GapError{
			Reason: cdc.GapSkipped,
			Detail: fmt.Sprintf("the server skipped changes that were made while the publication did not exist (%s)", n.Message),
			Fix:    reloadFix,
		}
	}
	return n, nil
}
