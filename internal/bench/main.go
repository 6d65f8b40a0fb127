package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"strings"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx, os.Args[1:])
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// options are the command line.
type options struct {
	changes, rows, large, levels, loaded, rate, seconds int
	only                                                []string
	out, profile                                        string
}

func parse(args []string) (options, error) {
	var o options
	var only string
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	flags.IntVar(&o.changes, "changes", 1_000_000, "row changes in a backlog; a third of them one row per transaction")
	flags.IntVar(&o.rows, "rows", 100_000, "rows of the table that is changed")
	flags.IntVar(&o.large, "large", 2_000_000, "rows of the large transaction and changes of the large backlog")
	flags.IntVar(&o.levels, "levels", 1_000_000, "cells whose levels nats-server keeps")
	flags.IntVar(&o.loaded, "loaded", 1_000_000, "rows of the table that is loaded, backfilled and verified")
	flags.IntVar(&o.rate, "rate", 500, "transactions per second of the latency measurement")
	flags.IntVar(&o.seconds, "seconds", 30, "length of the latency measurement")
	flags.StringVar(&o.out, "out", "", "also write the table to this file")
	flags.StringVar(&only, "only", "", "comma-separated names of the measurements to take")
	flags.StringVar(&o.profile, "profile", "", "write a CPU and a heap profile of every daemon into this directory")
	if err := flags.Parse(args); err != nil {
		return o, err
	}
	if only != "" {
		o.only = strings.Split(only, ",")
	}
	if o.rows%10 != 0 || o.changes < 10 || o.large < 10 || o.levels%10 != 0 || o.loaded < 10 {
		return o, errors.New("-rows and -levels must be multiples of 10, -changes, -large and -loaded at least 10")
	}
	return o, nil
}

func run(ctx context.Context, args []string) error {
	o, err := parse(args)
	if err != nil {
		return err
	}
	b := &bench{options: o, table: new(table)}
	measurements, err := b.measurements()
	if err != nil {
		return err
	}
	if b.dir, err = os.MkdirTemp("", "tailstock-bench-"); err != nil {
		return err
	}
	defer os.RemoveAll(b.dir)
	if err := os.Chmod(b.dir, 0o755); err != nil { // servers run as another user
		return err
	}
	if err := b.build(ctx); err != nil {
		return err
	}
	defer b.close() //nolint:contextcheck // what is closed outlives ctx
	if err := b.start(ctx); err != nil {
		return err
	}
	for _, m := range measurements {
		fmt.Fprintf(os.Stderr, "measuring %s\n", m.name)
		if err := m.take(ctx); err != nil {
			return fmt.Errorf("%s: %w", m.name, err)
		}
	}
	text := b.heading(ctx) + b.table.String()
	fmt.Print(text)
	if o.out == "" {
		return nil
	}
	return os.WriteFile(o.out, []byte(text), 0o644) // a report for everybody
}

// measurement makes a row of the table, or a few.
type measurement struct {
	name string
	take func(ctx context.Context) error
}

// measurements returns those that were asked for, in order.
func (b *bench) measurements() ([]measurement, error) {
	draining := func(name string, d drain) measurement {
		return measurement{name, func(ctx context.Context) error { return b.drain(ctx, d) }}
	}
	inMaria := func(name string, d drain) measurement {
		d.from = "MariaDB, "
		return measurement{name, b.mariadb(func(ctx context.Context) error { return b.drain(ctx, d) })}
	}
	all := []measurement{
		draining("log10", drain{rows: b.rows, changes: b.changes, per: 10, logOnly: true, goal: 1}),
		draining("log1", drain{rows: b.rows, changes: b.changes / 3, per: 1, logOnly: true, goal: 1.5}),
		{"odoo", b.odoo},
		draining("whole10", drain{rows: b.rows, changes: b.changes, per: 10}),
		{"latency", b.latency},
		{"loadsmall", b.loadSmall},
		{"load", b.loadLarge},
		{"loadlog", b.loadLog},
		{"verify", b.verifyRate},
		{"loadlatency", b.loadLatency},
		draining("largelog", drain{rows: b.rows, changes: b.large, per: 10}),
		draining("largetx", drain{rows: b.large, changes: b.large, per: b.large}),
		inMaria("mysqllog10", drain{rows: b.rows, changes: b.changes, per: 10, logOnly: true, goal: 0.7}),
		inMaria("mysqllog1", drain{rows: b.rows, changes: b.changes / 3, per: 1, logOnly: true, goal: 0.6}),
		inMaria("mysqllargetx", drain{rows: b.large, changes: b.large, per: b.large, logOnly: true}),
		{"mysqllatency", b.mariadb(b.probe)},
		draining("levels", drain{rows: b.levels, changes: b.levels, per: 10, subjects: true}),
	}
	if b.only == nil {
		return all, nil
	}
	var chosen []measurement
	for _, name := range b.only {
		i := slices.IndexFunc(all, func(m measurement) bool { return m.name == name })
		if i < 0 {
			return nil, fmt.Errorf("-only: there is no measurement %q", name)
		}
		chosen = append(chosen, all[i])
	}
	return chosen, nil
}
