package privateserver_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"tailstock/internal/privateserver"
	"tailstock/internal/testenv"
)

func TestRedisComesBackWithItsData(t *testing.T) {
	t.Parallel()
	r := testenv.Redis(t, func(o *privateserver.RedisOptions) { o.AppendOnly = true })
	set := func(v string) {
		t.Helper()
		if _, err := r.Do(t.Context(), "SET", "k", v); err != nil {
			t.Fatal(err)
		}
	}
	kept := func(want string) {
		t.Helper()
		if pid := r.PID(); pid != 0 {
			t.Errorf("still runs as %d", pid)
		}
		if err := r.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got, err := r.Do(t.Context(), "GET", "k"); err != nil || got != want {
			t.Errorf("got %q, %v, want %q", got, err, want)
		}
	}
	set("two\r\nlines")
	r.Kill()
	kept("two\r\nlines")
	set("v")
	if err := r.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	kept("v")
	if err := r.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got, err := r.Do(t.Context(), "GET", "k"); err != nil || got != "" {
		t.Errorf("after a flush: got %q, %v, want nothing", got, err)
	}
}

func TestRedisForgetsWithoutAppendOnly(t *testing.T) {
	t.Parallel()
	r := testenv.Redis(t)
	if _, err := r.Do(t.Context(), "SET", "k", "v"); err != nil {
		t.Fatal(err)
	}
	r.Kill()
	if err := r.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got, err := r.Do(t.Context(), "GET", "k"); err != nil || got != "" {
		t.Errorf("got %q, %v, want nothing", got, err)
	}
}

func TestPausedRedisDoesNotAnswer(t *testing.T) {
	t.Parallel()
	r := testenv.Redis(t)
	if err := r.Pause(); err != nil {
		t.Fatal(err)
	}
	answered := make(chan error, 1)
	go func() {
		_, err := r.Do(context.WithoutCancel(t.Context()), "PING")
		answered <- err
	}()
	select {
	case err := <-answered:
		t.Errorf("a paused server answered: %v", err)
	case <-time.After(100 * time.Millisecond):
	}
	if err := r.Continue(); err != nil {
		t.Fatal(err)
	}
	if err := <-answered; err != nil {
		t.Errorf("after Continue: %v", err)
	}
}

func TestRedisReplies(t *testing.T) {
	t.Parallel()
	r := testenv.Redis(t)
	for _, c := range []struct {
		command []string
		want    string
		err     string
	}{
		{[]string{"PING"}, "PONG", ""},
		{[]string{"INCR", "n"}, "1", ""},
		{[]string{"ECHO", ""}, "", ""},
		{[]string{"NOSUCH"}, "", "unknown command"},
		{[]string{"KEYS", "*"}, "", "not of one line"},
	} {
		got, err := r.Do(t.Context(), c.command...)
		if got != c.want || (err == nil) != (c.err == "") || err != nil && !strings.Contains(err.Error(), c.err) {
			t.Errorf("%v: got %q, %v, want %q, %q", c.command, got, err, c.want, c.err)
		}
	}
}

func TestSignalToARedisThatIsDown(t *testing.T) {
	t.Parallel()
	r := testenv.Redis(t)
	r.Kill()
	r.Kill() // may be repeated
	for name, call := range map[string]func() error{
		"Stop":     func() error { return r.Stop(t.Context()) },
		"Pause":    r.Pause,
		"Continue": r.Continue,
	} {
		if err := call(); err == nil || !strings.Contains(err.Error(), "does not run") {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

func TestRedisIsNotInstalled(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	_, err := privateserver.StartRedis(t.Context(), privateserver.RedisOptions{Dir: t.TempDir()})
	var missing *privateserver.MissingError
	if !errors.As(err, &missing) || missing.Install != "apt-get install redis-server" {
		t.Errorf("got %v, want *MissingError with the command", err)
	}
}
