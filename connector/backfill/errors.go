package backfill

import (
	"errors"
	"fmt"
)

var (
	// ErrReread is returned when a chunk cannot be placed and must be read again,
	// through a new window. Nothing is wrong with the source.
	ErrReread = errors.New("chunk must be read again")
	// ErrOverflow is an ErrReread: while the window was open the stream touched more
	// rows of the table than the window may remember. A smaller chunk is read faster.
	ErrOverflow = fmt.Errorf("%w: too many rows changed meanwhile", ErrReread)
)
