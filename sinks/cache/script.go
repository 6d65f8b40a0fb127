package cache

import (
	_ "embed"
	"fmt"

	"github.com/redis/go-redis/v9"
)

//go:embed library.lua
var libraryLua string

//go:embed totals.lua
var totalsLua string

//go:embed apply.lua
var applyLua string

//go:embed sweep.lua
var sweepLua string

//go:embed move.lua
var moveLua string

// scripts are what runs in the server. They are sent by their hash, and whole when
// the server does not know it.
type scripts struct{ apply, sweep, move *redis.Script }

func newScripts() scripts {
	library := totalsLua + "\n" + libraryLua + "\n"
	return scripts{
		apply: redis.NewScript(library + applyLua),
		sweep: redis.NewScript(library + sweepLua),
		move:  redis.NewScript(library + moveLua),
	}
}

// counts are the numbers that a script returns.
func counts(reply any, n int) ([]int, error) {
	list, ok := reply.([]any)
	if !ok || len(list) != n {
		return nil, fmt.Errorf("unexpected answer of a script: %v", reply)
	}
	out := make([]int, n)
	for i, v := range list {
		number, ok := v.(int64)
		if !ok {
			return nil, fmt.Errorf("unexpected answer of a script: %v", reply)
		}
		out[i] = int(number)
	}
	return out, nil
}
