package natslog_test

import (
	"fmt"
	"net"
	"net/url"
	"strconv"
	"strings"
	"testing"

	"github.com/nats-io/nats-server/v2/server"

	"tailstock/connector"
	"tailstock/connector/inventory"
	"tailstock/connector/natslog"
)

// startCluster runs three servers in this process.
func startCluster(t *testing.T) []*server.Server {
	t.Helper()
	var hosts []string
	var routes []*url.URL
	for range 3 {
		hosts = append(hosts, freeAddress(t))
		routes = append(routes, &url.URL{Scheme: "nats", Host: hosts[len(hosts)-1]})
	}
	var servers []*server.Server
	for i, address := range hosts {
		_, text, err := net.SplitHostPort(address)
		if err != nil {
			t.Fatal(err)
		}
		port, err := strconv.Atoi(text)
		if err != nil {
			t.Fatal(err)
		}
		s, err := server.NewServer(&server.Options{
			ServerName: fmt.Sprint("n", i), Host: "127.0.0.1", Port: server.RANDOM_PORT, NoSigs: true, NoLog: true,
			JetStream: true, StoreDir: t.TempDir(), Routes: routes,
			Cluster: server.ClusterOpts{Name: "c", Host: "127.0.0.1", Port: port},
		})
		if err != nil {
			t.Fatal(err)
		}
		s.Start()
		t.Cleanup(func() { s.Shutdown(); s.WaitForShutdown() })
		servers = append(servers, s)
	}
	return servers
}

func TestCluster(t *testing.T) {
	t.Parallel()
	servers := startCluster(t)
	var urls []string
	for _, s := range servers {
		urls = append(urls, s.ClientURL())
	}
	cfg := natslog.Config{URL: strings.Join(urls, ","), Replicas: 3, MaxBytes: 64 << 20}
	client, err := natslog.Connect(t.Context(), cfg, natslog.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	w := &world{t: t, cfg: cfg, client: client}
	var first connector.Run
	eventually(t, "the cluster takes streams", func() bool {
		first, err = w.log("erp").Begin(t.Context())
		return err == nil
	})
	a := &appended{t: t, run: first, next: inventory.Position{Run: first.Start().Run}}
	a.fill(200, 1000)
	if err := a.run.Check(t.Context()); err != nil {
		t.Error(err)
	}
	if err := a.run.Checkpoint(t.Context(), a.previous, "kept"); err != nil {
		t.Error(err)
	}
	r := w.reader("erp")
	if err := r.Seek(t.Context(), inventory.Position{}, 0); err != nil {
		t.Fatal(err)
	}
	read(t, r, 200)

	// A second writer, and the fence with replicas.
	b := w.begin("erp")
	b.fill(1, 0)
	k, err := a.send("x", 0)
	if err == nil {
		err = k.Wait(t.Context())
	}
	isErr(t, err, connector.ErrLogChanged)
	isErr(t, a.run.Checkpoint(t.Context(), a.previous, "x"), connector.ErrLeaseLost)
	publishLevels(t, w, 1000, cellOf("a", "1"), cellOf("a", "2"))

	// One of three servers dies.
	servers[0].Shutdown()
	servers[0].WaitForShutdown()
	var c connector.Run
	eventually(t, "a run begins on two of three servers", func() bool {
		c, err = w.log("erp").Begin(t.Context())
		return err == nil
	})
	d := &appended{t: t, run: c, next: inventory.Position{Run: c.Start().Run}, previous: c.Start().Tail}
	if c.Start().Tail != b.previous {
		t.Errorf("the run begins at %s, want %s", c.Start().Tail, b.previous)
	}
	d.fill(50, 1000)
	if err := d.run.Check(t.Context()); err != nil {
		t.Error(err)
	}
	for _, r := range []connector.Run{first, c} {
		_ = r.Close()
	}
}
