package privateserver_test

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"tailstock/internal/privateserver"
	"tailstock/internal/testenv"
)

// ownerDir makes this test binary an owner of servers in the directory that it names.
const ownerDir = "TAILSTOCK_TEST_OWNER_DIR"

func TestMain(m *testing.M) {
	if dir := os.Getenv(ownerDir); dir != "" {
		if err := own(dir); err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		return
	}
	os.Exit(testenv.Main(m))
}

// own starts servers, prints their process ids and waits to be killed, or for the
// end of its input.
func own(dir string) error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	p, err := privateserver.StartPostgres(ctx, privateserver.PostgresOptions{Dir: filepath.Join(dir, "postgres")})
	if err != nil {
		return err
	}
	r, err := privateserver.StartRedis(ctx, privateserver.RedisOptions{Dir: filepath.Join(dir, "redis")})
	if err != nil {
		return err
	}
	fmt.Println(p.PID(), r.PID())
	_, err = bufio.NewReader(os.Stdin).ReadString('\n')
	return err
}

func TestServersDieWithTheirOwner(t *testing.T) {
	t.Parallel()
	if runtime.GOOS != "linux" {
		t.Skip("only Linux has a parent-death signal")
	}
	testenv.Redis(t)    // skips without it
	testenv.Postgres(t) // likewise
	for range 2 {
		owner := exec.CommandContext(t.Context(), os.Args[0])
		owner.Env = append(os.Environ(), ownerDir+"="+t.TempDir())
		input, err := owner.StdinPipe()
		if err != nil {
			t.Fatal(err)
		}
		defer input.Close()
		output, err := owner.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := owner.Start(); err != nil {
			t.Fatal(err)
		}
		line, err := bufio.NewReader(output).ReadString('\n')
		var pids [2]int
		if n, _ := fmt.Sscan(line, &pids[0], &pids[1]); n != 2 {
			t.Fatalf("owner says %q, %v", line, err)
		}
		for _, pid := range pids {
			if !runs(pid) {
				t.Errorf("server %d does not run", pid)
			}
		}
		if err := owner.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		_ = owner.Wait() // killed
		for _, pid := range pids {
			testenv.Eventually(t, patience, func() bool { return !runs(pid) }, func() string { return fmt.Sprintf("server %d lives", pid) })
		}
	}
}

// runs reports whether a process exists and is no zombie.
func runs(pid int) bool {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	return err == nil && !strings.Contains(string(text), ") Z ")
}
