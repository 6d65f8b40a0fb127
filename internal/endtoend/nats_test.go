package endtoend_test

import (
	"bufio"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"

	"tailstock/internal/testenv"
)

// natsChild and natsAddress tell a copy of this test binary to be a NATS server
// on that directory, at that address.
const (
	natsChild   = "TAILSTOCK_TEST_NATS"
	natsAddress = "TAILSTOCK_TEST_NATS_ADDRESS"
)

// natsUser and natsPassword are what the server demands.
const (
	natsUser     = "stock"
	natsPassword = secretMark + "-nats"
)

// serveNATS runs a server, as an operator would, until the process is killed.
func serveNATS(dir string) error {
	host, text, err := net.SplitHostPort(os.Getenv(natsAddress))
	if err != nil {
		return err
	}
	port, err := strconv.Atoi(text)
	if err != nil {
		return err
	}
	s, err := server.NewServer(&server.Options{
		Host: host, Port: port, JetStream: true, StoreDir: dir, SyncAlways: true, NoSigs: true,
		Username: natsUser, Password: natsPassword,
	})
	if err != nil {
		return err
	}
	s.Start()
	if !s.ReadyForConnections(20 * time.Second) {
		return errors.New("the server is not ready")
	}
	fmt.Println("ready")
	s.WaitForShutdown()
	return nil
}

// natsServer is an external NATS server in a process of its own. It syncs every
// write, so that its kill loses nothing that it acknowledged.
type natsServer struct {
	dir, address string
	cmd          *exec.Cmd
	exited       <-chan struct{}
}

func startNATS(t *testing.T) *natsServer {
	t.Helper()
	n := &natsServer{dir: t.TempDir(), address: testenv.Address(t)}
	n.start(t)
	t.Cleanup(n.kill)
	return n
}

func (n *natsServer) url() string {
	return "nats://" + natsUser + ":" + natsPassword + "@" + n.address
}

// start starts the server, again after a kill, and waits until it is ready.
func (n *natsServer) start(t *testing.T) {
	t.Helper()
	n.cmd = exec.Command(os.Args[0])
	n.cmd.Env = append(os.Environ(), natsChild+"="+n.dir, natsAddress+"="+n.address)
	n.cmd.Stderr = os.Stderr
	out, in, err := os.Pipe() // not StdoutPipe, which Wait would close
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	n.cmd.Stdout = in
	n.exited, err = launch(n.cmd)
	_ = in.Close()
	if err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if strings.TrimSpace(line) != "ready" {
		t.Fatalf("nats server says %q, %v", line, err)
	}
}

func (n *natsServer) kill() {
	_ = n.cmd.Process.Signal(syscall.SIGKILL) // it may have ended
	<-n.exited
}
