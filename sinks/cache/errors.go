package cache

import (
	"errors"
	"fmt"

	"github.com/redis/go-redis/v9"
)

// ErrCluster is returned when the server is one of a Redis Cluster.
var ErrCluster = errors.New("the server is in cluster mode, which is not supported: name one that is not")

// explain adds to an error of the server what an operator can do about it.
func explain(err error) error {
	_, moved := redis.IsMovedError(err)
	var hint string
	switch {
	case moved, redis.HasErrorPrefix(err, "CROSSSLOT"), redis.IsClusterDownError(err):
		return fmt.Errorf("%w (%w)", ErrCluster, err)
	case redis.IsAuthError(err):
		hint = "correct the user and password in the url"
	case redis.IsPermissionError(err), scriptDenied(err):
		hint = "'tailstock check' says what the user must be allowed"
	case redis.IsReadOnlyError(err):
		hint = "it is a replica: let the url name the primary"
	case redis.IsOOMError(err):
		hint = "nothing was changed: raise maxmemory, or make room"
	case redis.HasErrorPrefix(err, "MISCONF"):
		hint = "the server cannot write its files: see its log"
	default:
		return err
	}
	return fmt.Errorf("%w; %s", err, hint)
}

// scriptDenied reports whether a command within a script was not permitted, for
// which there is no code: Redis 7.0 and before have the first text, later ones the second.
func scriptDenied(err error) bool {
	return redis.HasErrorPrefix(err, "The user executing the script can't") ||
		redis.HasErrorPrefix(err, "ACL failure in script")
}
