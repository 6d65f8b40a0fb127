// Command tailstock keeps a storefront's stock in step with databases that it
// never modifies. See "tailstock help".
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"tailstock/cmd/tailstock/internal/cli"
)

// version is set by the linker: -ldflags "-X main.version=v1.2.3".
var version = "unknown"

func main() {
	ctx, stop := context.WithCancel(context.Background())
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	// The first signal asks for a drain, the second ends the process: what was cut
	// short is done again from what is durable. The goroutine ends with the process.
	go func() {
		<-signals
		stop()
		<-signals
		os.Exit(cli.ExitFailed)
	}()
	os.Exit(cli.Main(ctx, os.Args[1:], cli.System{
		Version: version, In: os.Stdin, Out: os.Stdout, Err: os.Stderr, Lookup: os.LookupEnv,
	}))
}
