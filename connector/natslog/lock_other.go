//go:build !unix

package natslog

import (
	"errors"
	"fmt"
	"os"
)

// lockFile fails: without a lock that ends with the process, two servers could
// write to one directory.
func lockFile(path string) (*os.File, error) {
	return nil, fmt.Errorf("lock %s: the embedded server needs file locks: %w", path, errors.ErrUnsupported)
}
