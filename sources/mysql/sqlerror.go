package mysql

import (
	"errors"

	"github.com/go-sql-driver/mysql"
)

// Numbers of server errors that decide something, from MySQL's "Server Error
// Message Reference"; MariaDB has the same.
const (
	errDatabaseDenied    = 1044
	errAccessDenied      = 1045
	errUnknownDatabase   = 1049
	errUnknownColumn     = 1054
	errTableDenied       = 1142
	errColumnDenied      = 1143
	errNoSuchTable       = 1146
	errLockWaitTimeout   = 1205
	errDeadlock          = 1213
	errPrivilege         = 1227
	errTableChanged      = 1412
	errViewInvalid       = 1356
	errUnknownStatement  = 1064
	errPluginUnavailable = 1251
)

// errorNumber returns the number of a server's error, 0 if err is none.
func errorNumber(err error) uint16 {
	var e *mysql.MySQLError
	if errors.As(err, &e) {
		return e.Number
	}
	return 0
}

// gone reports whether a server said that there is no such table.
func gone(err error) bool {
	n := errorNumber(err)
	return n == errNoSuchTable || n == errUnknownDatabase
}

// refused reports whether a server said that the account may not do something.
func refused(err error) bool {
	switch errorNumber(err) {
	case errDatabaseDenied, errTableDenied, errColumnDenied, errPrivilege:
		return true
	default:
		return false
	}
}
