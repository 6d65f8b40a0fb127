package endtoend_test

import (
	"fmt"
	"strings"
	"testing"

	"tailstock/internal/privateserver"
	"tailstock/internal/testenv"
)

// TestCascades follows a table whose rows MariaDB deletes by a foreign key, without a
// word in its log: refused unless the configuration says otherwise, and made right
// by a comparison whenever it may have happened, also through a table between, and
// while the daemon was down.
func TestCascades(t *testing.T) {
	t.Parallel()
	s := &system{
		mariadb: testenv.MySQL(t, privateserver.FlavorMariaDB),
		tables:  strings.ReplaceAll(erpTables, "public.", "erp."),
	}
	exec := func(statements ...string) {
		t.Helper()
		if err := s.mariadb.Exec(t.Context(), append([]string{"use erp"}, statements...)...); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.mariadb.Exec(t.Context(), mariaSchema()...); err != nil {
		t.Fatal(err)
	}
	exec("create table brand (id int primary key)",
		"create table part (id int primary key, brand int, foreign key (brand) references brand (id) on delete cascade)",
		"alter table bin_stock add part int, add constraint of_part foreign key (part) references part (id) on delete cascade on update set null",
		"insert into brand values (1), (2), (3)", "insert into part values (11, 1), (12, 1), (21, 2), (31, 3), (32, 3)",
		"insert into bin_stock (id, sku, site, qty, part) values (1, 'A', 'DC1', 5, 11), (2, 'B', 'DC1', 6, 12), (3, 'C', 'DC1', 7, 21), (4, 'D', 'DC2', 8, 31), (5, 'E', 'DC2', 9, 32), (6, 'F', 'DC2', 1, null)")
	s.complete(t, false)
	s.command(t, "check").expect(t, 3, "`of_part` (ON DELETE CASCADE ON UPDATE SET NULL of erp.part)", "set cascades to verify")

	text := fmt.Sprintf("nats: {embedded: {dir: nats}}\nstore: {postgres: \"${STOCK_DSN}\"}\ncache: {redis: \"${REDIS_URL}\"}\nhttp: {listen: %q}\n"+
		"sources:\n  erp:\n    mysql: {dsn: \"${ERP_DSN}\", server_id: 7201, cascades: verify}\n%s", s.listen, s.tables)
	s.config = s.writeText(t, "tailstock.yaml", text)
	p := s.run(t)
	p.expectExit(t, 1)
	if out := p.output.String(); !strings.Contains(out, "GRANT SELECT ON `erp`.`part` TO '"+capturer+"'@'%';") {
		t.Fatalf("the right to read tables between is not asked for:\n%s", out)
	}
	exec("grant select on part to "+capturer, "grant select on brand to "+capturer)

	p = s.started(t)
	s.awaitAgreement(t, p)
	exec("delete from part where id = 12") // one row
	s.awaitAgreement(t, p)
	exec("delete from brand where id = 1") // through a table that nobody follows
	s.awaitAgreement(t, p)
	exec("update part set id = 22 where id = 21") // its column becomes null, which no rule reads
	exec("insert into bin_stock (id, sku, site, qty, part) values (7, 'G', 'DC1', 4, 22)")
	s.awaitAgreement(t, p)
	p.kill()
	exec("delete from brand where id = 3")
	p = s.started(t)
	s.awaitAgreement(t, p)
}
