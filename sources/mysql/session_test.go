package mysql_test

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"tailstock/internal/privateserver"
)

// TestSessions follows servers over TLS and over a Unix socket, with an account
// that has a password and the rights that check asks for, and no more.
func TestSessions(t *testing.T) {
	t.Parallel()
	flavors(t, func(t *testing.T, f privateserver.Flavor) {
		d := newDatabase(t, f, stockTable)
		user, monitor := "reader_"+d.name, "REPLICATION CLIENT"
		if f == privateserver.FlavorMariaDB {
			monitor = "BINLOG MONITOR"
		}
		for _, host := range []string{"127.0.0.1", "localhost"} {
			account := fmt.Sprintf("'%s'@'%s'", user, host)
			d.exec("CREATE USER "+account+" IDENTIFIED BY 'p@ss/w:rd'", "GRANT REPLICATION SLAVE, "+monitor+" ON *.* TO "+account,
				"GRANT SELECT ON "+d.name+".* TO "+account)
		}
		tcp := d.server.UserDSN(user, "p@ss/w:rd", d.name)
		socket := filepath.Join(filepath.Dir(d.server.DataDir()), "mysql.sock")
		head, rest, _ := strings.Cut(tcp, "@tcp(")
		_, query, _ := strings.Cut(rest, ")")
		links := map[string]string{"tcp": tcp, "unix": head + "@unix(" + socket + ")" + query, "preferred": withOption(tcp, "tls=preferred")}
		if f == privateserver.FlavorMySQL {
			links["tls"] = withOption(tcp, "tls=skip-verify")
		}
		n := 0
		for _, name := range []string{"tcp", "unix", "preferred", "tls"} {
			if links[name] == "" {
				continue
			}
			n++
			cfg := d.config()
			cfg.DSN = links[name]
			tl := tail(t, d.source(cfg, "stock: sku, qty"), "").started()
			d.exec(fmt.Sprintf("INSERT INTO stock VALUES (%d, '%s', 1)", n, name))
			expect(t, tl.take(1), fmt.Sprintf("insert stock to id=%d,sku=%s,qty=1", n, name))
			tl.stop()
		}
	})
}

func withOption(dsn, option string) string {
	if strings.Contains(dsn, "?") {
		return dsn + "&" + option
	}
	return dsn + "?" + option
}
