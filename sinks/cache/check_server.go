package cache

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/redis/go-redis/v9"
)

// minVersion is the oldest release of Redis that has what is used here: SCAN with
// TYPE, and access rules.
const minVersion = 6

// facts judges what the server says of itself.
func (c *check) facts(ctx context.Context, client *redis.Client) {
	text, err := client.Info(ctx).Result()
	if err != nil {
		c.warn("settings of the cache's server", "cannot be read: "+err.Error(), "permit INFO, or see to them yourself: "+
			"no cluster mode, maxmemory-policy noeviction")
		return
	}
	info := parseInfo(text)
	c.version(info)
	c.mode(info)
	c.memory(info)
	c.persistence(info)
}

// parseInfo reads the answer of INFO: lines of name:value below headings.
func parseInfo(text string) map[string]string {
	info := make(map[string]string)
	for line := range strings.Lines(text) {
		if name, value, ok := strings.Cut(strings.TrimSpace(line), ":"); ok {
			info[name] = value
		}
	}
	return info
}

func (c *check) version(info map[string]string) {
	const requirement = "version of the cache's server"
	name, version := "Redis", info["redis_version"]
	if v := info["valkey_version"]; v != "" {
		name, version = "Valkey", v
	}
	major, _, _ := strings.Cut(version, ".")
	if n, err := strconv.Atoi(major); err == nil && n < minVersion {
		c.problem(requirement, name+" "+version, fmt.Sprintf("use Redis %d.0 or later, or Valkey", minVersion))
		return
	}
	c.ok(requirement, name+" "+version)
}

// mode judges cluster mode and replication.
func (c *check) mode(info map[string]string) {
	const requirement = "mode of the cache's server"
	switch {
	case info["redis_mode"] == "cluster" || info["cluster_enabled"] == "1":
		c.problem(requirement, ErrCluster.Error(), "name a server that is not part of a cluster")
	case info["redis_mode"] == "sentinel":
		c.problem(requirement, "it is a sentinel, which holds no data", "name the primary that it watches")
	case info["role"] == "slave":
		c.problem(requirement, "it is a replica, which refuses to be written",
			fmt.Sprintf("name the primary, or an address that follows it; this one has %s:%s", info["master_host"], info["master_port"]))
	case info["connected_slaves"] != "" && info["connected_slaves"] != "0":
		c.ok(requirement, fmt.Sprintf("primary with %s replicas; after a failover the cache goes on from the place that the new primary has",
			info["connected_slaves"]))
	default:
		c.ok(requirement, "alone, without replicas")
	}
}

// memory judges what the server does when it is full.
func (c *check) memory(info map[string]string) {
	const requirement = "memory of the cache's server"
	policy := info["maxmemory_policy"]
	limit, err := strconv.ParseInt(info["maxmemory"], 10, 64)
	if err != nil {
		c.warn(requirement, "the server does not say its maxmemory", "see to it that maxmemory-policy is noeviction")
		return
	}
	used, _ := strconv.ParseInt(info["used_memory"], 10, 64)
	switch {
	case limit == 0:
		c.ok(requirement, "no limit; policy "+policy)
	case strings.HasPrefix(policy, "allkeys-"):
		c.problem(requirement, fmt.Sprintf("maxmemory-policy %s: when memory is short, products vanish from the cache unnoticed", policy),
			"CONFIG SET maxmemory-policy noeviction")
	case used > limit/10*8:
		c.warn(requirement, fmt.Sprintf("%d of %d bytes are used; at the limit no level is applied any more", used, limit),
			"raise maxmemory, or give the cache a server of its own")
	default:
		c.ok(requirement, fmt.Sprintf("%d of %d bytes are used; policy %s", used, limit, policy))
	}
}

// persistence judges what the server keeps over a restart. The cache needs nothing
// kept: it is filled from the stream.
func (c *check) persistence(info map[string]string) {
	const requirement = "persistence of the cache's server"
	switch {
	case info["loading"] == "1":
		c.warn(requirement, "the server is loading its data", "wait until it has")
	case info["rdb_last_bgsave_status"] == "err" || info["aof_enabled"] == "1" && info["aof_last_write_status"] == "err":
		c.warn(requirement, "the server could not write its files: it may refuse all writes", "see its log; mostly the disk is full")
	case info["aof_enabled"] == "1":
		c.ok(requirement, "append-only file")
	default:
		c.ok(requirement, "snapshots at most; after a restart the cache goes on from the place in the snapshot, or is filled anew")
	}
}
