package cache

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"tailstock/connector/cdc"
)

// Check looks at everything that the cache of cfg needs from its server and returns
// what it found, all requirements at once. It only reads. What cannot be looked at
// because something else is missing has no finding. It takes no longer than a
// minute, also when the server accepts connections and does not answer.
func Check(ctx context.Context, cfg Config) []cdc.Finding {
	ctx, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	c := &check{cfg: cfg.WithDefaults()}
	if err := c.cfg.Validate(); err != nil {
		c.problem("configuration of the cache", err.Error(), "correct the cache section of the configuration")
		return c.findings
	}
	client, err := newClient(c.cfg)
	if err != nil { // what Validate has looked at
		c.problem("configuration of the cache", err.Error(), "")
		return c.findings
	}
	defer func() { _ = client.Close() }() // it has only read
	if c.connection(ctx, client) {
		c.facts(ctx, client)
		c.permissions(ctx, client)
		c.place(ctx, client)
	}
	return c.findings
}

const checkTimeout = time.Minute

// check gathers findings.
type check struct {
	cfg      Config
	findings []cdc.Finding
}

func (c *check) add(state cdc.FindingState, requirement, detail, fix string) {
	c.findings = append(c.findings, cdc.Finding{Requirement: requirement, State: state, Detail: detail, Fix: fix})
}

func (c *check) ok(requirement, detail string) { c.add(cdc.FindingOK, requirement, detail, "") }

func (c *check) warn(requirement, detail, fix string) {
	c.add(cdc.FindingWarning, requirement, detail, fix)
}

func (c *check) problem(requirement, detail, fix string) {
	c.add(cdc.FindingProblem, requirement, detail, fix)
}

// connection reports whether the server answers, be it that something is not permitted.
func (c *check) connection(ctx context.Context, client *redis.Client) bool {
	const requirement = "connection to the cache"
	switch err := client.Ping(ctx).Err(); {
	case err == nil:
		c.ok(requirement, "the server answers")
		return true
	case redis.IsPermissionError(err):
		c.ok(requirement, "the server answers, and does not permit PING")
		return true
	case redis.IsAuthError(err):
		c.problem(requirement, err.Error(), "correct the user and password in the url")
	case redis.IsLoadingError(err):
		c.problem(requirement, err.Error(), "wait until the server has loaded its data")
	default:
		c.problem(requirement, err.Error(),
			"see that the server runs, that the url names its host and port, and that nothing between them blocks the way")
	}
	return false
}

// aclScript asks the server which of some commands the user may not execute. It
// returns nothing where the server does not know how (before Redis 7.0).
const aclScript = `
if not redis.acl_check_cmd then return nil end
local denied, at = {}, 1
while at <= #ARGV do
  local n = tonumber(ARGV[at])
  if not redis.acl_check_cmd(unpack(ARGV, at + 1, at + n)) then denied[#denied + 1] = ARGV[at + 1] end
  at = at + n + 1
end
return denied`

// permissions checks the commands that the cache executes, on its keys and channel.
func (c *check) permissions(ctx context.Context, client *redis.Client) {
	const requirement = "permissions of the cache's user"
	place, sku := c.cfg.placeKey(), c.cfg.skuKey("A")
	var args []any
	for _, command := range [][]any{
		{"HGET", place, "at"},
		{"HMGET", place, "at", "mark"},
		{"HSET", place, "at", ""},
		{"DEL", place},
		{"HGETALL", sku},
		{"HSET", sku, "available", "0"},
		{"HDEL", sku, "available"},
		{"SCAN", "0"},
		{"PUBLISH", c.cfg.Channel, "A"},
		{"EVALSHA", "0", "2", place, sku},
	} {
		args = append(append(args, len(command)), command...)
	}
	denied, err := client.Eval(ctx, aclScript, nil, args...).StringSlice()
	switch {
	case redis.IsPermissionError(err):
		c.problem(requirement, err.Error(), c.grant())
	case err != nil && !errors.Is(err, redis.Nil):
		c.problem(requirement, explain(err).Error(), "")
	case len(denied) > 0:
		c.problem(requirement, "not permitted on the cache's keys and channel: "+strings.Join(denied, ", "), c.grant())
	case err == nil:
		c.ok(requirement, "every command that the cache needs, on its keys and channel")
	}
}

// grant is the command that permits what the cache needs, and what this check does.
func (c *check) grant() string {
	user := "default"
	if o, err := c.cfg.options(); err == nil && o.Username != "" {
		user = o.Username
	}
	return fmt.Sprintf("ACL SETUSER %s ~%sstock:* &%s +hget +hmget +hset +hgetall +hdel +del +scan +publish +eval +evalsha +ping +info",
		user, c.cfg.prefix(), c.cfg.Channel)
}

// place looks at what the cache holds.
func (c *check) place(ctx context.Context, client *redis.Client) {
	const requirement = "place in the levels stream"
	reader := &Cache{cfg: c.cfg, client: client}
	switch p, err := reader.Place(ctx); {
	case redis.IsPermissionError(err): // found already
	case err != nil:
		c.problem(requirement, err.Error(), "")
	case p.Stream == "":
		c.ok(requirement, "none: the next start fills the cache from the levels stream")
	case p.Replay != 0:
		c.ok(requirement, fmt.Sprintf("sequence %d, in a replay up to %d", p.Sequence, p.Replay))
	default:
		c.ok(requirement, fmt.Sprintf("sequence %d", p.Sequence))
	}
}
