package mysql

import (
	"errors"
	"fmt"
	"strings"

	"github.com/go-mysql-org/go-mysql/mysql"

	"tailstock/connector/cdc"
)

// errReadBinlog is ER_MASTER_FATAL_ERROR_READING_BINLOG, which stands for whatever
// keeps the server from sending its log; only its text tells what.
const errReadBinlog = 1236

// readErrors are the texts of errReadBinlog that are known, of MySQL's rpl_binlog_sender.cc
// and MariaDB's sql_repl.cc, in the order in which they are looked for.
var readErrors = []struct { //nolint:gochecknoglobals // a constant of a slice type
	text   string
	reason cdc.GapReason
}{
	{"purged", cdc.GapLogPurged},
	{"Could not find first log file name", cdc.GapLogPurged},
	{"diverged", cdc.GapDiverged},
	{"not in the master's binlog", cdc.GapDiverged},
	{"has more GTIDs", cdc.GapDiverged},
	{"position > file size", cdc.GapDiverged},
	{"impossible position", cdc.GapDiverged},
	{"log event entry exceeded max_allowed_packet", ""},
	{"same server_uuid", ""},
	{"same server_id", ""},
	{"Binary log is not open", ""},
	{"Misconfigured", ""},
}

// streamError makes a typed error of what the server refused the stream with, and
// leaves others as they are.
func streamError(err error) error {
	var e *mysql.MyError
	if !errors.As(err, &e) {
		return err
	}
	switch e.Code {
	case errReadBinlog:
		return readError(e)
	case errAccessDenied, errPrivilege:
		return &cdc.SetupError{
			Object: "account", Problem: "may not read the binary log", Err: err,
			Fix: "GRANT REPLICATION SLAVE, REPLICATION CLIENT ON *.* TO the account (MariaDB: REPLICATION SLAVE, BINLOG MONITOR)",
		}
	}
	return fmt.Errorf("the server ended the stream of its binary log: %w", err)
}

func readError(e *mysql.MyError) error {
	for _, known := range readErrors {
		if !strings.Contains(e.Message, known.text) {
			continue
		}
		if known.reason != "" {
			return &cdc.GapError{Reason: known.reason, Detail: "the server says: " + e.Message, Fix: reloadFix}
		}
		return &cdc.SetupError{Object: "binary log", Problem: "cannot be read", Err: e, Fix: readFix(known.text)}
	}
	return fmt.Errorf("the server cannot send its binary log: %w", e)
}

func readFix(text string) string {
	switch {
	case strings.Contains(text, "max_allowed_packet"):
		return "SET GLOBAL max_allowed_packet = 1073741824 on the server"
	case strings.Contains(text, "same server"):
		return "give every replica, and every source of this configuration, a server_id of its own"
	case strings.Contains(text, "not open"):
		return "start the server with log_bin"
	default:
		return "give the server a server_id"
	}
}
