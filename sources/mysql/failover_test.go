package mysql_test

import (
	"context"
	"io"
	"net"
	"strings"
	"testing"

	"tailstock/connector/cdc"
	"tailstock/internal/privateserver"
)

// TestFailover goes on from a token on another server that has executed what the
// first had, as a promoted replica has, and refuses one that lacks some of it.
func TestFailover(t *testing.T) {
	t.Parallel()
	flavors(t, func(t *testing.T, f privateserver.Flavor) {
		first := newServer(t, f, nil, stockTable)
		tl := first.follow("stock: qty")
		first.exec("INSERT INTO stock VALUES (1, 'A', 1)")
		token := tl.take(1)[0].Resume
		first.exec("INSERT INTO stock VALUES (2, 'B', 2)")
		later := tl.take(2)[1].Resume
		tl.stop()

		second := newServer(t, f, map[string]string{"server-id": "2"}, stockTable, "INSERT INTO stock VALUES (1, 'A', 1)")
		_, gtids, _ := strings.Cut(string(token), `"gtids":"`)
		gtids, _, _ = strings.Cut(gtids, `"`)
		if f == privateserver.FlavorMariaDB {
			second.exec("RESET MASTER", "SET GLOBAL gtid_binlog_state = '"+gtids+"'")
		} else {
			second.exec("RESET BINARY LOGS AND GTIDS", "SET GLOBAL gtid_purged = '"+gtids+"'")
		}
		second.exec("INSERT INTO stock VALUES (3, 'C', 3)")
		again := tail(t, second.source(second.config(), "stock: qty"), token)
		// The database has the same name on both.
		expect(t, again.take(1), "insert stock to id=3,qty=3")
		again.stop()
		next := tail(t, second.source(second.config(), "stock: qty"), again.token())
		second.exec("INSERT INTO stock VALUES (4, 'D', 4)")
		expect(t, next.take(1), "insert stock to id=4,qty=4")
		next.stop()
		expectGap(t, tail(t, second.source(second.config(), "stock: qty"), later).failed(), cdc.GapServerReplaced, "")
	})
}

// TestChecksum expects a byte that changed on the way to end the stream, and not
// to be taken for a value.
func TestChecksum(t *testing.T) {
	t.Parallel()
	flavors(t, func(t *testing.T, f privateserver.Flavor) {
		d := newDatabase(t, f, stockTable)
		cfg := d.config()
		cfg.DSN = damagingProxy(t, cfg.DSN, "GENUINE", "GENUIME")
		tl := tail(t, d.source(cfg, "stock: sku"), "").started()
		d.exec("INSERT INTO stock VALUES (1, 'fine', 1)")
		expect(t, tl.take(1), "insert stock to id=1,sku=fine")
		d.exec("INSERT INTO stock VALUES (2, 'GENUINE', 1)")
		if err := tl.failed(); err == nil || !strings.Contains(err.Error(), "checksum") {
			t.Errorf("got %v and %q, want an error of the checksum", err, lines(tl.transactions()))
		}
	})
}

// damagingProxy returns dsn with the address of a proxy that replaces a text that
// the server sends.
func damagingProxy(t *testing.T, dsn, from, to string) string {
	t.Helper()
	head, rest, _ := strings.Cut(dsn, "@tcp(")
	address, tail, _ := strings.Cut(rest, ")")
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	t.Cleanup(func() { cancel(); _ = listener.Close() })
	go func() {
		for {
			client, err := listener.Accept()
			if err != nil {
				return
			}
			server, err := (&net.Dialer{}).DialContext(ctx, "tcp", address)
			if err != nil {
				_ = client.Close()
				continue
			}
			go func() { _, _ = io.Copy(server, client); _ = server.Close() }()
			go func() {
				defer client.Close()
				buf := make([]byte, 1<<16)
				for {
					n, err := server.Read(buf)
					if err != nil {
						return
					}
					if _, err := client.Write([]byte(strings.ReplaceAll(string(buf[:n]), from, to))); err != nil {
						return
					}
				}
			}()
		}
	}()
	return head + "@tcp(" + listener.Addr().String() + ")" + tail
}
