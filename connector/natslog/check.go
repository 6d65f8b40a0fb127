package natslog

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"tailstock/connector/cdc"
)

// checkTimeout bounds Check.
const checkTimeout = 30 * time.Second

// apiLevelLevels is the JetStream API level that persist_mode needs: nats-server 2.12.
const apiLevelLevels = 2

// Check looks at everything that an installation needs of the NATS server of
// cfg, for the logs of sources, and returns what it found, all requirements at
// once. It makes and changes nothing. An embedded server that no daemon runs is
// not started: then only its directory is looked at. It takes half a minute at most.
func Check(ctx context.Context, cfg Config, sources []string) []cdc.Finding {
	ctx, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	c := &check{cfg: cfg, sources: sources}
	if err := cfg.Validate(); err != nil {
		c.add(cdc.FindingProblem, "configuration of nats", err.Error(), "correct the nats section of the configuration")
		return c.findings
	}
	if cfg.Embedded != nil && !c.embedded() {
		return c.findings
	}
	client, err := Connect(ctx, cfg, Options{Role: RoleOperator, Name: "tailstock check"})
	if err != nil {
		c.add(cdc.FindingProblem, "connection", err.Error(), c.connectFix(err))
		return c.findings
	}
	defer client.Close()
	c.server(ctx, client)
	return c.findings
}

// check gathers findings.
type check struct {
	cfg      Config
	sources  []string
	findings []cdc.Finding
}

func (c *check) add(state cdc.FindingState, requirement, detail, fix string) {
	c.findings = append(c.findings, cdc.Finding{Requirement: requirement, State: state, Detail: detail, Fix: fix})
}

// embedded looks at the directory and reports whether a daemon runs the server in it.
func (c *check) embedded() bool {
	const requirement = "directory of the embedded server"
	dir := c.cfg.Embedded.Dir
	_, err := os.Stat(addressPath(dir))
	if err == nil {
		c.add(cdc.FindingOK, requirement, dir+", in use by a daemon", "")
		return true
	}
	if !errors.Is(err, fs.ErrNotExist) {
		c.add(cdc.FindingProblem, requirement, err.Error(), "let the user that runs tailstock read and write "+dir)
		return false
	}
	existing, missing := nearest(dir)
	probe, err := os.CreateTemp(existing, ".tailstock-check-*")
	if err == nil {
		err = errors.Join(probe.Close(), os.Remove(probe.Name()))
	}
	switch {
	case err != nil:
		c.add(cdc.FindingProblem, requirement, err.Error(), "make "+dir+", writable for the user that runs tailstock")
	case missing:
		c.add(cdc.FindingOK, requirement, dir+" is not there; the first start makes it", "")
	default:
		c.add(cdc.FindingOK, requirement, dir+" is writable; no daemon runs", "")
	}
	return false
}

// nearest returns path or the closest directory above it that exists.
func nearest(path string) (dir string, missing bool) {
	for {
		if info, err := os.Stat(path); err == nil && info.IsDir() {
			return path, missing
		}
		parent := filepath.Dir(path)
		if parent == path {
			return path, true
		}
		path, missing = parent, true
	}
}

func (c *check) connectFix(err error) string {
	switch {
	case c.cfg.Embedded != nil:
		return "the address in " + c.cfg.Embedded.Dir + " is that of a daemon which has died or does not answer: start it again"
	case errors.Is(err, ErrUnreachable):
		return "start the NATS server, or correct nats.url; a firewall may be between"
	default:
		return "correct the credentials in the nats section of the configuration"
	}
}

// server looks at what the server can do, and at what is kept on it.
func (c *check) server(ctx context.Context, client *Client) {
	s, err := client.Server(ctx)
	if err != nil {
		c.add(cdc.FindingProblem, "jetstream", err.Error(),
			"enable JetStream: give the server a jetstream block with a store_dir, and the account jetstream: enabled")
		return
	}
	c.add(cdc.FindingOK, "connection", fmt.Sprintf("to nats-server %s, JetStream API level %d", s.Version, s.APILevel), "")
	if s.APILevel < apiLevelLevels {
		c.add(cdc.FindingProblem, "server version", "nats-server "+s.Version+" lacks what the levels stream is made with (persist_mode)",
			"use nats-server 2.12 or newer")
	}
	if s.MaxPayload < minPayload {
		c.add(cdc.FindingProblem, "max_payload", fmt.Sprintf("%d bytes; messages of the log need %d", s.MaxPayload, minPayload),
			fmt.Sprintf("set max_payload: %d in the server's configuration", minPayload))
	}
	c.durability(s)
	c.storage(ctx, client)
	c.streams(ctx, client)
}

func (c *check) durability(s Server) {
	const requirement = "durability"
	switch {
	case s.Embedded:
		c.add(cdc.FindingOK, requirement, "the embedded server syncs every message", "")
	case s.ConfirmDelay == 0:
		c.add(cdc.FindingOK, requirement,
			"sources forget what was acknowledged at once (confirm_delay: 0s): the server must run with sync_interval: always", "")
	default:
		c.add(cdc.FindingOK, requirement, fmt.Sprintf(
			"sources keep what was acknowledged for another %s, because a server may sync its files that late; "+
				"with sync_interval: always, set nats.confirm_delay: 0s", s.ConfirmDelay), "")
	}
}

// storage compares the account's limit with what the streams may grow to.
func (c *check) storage(ctx context.Context, client *Client) {
	ctx, cancel := withRequestTimeout(ctx)
	defer cancel()
	account, err := client.js.AccountInfo(ctx)
	if err != nil {
		c.add(cdc.FindingProblem, "storage", err.Error(), "")
		return
	}
	need := int64(len(c.sources))*client.cfg.MaxBytes + client.cfg.RejectsMaxBytes
	if limit := account.Limits.MaxStore; limit > 0 && limit < need {
		c.add(cdc.FindingProblem, "storage", fmt.Sprintf("the account may store %d bytes, and the logs may grow to %d", limit, need),
			"raise the account's limit, or lower log.max_bytes")
	}
}

// streams compares those that exist with what would be made.
func (c *check) streams(ctx context.Context, client *Client) {
	want := []jetstream.StreamConfig{client.levelsConfig(newID()), client.rejectsConfig()}
	for _, source := range c.sources {
		want = append(want, client.logConfig(source, newID()))
	}
	for i := range want {
		c.stream(ctx, client, &want[i])
	}
	for _, source := range c.sources {
		c.fill(ctx, client, source)
	}
}

func (c *check) stream(ctx context.Context, client *Client, want *jetstream.StreamConfig) {
	requirement := "stream " + want.Name
	info, err := streamInfo(ctx, client.js, want.Name)
	switch {
	case errors.Is(err, jetstream.ErrStreamNotFound):
		c.add(cdc.FindingOK, requirement, "is not there; the daemon makes it", "")
		return
	case err != nil:
		c.add(cdc.FindingProblem, requirement, err.Error(), "")
		return
	}
	var settings *StreamSettingsError
	if errors.As(checkStream(&info.Config, want), &settings) {
		c.add(cdc.FindingProblem, requirement, strings.Join(settings.Differences, "; "), settings.Fix)
		return
	}
	c.add(cdc.FindingOK, requirement, fmt.Sprintf("%d messages, %d bytes", info.State.Msgs, info.State.Bytes), "")
}

// fill warns of a log that nears its limit.
func (c *check) fill(ctx context.Context, client *Client, source string) {
	s, err := client.LogStatus(ctx, source)
	if err != nil || s.MaxBytes == 0 || s.Bytes < s.MaxBytes/2 {
		return // a log that cannot be looked at has a finding already
	}
	c.add(cdc.FindingWarning, "space in the log of source "+source,
		fmt.Sprintf("%d%% of %d bytes are used, and the slowest of %d stores has not applied %d messages",
			s.Bytes*100/s.MaxBytes, s.MaxBytes, s.Stores, s.Unapplied),
		"see why that store does not go on (tailstock store list); a store that is gone for good: tailstock store forget ID")
}
