package mysql

import "errors"

// reloadFix is what an operator can do when changes are lost.
const reloadFix = "the captured tables must be loaded anew"

// errorAs reports whether err is or wraps an error of the target's type.
func errorAs[T error](err error, target *T) bool { return errors.As(err, target) }
