package mysql

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"tailstock/connector/cdc"
)

var update = flag.Bool("update", false, "write the golden files anew")

// golden compares text with a file of testdata.
func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.MkdirAll("testdata", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s: got\n%s\nwant\n%s", name, got, want)
	}
}

const someUUID = "6d021ebe-ea9e-11f1-bc01-02fc00000001"

// TestTokenGolden pins the persisted form of tokens, which must read back as what they were.
func TestTokenGolden(t *testing.T) {
	t.Parallel()
	set, err := parseMySQLSet(someUUID + ":1-5:7:blue:1-3,00000000-0000-0000-0000-000000000001:9")
	if err != nil {
		t.Fatal(err)
	}
	state, err := parseMariaState("1-2-7,0-1-5")
	if err != nil {
		t.Fatal(err)
	}
	my, maria := server{flavorMySQL, someUUID}, server{flavorMariaDB, "1"}
	var b strings.Builder
	for _, want := range []token{
		{server: my, place: place{"binlog.000003", 1234}, byGTID: true, set: set},
		{server: my, place: place{"binlog.000003", 1234}, byGTID: true, set: set, again: someUUID + ":4"},
		{server: my, place: place{`odd "name".1000000`, 5_000_000_000}},
		{server: my, place: place{"binlog.000003", 1234}, again: "binlog.000003:4", schema: "0123456789abcdef"},
		{server: maria, place: place{"binlog.000003", 1234}, byGTID: true, state: state},
		{server: maria, place: place{unknownFile, 0}, byGTID: true, again: againStart},
	} {
		r := want.resume()
		b.WriteString(string(r) + "\n")
		if !json.Valid([]byte(r)) {
			t.Errorf("%s is no JSON", r)
		}
		got, err := parseToken(r)
		if err != nil {
			t.Errorf("%s: %v", r, err)
			continue
		}
		if got.resume() != r || got.server != want.server || got.place != want.place || got.again != want.again || got.schema != want.schema || got.byGTID != want.byGTID {
			t.Errorf("%s reads back as %+v", r, got)
		}
		if p, ok := want.server.placeOf(r); want.place.file != `odd "name".1000000` && (!ok || p != want.place) {
			t.Errorf("place of %s is %v, %v", r, p, ok)
		}
		if _, ok := (server{want.server.flavor, "2"}).placeOf(r); ok {
			t.Errorf("%s has a place on another server", r)
		}
	}
	golden(t, "tokens.txt", b.String())
}

func TestTokenRefused(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		"", "{}", "0/123", `{"file":"b.1","pos":4,"flavor":"mysql"}`, `{"file":"b.1","pos":4,"flavor":"oracle","server":"1"}`,
		`{"file":"b.1","pos":4,"gtids":"1-5","flavor":"mysql","server":"x"}`, `{"file":"b.1","pos":4,"gtids":"0-1","flavor":"mariadb","server":"1"}`,
		`{"file":"b.1","pos":-4,"flavor":"mysql","server":"x"}`, `{"file":"b.1","pos":4,"flavor":"mysql","server":"x"} `, `{"file":"b.1","pos":4,"flavor":"mysql","server":"x"}{}`,
		`{"file":"b.1","pos":4,"flavor":"mysql","server":"x","lsn":"0/1"}`, `{"file":"b.1","pos":4,"again":"b","flavor":"mysql","server":"x"}`,
		`{"lsn":"0/30003C0","system":"7","timeline":1}`,
	} {
		if got, err := parseToken(cdc.Resume(text)); err == nil && strings.TrimSpace(text) == text {
			t.Errorf("%q reads as %+v", text, got)
		}
	}
}

func TestGTIDSets(t *testing.T) {
	t.Parallel()
	u, err := parseUUID(someUUID)
	if err != nil {
		t.Fatal(err)
	}
	s := &mysqlSet{}
	for _, n := range []uint64{5, 1, 2, 9, 3, 4, 8, 20} {
		s.add(u, "", n)
	}
	s.add(u, "blue", 1)
	if got, want := s.String(), someUUID+":1-5:8-9:20,"+someUUID+":blue:1"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	for text, want := range map[string]bool{
		someUUID + ":2-4": true, someUUID + ":5-8": false, someUUID + ":8:blue:1": true, someUUID + ":blue:2": false, "": true,
		"00000000-0000-0000-0000-000000000001:1": false, strings.ToUpper(someUUID) + ":20": true,
	} {
		other, err := parseMySQLSet(text)
		if err != nil {
			t.Fatal(err)
		}
		if s.contains(other) != want {
			t.Errorf("contains %s: got %v", text, !want)
		}
	}
	less, err := parseMySQLSet(someUUID + ":2:4-8:20-30:blue:1")
	if err != nil {
		t.Fatal(err)
	}
	if got, want := s.without(less).String(), someUUID+":1:3:9"; got != want {
		t.Errorf("without: got %s, want %s", got, want)
	}
	for _, bad := range []string{someUUID, someUUID + ":", someUUID + ":0", someUUID + ":5-4", "x:1", someUUID + ":1-", "1-1-1"} {
		if got, err := parseMySQLSet(bad); err == nil {
			t.Errorf("%q reads as %s", bad, got)
		}
	}
	m, err := parseMariaState("2-1-9, 0-1-5")
	if err != nil {
		t.Fatal(err)
	}
	m = m.set(mariaGTID{1, 3, 4}).set(mariaGTID{0, 2, 6})
	if got, want := m.String(), "0-2-6,1-3-4,2-1-9"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// TestPlaces64 moves beyond what a header's 32 bits can say.
func TestPlaces64(t *testing.T) {
	t.Parallel()
	d := &decoder{at: place{"b.1", 4}}
	var want uint64 = 4
	for i := range 5 {
		want += 1 << 30
		d.advance(&eventHeader{kind: eventWriteRows, size: 1 << 30, end: uint32(want)})
		if d.at.pos != want {
			t.Fatalf("after %d events of 1 GiB at %d, want %d", i+1, d.at.pos, want)
		}
	}
	d.advance(&eventHeader{kind: eventHeartbeat, flags: flagArtificial, end: uint32(want)})
	d.advance(&eventHeader{kind: eventFormat, flags: flagArtificial, size: 100})
	if d.at.pos != want {
		t.Errorf("an event that is not in the file moved to %d, want %d", d.at.pos, want)
	}
	if (place{"b.999999", 9}).compare(place{"b.1000000", 4}) >= 0 || (place{"b.1", 5_000_000_000}).compare(place{"b.1", 4_999_999_999}) <= 0 {
		t.Error("places are in the wrong order")
	}
}

func TestStatements(t *testing.T) {
	t.Parallel()
	tables := func(names ...string) (out []cdc.TableName) {
		for _, n := range names {
			out = append(out, cdc.ParseTableName(n))
		}
		return out
	}
	for _, c := range []struct {
		text   string
		verb   verb
		tables []cdc.TableName
	}{
		{"BEGIN", verbBegin, nil},
		{"/* app */ TRUNCATE `tabStock Ledger Entry`", verbEmpty, tables("shop.tabStock Ledger Entry")},
		{"truncate table wms . `a``b`", verbEmpty, tables("wms.a`b")},
		{"DROP TABLE IF EXISTS `a`,`wms`.`b` /* generated by server */", verbEmpty, tables("shop.a", "wms.b")},
		{"DROP /*!40005 TEMPORARY */ TABLE IF EXISTS `a`", verbOther, tables("shop.a")},
		{"DROP /*!TABLE*/ a", verbEmpty, tables("shop.a")},
		{"DROP DATABASE IF EXISTS `wms`", verbEmptySchema, nil},
		{"DROP VIEW a", verbOther, nil},
		{"RENAME TABLE a TO b, wms.c TO `d`", verbRename, tables("shop.a", "shop.b", "wms.c", "shop.d")},
		{"RENAME USER a TO b", verbOther, nil},
		{"ALTER TABLE a ADD COLUMN rename_me INT, RENAME COLUMN x TO y", verbDefine, tables("shop.a")},
		{"ALTER TABLE a RENAME INDEX x TO y", verbDefine, tables("shop.a")},
		{"ALTER TABLE a ENGINE=InnoDB, RENAME TO wms.b", verbRename, tables("shop.a", "wms.b")},
		{"ALTER TABLE a RENAME b", verbRename, tables("shop.a", "shop.b")},
		{"ALTER TABLE a COMMENT 'RENAME TO b -- '", verbDefine, tables("shop.a")},
		{"ALTER TABLE a DROP PARTITION p0", verbReplace, tables("shop.a")},
		{"ALTER TABLE a EXCHANGE PARTITION p0 WITH TABLE b", verbReplace, tables("shop.a")},
		{"ALTER TABLE a ADD PARTITION (PARTITION p1 VALUES LESS THAN (9))", verbDefine, tables("shop.a")},
		{"ALTER TABLE a IMPORT TABLESPACE", verbReplace, tables("shop.a")},
		{"CREATE TABLE a (id INT)", verbDefine, tables("shop.a")},
		{"CREATE OR REPLACE TABLE a (id INT)", verbEmpty, tables("shop.a")},
		{"CREATE TEMPORARY TABLE a (id INT)", verbOther, tables("shop.a")},
		{"CREATE UNIQUE INDEX i ON a (x)", verbDefine, tables("shop.a")},
		{"INSERT INTO a VALUES (1)", verbRows, nil},
		{"# Dummy event replacing event type 160", verbOther, nil},
		{"-- note\nUPDATE a SET x = 1", verbRows, nil},
		{"ROLLBACK TO `s`", verbRollbackTo, nil},
		{"SAVEPOINT `s`", verbOther, nil},
		{"FROBNICATE a", verbUnknown, nil},
		{"SET GLOBAL x = 1", verbOther, nil},
		{"SET STATEMENT max_statement_time=100 FOR TRUNCATE TABLE a", verbEmpty, tables("shop.a")},
		{"set statement sort_buffer_size = (SELECT 1 FOR UPDATE), x='FOR ' for set statement y=1 FOR alter table wms.a add x int", verbDefine, tables("wms.a")},
		{"SET STATEMENT x=1 FOR INSERT INTO a VALUES (1)", verbRows, nil},
		{"SET STATEMENT", verbOther, nil},
		{"ANALYZE TABLE a", verbOther, nil},
		{"ANALYZE NO_WRITE_TO_BINLOG TABLE a", verbOther, nil},
		{"ANALYZE FORMAT=JSON UPDATE a SET x = 1", verbRows, nil},
		{"(SELECT f())", verbUnknown, nil},
		{"CREATE TABLE a (x INT, system INT) COMMENT 'WITH SYSTEM VERSIONING'", verbDefine, tables("shop.a")},
		{"", verbOther, nil},
	} {
		s := parseStatement(c.text, "shop")
		if s.verb != c.verb {
			t.Errorf("%q: verb %d, want %d", c.text, s.verb, c.verb)
		}
		if c.verb != verbEmptySchema && strings.Join(names(s.tables), " ") != strings.Join(names(c.tables), " ") {
			t.Errorf("%q: tables %v, want %v", c.text, s.tables, c.tables)
		}
	}
	for text, want := range map[string]string{
		"ALTER TABLE a ADD COLUMN x INT AFTER y, ADD INDEX (z), DROP INDEX i, DROP FOREIGN KEY f, RENAME INDEX i TO j, ALTER COLUMN y SET DEFAULT 1": "",
		"ALTER TABLE a DROP x, DROP COLUMN IF EXISTS `y z`, CHANGE COLUMN c d INT COMMENT ',DROP q', MODIFY e DECIMAL(9,2), RENAME COLUMN f TO g":    "x y z c e f",
		"ALTER TABLE a WAIT 5 DROP COLUMN x, ENGINE=InnoDB": "x", "ALTER TABLE a NOWAIT MODIFY x INT": "x",
		"SET STATEMENT x=1 FOR ALTER TABLE a MODIFY `key` INT": "key", "ALTER TABLE a CONVERT TO CHARACTER SET latin1": "all",
		"ALTER TABLE a DROP PRIMARY KEY, ADD PRIMARY KEY (x)": "rekeyed", "ALTER TABLE a ADD COLUMN (x INT PRIMARY KEY)": "rekeyed",
		"ALTER TABLE a COMMENT 'PRIMARY'": "",
	} {
		s := parseStatement(text, "shop")
		got := strings.Join(s.columns, " ")
		if s.converts {
			got += "all"
		}
		if s.rekeyed {
			got += "rekeyed"
		}
		if got != want {
			t.Errorf("%q: changes %q, want %q", text, got, want)
		}
	}
	for text, want := range map[string]bool{
		"CREATE TABLE a (x INT) WITH SYSTEM VERSIONING": true, "CREATE OR REPLACE TABLE a (x INT WITH SYSTEM VERSIONING)": true,
		"ALTER TABLE a ADD SYSTEM VERSIONING": true, "ALTER TABLE a ADD COLUMN (x INT WITH SYSTEM VERSIONING, y INT)": true,
		"/*!100100 ALTER*/ TABLE a ENGINE=InnoDB, ADD SYSTEM/**/VERSIONING": true, "ALTER TABLE a DROP SYSTEM VERSIONING": false,
		"CREATE TABLE a (x INT WITHOUT SYSTEM VERSIONING)": false, "ALTER TABLE a COMMENT 'ADD SYSTEM VERSIONING'": false,
		"SET STATEMENT system_versioning_alter_history=keep FOR ALTER TABLE a ADD SYSTEM VERSIONING": true,
	} {
		if s := parseStatement(text, "shop"); s.versioned != want {
			t.Errorf("%q: versioned %v, want %v", text, s.versioned, want)
		}
	}
	for text, want := range map[string]string{
		"XA COMMIT X'7730',X'',1": "7730,,1", "XA COMMIT 'w0'": "7730,,1", `XA ROLLBACK "w0",'b',7`: "7730,62,7", "XA START 0x7730": "7730,,1",
	} {
		if got := parseStatement(text, "").xid; got != want {
			t.Errorf("%q: xid %s, want %s", text, got, want)
		}
	}
}

func names(tables []cdc.TableName) (out []string) {
	for _, t := range tables {
		out = append(out, t.String())
	}
	return out
}

func TestColumns(t *testing.T) {
	t.Parallel()
	c, ok := newColumn("c", "enum", `enum('a','it''s','x,y','')`, "latin1")
	if !ok || strings.Join(c.members, "|") != "a|it's|x,y|" || c.charset != "latin1" {
		t.Errorf("got %+v", c)
	}
	if c, ok := newColumn("c", "decimal", "decimal(12,3) unsigned", ""); !ok || c.precision != 12 || c.scale != 3 || !c.unsigned {
		t.Errorf("got %+v", c)
	}
	if _, ok := newColumn("c", "xmltype", "xmltype", ""); ok {
		t.Error("an unknown type is known")
	}
}

// fakeLookup answers a binder without a server.
type fakeLookup struct{}

func (fakeLookup) charset(name string) (*charset, error)        { return unicodeCharset("utf8mb4"), nil }
func (fakeLookup) collation(int) (string, error)                { return "utf8mb4", nil }
func (fakeLookup) describe(cdc.TableName) (*description, error) { return nil, nil } //nolint:nilnil // it is not there
func (fakeLookup) altered(cdc.TableName, place) (bool, error)   { return false, nil }

func fuzzDecoder(f flavor) *decoder {
	w := cdc.Wanted{cdc.TableName{Schema: "shop", Name: "stock"}: {"sku", "qty", "doc", "kind", "at"}}
	b := newBinder(&Source{}, f, w, false, map[cdc.TableName]*description{}, fakeLookup{})
	t := token{server: server{f, "1"}, place: place{"binlog.000001", 4}, byGTID: true, set: &mysqlSet{}}
	return newDecoder(Config{}.WithDefaults(), t, b)
}

// FuzzDecoder feeds recorded streams, and what fuzzing makes of them, to a decoder:
// it must not panic or run away. A stream is events behind their lengths.
func FuzzDecoder(f *testing.F) {
	files, err := filepath.Glob(filepath.Join("testdata", "streams", "*"))
	if err != nil {
		f.Fatal(err)
	}
	if len(files) == 0 {
		f.Fatal("no recorded streams")
	}
	for _, name := range files {
		b, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b, strings.Contains(name, "mariadb"))
	}
	f.Fuzz(func(_ *testing.T, stream []byte, maria bool) {
		flavor := flavorMySQL
		if maria {
			flavor = flavorMariaDB
		}
		d := fuzzDecoder(flavor)
		for len(stream) >= 4 {
			n := int(binary.LittleEndian.Uint32(stream))
			stream = stream[4:]
			if n > len(stream) {
				n = len(stream)
			}
			_ = d.event(bytes.Clone(stream[:n]))
			stream = stream[n:]
			d.take()
		}
	})
}

// TestRecorded decodes recorded streams to what was recorded.
func TestRecorded(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob(filepath.Join("testdata", "streams", "*.bin"))
	if err != nil || len(files) < 2 {
		t.Fatalf("%d recorded streams, %v", len(files), err)
	}
	for _, name := range files {
		stream, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		d := fuzzDecoder(flavor(strings.TrimSuffix(filepath.Base(name), ".bin")))
		var b strings.Builder
		for len(stream) > 0 {
			n := binary.LittleEndian.Uint32(stream)
			if err := d.event(stream[4 : 4+n]); err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			stream = stream[4+n:]
		}
		ready, _ := d.take()
		for _, r := range ready {
			b.WriteString(r.Transaction.At + "\n")
			for _, c := range r.Transaction.Changes {
				b.WriteString("  " + c.Op.String())
				for _, row := range []cdc.Row{c.Before, c.After} {
					for i, v := range row {
						b.WriteString(" " + c.Table.Columns[i].Name + "=" + v.String())
					}
				}
				b.WriteString("\n")
			}
		}
		golden(t, strings.TrimSuffix(filepath.Base(name), ".bin")+".txt", b.String())
	}
}

func FuzzJSON(f *testing.F) {
	f.Add([]byte{jsonSmallObject, 1, 0, 12, 0, 11, 0, 1, 0, jsonInt16, 5, 0, 'a'})
	f.Add([]byte{jsonSmallArray, 2, 0, 10, 0, jsonLiteral, 1, 0, jsonString, 10, 0, 1, 'x'})
	f.Add([]byte{jsonOpaque, fieldDecimal, 4, 5, 2, 0x80, 1, 50})
	f.Fuzz(func(t *testing.T, doc []byte) {
		text, err := appendJSON(nil, doc)
		if err == nil && !bytes.ContainsAny(text, "\x80\xff") && !json.Valid(bytes.ToValidUTF8(text, nil)) && len(text) < 1000 {
			t.Logf("%q", text) // numbers and strings of damaged documents may be no JSON
		}
	})
}

func FuzzStatement(f *testing.F) {
	f.Add("ALTER TABLE `a` RENAME TO `b`.`c`, ADD x INT /*!50100 PARTITION BY HASH (id) */")
	f.Add("XA COMMIT X'7730',X'',1")
	f.Add("DROP TABLE IF EXISTS `a`,'b' # c")
	f.Fuzz(func(_ *testing.T, text string) { parseStatement(text, "shop") })
}

func FuzzTableMap(f *testing.F) {
	f.Add([]byte("\x04shop\x00\x05stock\x00\x02\x03\x0f\x02\x28\x00\x00\x01\x01\x80\x04\x05\x02id\x01a"))
	f.Fuzz(func(_ *testing.T, body []byte) {
		m, err := parseTableMap(body, true)
		if err != nil {
			return
		}
		for i := range m.fields {
			fd := field{kind: m.fields[i].kind, meta: m.fields[i].meta}
			_ = fd.layout()
		}
	})
}

// TestAbandoned expects a transaction in whose middle a crashed server's file ends
// to be forgotten.
func TestAbandoned(t *testing.T) {
	t.Parallel()
	stream, err := os.ReadFile(filepath.Join("testdata", "streams", "mariadb.bin"))
	if err != nil {
		t.Fatal(err)
	}
	d := fuzzDecoder(flavorMariaDB)
	rows := 0
	for len(stream) > 0 {
		n := binary.LittleEndian.Uint32(stream)
		raw := stream[4 : 4+n]
		stream = stream[4+n:]
		if raw[4] == eventXID {
			rotate := make([]byte, eventHeaderBytes, 64)
			rotate[4], rotate[17] = eventRotate, flagArtificial
			raw = append(append(rotate, 4, 0, 0, 0, 0, 0, 0, 0), fmt.Sprintf("binlog.%06d", 2+rows)...)
			rows++
		}
		if err := d.event(raw); err != nil {
			t.Fatal(err)
		}
	}
	ready, _ := d.take()
	for _, r := range ready {
		for _, c := range r.Transaction.Changes {
			// XA COMMIT and TRUNCATE have no such end.
			if c.Op != cdc.OpTruncate && c.After[0].Text() != "5" {
				t.Errorf("a transaction without its end came with %s", c.Op)
			}
		}
	}
	if rows < 5 {
		t.Errorf("only %d transactions were broken off", rows)
	}
}
