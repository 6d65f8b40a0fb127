package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"tailstock/configs"
	"tailstock/connector/inventory"
	"tailstock/internal/config"
	"tailstock/internal/demo"
	"tailstock/internal/privateserver"
)

const demoHelp = `Start a private PostgreSQL with the small ERP of a dealer in auto parts and, where
MariaDB is installed, a private MariaDB with the warehouse system beside it, load
the stock that they have, let people work in them, and follow them: with the NATS
server inside the process, a stock store in SQLite and, where Redis is installed, a
cache in a private Redis. At the end the levels are compared with the same numbers
computed by SQL in the sources, and the rows by "tailstock verify".

Everything is kept in one directory, which is removed at the end, and the servers
end with the command. Exit code 1 if the levels differ.`

// The size of the demo's ERP, and how busy it is.
const (
	demoParts    = 20_000
	demoBins     = 40_000
	demoSessions = 4
	demoRate     = 300 // transactions per second
	demoSeconds  = 60
	// demoShared is which parts lie in the warehouse as well: every so manieth.
	demoShared = 4
	// demoClerks are people at work in the warehouse, demoPicks what they do in a second.
	demoClerks = 2
	demoPicks  = 100
	// demoWarehouse is the name of the source on MariaDB in the demo's configuration.
	demoWarehouse = "wms"
)

// demoOptions are the flags of demo.
type demoOptions struct {
	seconds int
	keep    bool
}

func (a *app) demoCommand() *cobra.Command {
	var o demoOptions
	cmd := &cobra.Command{
		Use: "demo", Short: "See stock follow a private ERP", Long: demoHelp, Args: arguments(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if o.seconds == 0 {
				var err error
				if o.seconds, err = a.demoSeconds(); err != nil {
					return err
				}
			}
			if o.seconds < 1 {
				return &usageError{fmt.Errorf("--seconds %d: give 1 or more", o.seconds)}
			}
			return a.demo(cmd.Context(), &o)
		},
	}
	cmd.Flags().IntVar(&o.seconds, "seconds", 0, "how long people work (default: DEMO_SECONDS, else 60)")
	cmd.Flags().BoolVar(&o.keep, "keep", false, "keep the directory with its configuration, log, store and databases")
	return cmd
}

func (a *app) demoSeconds() (int, error) {
	text, ok := a.Lookup("DEMO_SECONDS")
	if !ok || text == "" {
		return demoSeconds, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 {
		return 0, &usageError{fmt.Errorf("DEMO_SECONDS=%q: give a whole number of seconds", text)}
	}
	return n, nil
}

// demo runs the demo in a directory of its own.
func (a *app) demo(ctx context.Context, o *demoOptions) (err error) {
	dir, err := os.MkdirTemp("", "tailstock-demo-")
	if err != nil {
		return err
	}
	defer func() {
		if o.keep {
			fmt.Fprintf(a.Err, "kept: %s\n", dir)
			return
		}
		err = errors.Join(err, os.RemoveAll(dir))
	}()
	// The servers run as another user when this one is root.
	if err := os.Chmod(dir, 0o755); err != nil { //nolint:gosec // what must be private in it has its own mode
		return err
	}
	p := &playground{a: a, dir: dir}
	defer func() { err = errors.Join(err, p.close()) }() //nolint:contextcheck // closing is bounded in itself
	if err := p.start(ctx); err != nil {
		return err
	}
	return p.play(ctx, time.Duration(o.seconds)*time.Second)
}

// playground is what a demo runs on.
type playground struct {
	a   *app
	dir string
	erp *demo.ERP
	// warehouse is nil where MariaDB is not installed.
	warehouse *demo.Warehouse
	redis     *privateserver.Redis
	cfg       *config.Config
	// filled is how many rows of followed tables there are before anybody works.
	filled int
}

func (p *playground) close() error {
	var errs []error
	if p.redis != nil {
		errs = append(errs, p.redis.Close())
	}
	if p.warehouse != nil {
		errs = append(errs, p.warehouse.Close())
	}
	if p.erp != nil {
		errs = append(errs, p.erp.Close())
	}
	return errors.Join(errs...)
}

// start starts the servers and reads the configuration.
func (p *playground) start(ctx context.Context) error {
	var err error
	if p.erp, err = demo.Start(ctx, filepath.Join(p.dir, "erp")); err != nil {
		return err
	}
	version, err := p.erp.Version(ctx)
	if err != nil {
		return err
	}
	if p.filled, err = p.erp.Fill(ctx, demoParts, demoBins); err != nil {
		return err
	}
	warehouse, err := p.startWarehouse(ctx)
	if err != nil {
		return err
	}
	cached := "a cache in Redis"
	p.redis, err = privateserver.StartRedis(ctx, privateserver.RedisOptions{Dir: filepath.Join(p.dir, "redis")})
	var absent *privateserver.MissingError
	if errors.As(err, &absent) {
		cached, err = "no cache ("+absent.Error()+")", nil
	}
	if err != nil {
		return err
	}
	p.a.say("an ERP with %d parts on PostgreSQL %s, %s, the log on an embedded NATS server, a stock store in SQLite, %s\n",
		demoParts, version, warehouse, cached)
	return p.configure()
}

// startWarehouse starts and fills the warehouse, if MariaDB is installed, and says
// what there is.
func (p *playground) startWarehouse(ctx context.Context) (string, error) {
	w, err := demo.StartWarehouse(ctx, filepath.Join(p.dir, "wms"))
	var absent *privateserver.MissingError
	if errors.As(err, &absent) {
		return "no warehouse (" + absent.Error() + ")", nil
	}
	if err != nil {
		return "", err
	}
	p.warehouse = w
	parts, err := p.erp.Parts(ctx, demoShared)
	if err != nil {
		return "", err
	}
	rows, err := w.Fill(ctx, parts)
	if err != nil {
		return "", err
	}
	p.filled += rows
	version, err := w.Version(ctx)
	return fmt.Sprintf("a warehouse with %d of them on MariaDB %s", len(parts), version), err
}

// levels computes the stock of both from their rows.
func (p *playground) levels(ctx context.Context) (map[inventory.Cell]inventory.Quantities, error) {
	levels, err := p.erp.Levels(ctx)
	if err == nil && p.warehouse != nil {
		err = p.warehouse.AddLevels(ctx, levels)
	}
	return levels, err
}

// worked returns how much was done in both.
func (p *playground) worked() (transactions, rows int64) {
	transactions, rows = p.erp.Worked()
	if p.warehouse != nil {
		t, r := p.warehouse.Worked()
		transactions, rows = transactions+t, rows+r
	}
	return transactions, rows
}

// configure reads the demo's configuration, and leaves it in the directory for
// those who keep it.
func (p *playground) configure() error {
	values := map[string]string{
		"DEMO_DIR": p.dir, "DEMO_ERP": p.erp.DSN(), "DEMO_WMS": "none@tcp(none.invalid)/", "DEMO_REDIS": "redis://none.invalid",
	}
	if p.warehouse != nil {
		values["DEMO_WMS"] = p.warehouse.DSN()
	}
	if p.redis != nil {
		values["DEMO_REDIS"] = p.redis.URL()
	}
	cfg, err := config.Parse("demo.yaml", configs.Demo, func(name string) (string, bool) {
		v, ok := values[name]
		return v, ok
	})
	if err != nil {
		return err
	}
	if p.redis == nil {
		cfg.Cache = nil
	}
	if p.warehouse == nil {
		cfg.Sources = slices.DeleteFunc(cfg.Sources, func(s config.Source) bool { return s.Name == demoWarehouse })
	}
	p.cfg = cfg
	return os.WriteFile(filepath.Join(p.dir, "demo.yaml"), configs.Demo, 0o600)
}

// say tells people how the demo goes; with --json nothing but the result is printed.
func (a *app) say(format string, args ...any) {
	if !a.json {
		fmt.Fprintf(a.Out, format+"\n", args...)
	}
}
