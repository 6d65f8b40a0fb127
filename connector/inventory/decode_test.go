package inventory_test

import (
	"encoding/json"
	"errors"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"tailstock/connector/cdc"
	"tailstock/connector/inventory"
)

func TestDecodeIgnoresUnknownFields(t *testing.T) {
	t.Parallel()
	const body = ` { "x" : [ {"a":[null,true,false,-1.5e+3,"\u00e9\"",{}]} ] , "source" : "wms" , "commits" : [ { "later":{"op":"x"},
		"transaction":"1","committed_at":"2026-11-23T08:00:00.123456Z","events":[ {"op":"insert","table":"t","mapping":"m","row":"[1]",
		"load":7,"contributions":[{"leg":"l","sku":"s","location":"d","until":null,"quantities":{"on_hand":1.50e1}}]} ] } ] } `
	got, err := inventory.Decode(inventory.Envelope{Body: []byte(body)})
	if err != nil {
		t.Fatal(err)
	}
	want := inventory.Message{Source: "wms", Commits: []inventory.Commit{{Transaction: "1", CommittedAt: committedAt, Last: true, Events: []inventory.Event{{
		Op: cdc.OpInsert, Table: "t", Mapping: "m", Row: "[1]",
		Contributions: []inventory.Contribution{{Leg: "l", SKU: "s", Location: "d", Quantities: inventory.Quantities{15 * inventory.One}}},
	}}}}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// badBody is a body that Decode must refuse. schemaToo is false where the JSON
// Schema cannot express the rule.
type badBody struct {
	name, body, want string
	schemaToo        bool
}

const goodEvent = `{"op":"insert","table":"t","mapping":"m","row":"[1]","contributions":[]}`

func inCommit(fields string) string {
	return `{"source":"wms","commits":[{"transaction":"1","committed_at":"2026-11-23T08:00:00.123456Z",` + fields + `}]}`
}

func inEvent(event string) string { return inCommit(`"events":[` + goodEvent + `,` + event + `]`) }

func inContribution(c string) string {
	return inEvent(`{"op":"insert","table":"t","mapping":"m","row":"[1]","contributions":[` + c + `]}`)
}

func inQuantities(q string) string {
	return inContribution(`{"leg":"l","sku":"s","location":"d","quantities":{` + q + `}}`)
}

func badBodies() []badBody {
	deep := strings.Repeat("[", 100) + strings.Repeat("]", 100)
	return []badBody{
		{"empty", ``, `at byte 0: want an object`, false},
		{"null", `null`, `at byte 0: want an object`, true},
		{"array", `[]`, `at byte 0: want an object`, true},
		{"cut", `{"source":"wms","commits":[`, `commits[0], at byte 27: want an object`, false},
		{"trailing comma", `{"source":"wms","feeds":[],}`, `want a string`, false},
		{"behind the end", `{"source":"wms","feeds":[]}{}`, `at byte 27: text behind the end`, false},
		{"nul behind the end", "{\"source\":\"wms\",\"feeds\":[]}\x00", `text behind the end`, false},
		{"not UTF-8", "{\"source\":\"w\xff\",\"feeds\":[]}", `not valid UTF-8`, false},
		{"no source", `{"feeds":[]}`, `no source`, true},
		{"source wrong", `{"source":7,"feeds":[]}`, `source, at byte 10: want a string`, true},
		{"source twice", `{"source":"a","source":"b","feeds":[]}`, `source, at byte 23: given twice`, false},
		{"neither", `{"source":"wms","rederiving":{}}`, `neither commits nor a control event`, true},
		{"both", `{"source":"wms","feeds":[],"commits":[]}`, `more than one of commits and control events`, true},
		{"both controls", `{"source":"wms","load_completed":{"load":"000000000000007-000000000001"},"source_gap":{"reason":"x"}}`, `more than one`, true},
		{"load zero", `{"source":"wms","load_completed":{"load":"000000000000000-000000000000"}}`, `load_completed.load, at byte`, false},
		{"load text", `{"source":"wms","load_completed":{"load":"7"}}`, `not a position`, true},
		{"no load", `{"source":"wms","load_completed":{}}`, `no load`, true},
		{"no reason", `{"source":"wms","source_gap":{"detail":"x"}}`, `no reason`, true},
		{"no stores", `{"source":"wms","load_started":{"feeds":[]}}`, `want feeds and stores`, true},
		{"chunk of neither", `{"source":"wms","chunk":{"table":"t","last":[],"rows":0,"done":true}}`, `either load or job`, true},
		{"chunk of both", `{"source":"wms","chunk":{"load":"000000000000007-000000000001","job":"j","table":"t","last":[],"rows":0,"done":true}}`, `either load or job`, true},
		{"chunk without table", `{"source":"wms","chunk":{"job":"j","last":[],"rows":0,"done":true}}`, `no table`, true},
		{"chunk without rows", `{"source":"wms","chunk":{"job":"j","table":"t","last":[],"done":true}}`, `want last, rows and done`, true},
		{"chunk of too many", `{"source":"wms","chunk":{"job":"j","table":"t","last":[],"rows":2147483648,"done":true}}`, `rows out of range`, true},
		{"deep", `{"source":"wms","feeds":[],"x":` + deep + `}`, `x, at byte 96: nested too deep`, false},
		{"bad unknown", `{"source":"wms","feeds":[],"x":nul}`, `x, at byte 31: want a value`, false},
		{"bad unknown number", `{"source":"wms","feeds":[],"x":01}`, `want a comma`, false},
		{"bad unknown string", `{"source":"wms","feeds":[],"x":"\q"}`, `unknown escape sequence`, false},
		{"feed no table", `{"source":"wms","feeds":[{"mapping":"m"}]}`, `feeds[0], at byte 40: want table and mapping`, true},
		{"feed wrong", `{"source":"wms","feeds":[{"table":"t","mapping":"m"},3]}`, `feeds[1], at byte 53: want an object`, true},
		{"commits null", `{"source":"wms","commits":null}`, `commits, at byte 26: want an array`, true},
		{"no transaction", `{"source":"wms","commits":[{"committed_at":"2026-11-23T08:00:00.123456Z","events":[]}]}`, `commits[0], at byte 85: no transaction`, true},
		{"no time", `{"source":"wms","commits":[{"transaction":"1","events":[]}]}`, `no committed_at`, true},
		{"no events", inCommit(`"at":""`), `no events`, true},
		{"bad time", strings.Replace(inCommit(`"events":[]`), "123456Z", "123Z", 1), `commits[0].committed_at, at byte 61: want a time`, true},
		{"comma time", strings.Replace(inCommit(`"events":[]`), "00.123456Z", "00,123456Z", 1), `want a time`, true},
		{"local time", strings.Replace(inCommit(`"events":[]`), "00.123456Z", "00.12345+0", 1), `want a time`, true},
		{"no such day", strings.Replace(inCommit(`"events":[]`), "11-23", "02-30", 1), `want a time`, false},
		{"leap second", strings.Replace(inCommit(`"events":[]`), "00.123456Z", "60.123456Z", 1), `want a time`, false},
		{"part alone", inCommit(`"events":[],"part":1`), `part and last must come together`, true},
		{"compare nothing", inCommit(`"events":[],"compare":""`), `no verification to compare for`, true},
		{"repair alone", inCommit(`"events":[],"repair":false`), `no verification to compare for`, true},
		{"repair wrong", inCommit(`"events":[],"compare":"v","repair":"yes"`), `want true or false`, true},
		{"compare in parts", inCommit(`"events":[],"compare":"v","part":0,"last":true`), `neither of a load nor in parts`, true},
		{"compare for a load", inCommit(`"events":[],"compare":"v","load":"000000000000007-000000000001"`), `neither of a load nor in parts`, true},
		{"compare an insert", inCommit(`"compare":"v","events":[` + goodEvent + `]`), `reads and deletes only`, true},
		{"last alone", inCommit(`"events":[],"last":false`), `part and last must come together`, true},
		{"part negative", inCommit(`"events":[],"part":-1,"last":true`), `commits[0].part, at byte 110: want an integer`, true},
		{"part fraction", inCommit(`"events":[],"part":1.5,"last":true`), `want an integer`, true},
		{"part huge", inCommit(`"events":[],"part":2147483648,"last":true`), `part out of range`, true},
		{"last wrong", inCommit(`"events":[],"part":1,"last":"yes"`), `commits[0].last, at byte 119: want true or false`, true},
		{
			"part among others", `{"source":"wms","commits":[{"transaction":"1","committed_at":"2026-11-23T08:00:00.123456Z","events":[]},` +
				`{"transaction":"2","committed_at":"2026-11-23T08:00:00.123456Z","events":[],"part":0,"last":false}]}`,
			`commits[1], at byte 203: a part of a commit must stand alone`, false,
		},
		{"unknown op", inEvent(`{"op":"upsert","table":"t","mapping":"m","row":"[1]","contributions":[]}`), `commits[0].events[1].op, at byte 188: unknown op`, true},
		{"no op", inEvent(`{"table":"t","mapping":"m","row":"[1]","contributions":[]}`), `no op`, true},
		{"no table", inEvent(`{"op":"insert","mapping":"m","row":"[1]","contributions":[]}`), `no table`, true},
		{"no mapping", inEvent(`{"op":"insert","table":"t","row":"[1]","contributions":[]}`), `no mapping`, true},
		{"no row", inEvent(`{"op":"insert","table":"t","mapping":"m","contributions":[]}`), `no row`, true},
		{"empty row", inEvent(`{"op":"insert","table":"t","mapping":"m","row":"","contributions":[]}`), `no row`, true},
		{"row as JSON", inEvent(`{"op":"insert","table":"t","mapping":"m","row":[1],"contributions":[]}`), `row, at byte 221: want a string`, true},
		{"nothing stated", inEvent(`{"op":"insert","table":"t","mapping":"m","row":"[1]"}`), `want either contributions or a problem`, true},
		{"both stated", inEvent(`{"op":"insert","table":"t","mapping":"m","row":"[1]","contributions":[],"problem":{"kind":"rejected"}}`), `want either`, true},
		{"truncate with row", inEvent(`{"op":"truncate","table":"t","mapping":"m","row":"[1]"}`), `a truncate has neither`, true},
		{"truncate with contributions", inEvent(`{"op":"truncate","table":"t","mapping":"m","contributions":[]}`), `a truncate has neither`, true},
		{"problem kind", inEvent(`{"op":"insert","table":"t","mapping":"m","row":"[1]","problem":{"kind":"odd"}}`), `events[1].problem.kind, at byte 250: unknown kind of problem`, true},
		{"problem no kind", inEvent(`{"op":"insert","table":"t","mapping":"m","row":"[1]","problem":{}}`), `no kind`, true},
		{"no leg", inContribution(`{"sku":"s","location":"d","quantities":{}}`), `no leg`, true},
		{"no sku", inContribution(`{"leg":"l","location":"d","quantities":{}}`), `no sku`, true},
		{"no location", inContribution(`{"leg":"l","sku":"s","quantities":{}}`), `no location`, true},
		{"no quantities", inContribution(`{"leg":"l","sku":"s","location":"d"}`), `no quantities`, true},
		{"quantity text", inQuantities(`"on_hand":"1"`), `commits[0].events[1].contributions[0].quantities.on_hand, at byte 304: want a number`, true},
		{"quantity null", inQuantities(`"on_hand":null`), `want a number`, true},
		{"quantity at the bound", inQuantities(`"on_hand":1000000000`), `on_hand, at byte 304: number out of range`, true},
		{"quantity rounds to the bound", inQuantities(`"on_hand":-999999999.9999995`), `number out of range`, false},
		{"quantity beyond", inQuantities(`"committed":-1e300`), `number out of range`, true},
		{"quantity hex", inQuantities(`"on_hand":0x10`), `want a comma`, false},
		{"quantity point", inQuantities(`"on_hand":.5`), `want a number`, false},
		{"quantity plus", inQuantities(`"on_hand":+5`), `want a number`, false},
		{"quantity digits", inQuantities(`"on_hand":5.`), `want digits after the decimal point`, false},
		{"quantity exponent", inQuantities(`"on_hand":5e`), `want digits in the exponent`, false},
		{"quantity kind", inQuantities(`"held":5`), `quantities.held, at byte 301: unknown kind of quantity`, true},
		{"quantity twice", inQuantities(`"on_hand":5,"on_hand":5`), `given twice`, false},
		{"valid text", inContribution(`{"leg":"l","sku":"s","location":"d","quantities":{},"valid_from":"2026-11-23"}`), `contributions[0].valid_from, at byte 309: want a number`, true},
		{"valid null", inContribution(`{"leg":"l","sku":"s","location":"d","quantities":{},"valid_until":null}`), `want a number`, true},
		{"valid fraction", inContribution(`{"leg":"l","sku":"s","location":"d","quantities":{},"valid_until":1.5}`), `valid_until, at byte 310: want milliseconds`, true},
		{"valid beyond", inContribution(`{"leg":"l","sku":"s","location":"d","quantities":{},"valid_until":253402300800000}`), `want milliseconds since 1970`, true},
		{"valid before", inContribution(`{"leg":"l","sku":"s","location":"d","quantities":{},"valid_from":-62135596800001}`), `want milliseconds since 1970`, true},
		{"valid twice", inContribution(`{"leg":"l","sku":"s","location":"d","quantities":{},"valid_from":1,"valid_from":1}`), `given twice`, false},
		{"control in string", "{\"source\":\"w\n\",\"feeds\":[]}", `source, at byte 12: control character`, false},
		{"control behind escape", "{\"source\":\"\\t\n\",\"feeds\":[]}", `control character`, false},
		{"string open", `{"source":"wms`, `string without an end`, false},
		{"string open escape", `{"source":"wms\`, `string without an end`, false},
		{"short unicode", `{"source":"\u12","feeds":[]}`, `want four hexadecimal digits`, false},
		{"lone surrogate", `{"source":"\ud83d!","feeds":[]}`, `half of a surrogate pair`, false},
		{"lone low surrogate", `{"source":"\ude00","feeds":[]}`, `half of a surrogate pair`, false},
		{"two high surrogates", `{"source":"\ud83d\ud83d","feeds":[]}`, `half of a surrogate pair`, false},
	}
}

func TestDecodeErrors(t *testing.T) {
	t.Parallel()
	for _, tt := range badBodies() {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, err := inventory.Decode(inventory.Envelope{Position: inventory.Position{Run: 3}, Body: []byte(tt.body)})
			if err == nil {
				t.Fatal("no error")
			}
			if got := err.Error(); !strings.Contains(got, tt.want) || !strings.HasPrefix(got, "decode message 000000000000003-000000000000: ") {
				t.Errorf("got %q, want it to contain %q", got, tt.want)
			}
		})
	}
}

func TestDecodeEscapes(t *testing.T) {
	t.Parallel()
	body := `{"source":"\u00e9\ud83d\ude00\/\b\f\n\r\t\"\\","feeds":[{"table":"plain","mapping":"\u0041b"}]}`
	m, err := inventory.Decode(inventory.Envelope{Body: []byte(body)})
	if err != nil {
		t.Fatal(err)
	}
	want := inventory.Message{Source: "é😀/\b\f\n\r\t\"\\", Feeds: []inventory.FeedName{{Table: "plain", Mapping: "Ab"}}}
	if diff := cmp.Diff(want, m); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// FuzzDecode checks that whatever Decode takes is JSON that encoding/json reads
// the same way, and that it comes back from the encoder unchanged.
func FuzzDecode(f *testing.F) {
	files, err := filepath.Glob("testdata/body_*.json")
	if err != nil || len(files) == 0 {
		f.Fatalf("no golden files: %v", err)
	}
	for _, file := range files {
		b, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	for _, bad := range badBodies() {
		f.Add([]byte(bad.body))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		m, err := inventory.Decode(inventory.Envelope{Body: body})
		if err != nil {
			return
		}
		want, err := referenceDecode(body)
		if err != nil {
			t.Fatalf("accepted %q, which encoding/json refuses: %v", body, err)
		}
		if diff := cmp.Diff(want, m, cmpopts.EquateEmpty()); diff != "" {
			t.Fatalf("%q (-encoding/json +Decode):\n%s", body, diff)
		}
		again, err := inventory.Decode(inventory.Envelope{Body: encode(inventory.NewBodyWriter(m.Source), &m)})
		if err != nil {
			t.Fatalf("decode what was encoded: %v", err)
		}
		if diff := cmp.Diff(m, again, cmpopts.EquateEmpty()); diff != "" {
			t.Fatalf("%q (-first +second):\n%s", body, diff)
		}
	})
}

// object is a JSON object as encoding/json reads it. Its accessors panic on a
// wrong type, which referenceDecode turns into an error.
type object map[string]any

func (o object) text(name string) string {
	s, _ := o[name].(string)
	return s
}

func (o object) objects(name string) []object {
	list, _ := o[name].([]any)
	out := make([]object, 0, len(list))
	for _, e := range list {
		out = append(out, e.(map[string]any))
	}
	return out
}

func referenceDecode(body []byte) (m inventory.Message, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = errors.New("wrong type")
		}
	}()
	d := json.NewDecoder(strings.NewReader(string(body)))
	d.UseNumber()
	var top object
	if err := d.Decode(&top); err != nil {
		return m, err
	}
	if !json.Valid(body) {
		return m, errors.New("not one JSON value")
	}
	m.Source = top.text("source")
	for _, f := range top.objects("feeds") {
		m.Feeds = append(m.Feeds, inventory.FeedName{Table: f.text("table"), Mapping: inventory.MappingID(f.text("mapping"))})
	}
	if err := referenceControl(top, &m); err != nil {
		return m, err
	}
	for _, c := range top.objects("commits") {
		commit := inventory.Commit{Transaction: c.text("transaction"), At: c.text("at"), Last: true}
		if commit.CommittedAt, err = time.Parse(time.RFC3339Nano, c.text("committed_at")); err != nil {
			return m, err
		}
		if commit.Load, err = c.position("load"); err != nil {
			return m, err
		}
		commit.Compare = c.text("compare")
		commit.Repair, _ = c["repair"].(bool)
		if part, ok := c["part"]; ok {
			n, err := part.(json.Number).Int64()
			if err != nil {
				return m, err
			}
			commit.Part, commit.Last = int(n), c["last"].(bool)
		}
		for _, e := range c.objects("events") {
			commit.Events = append(commit.Events, referenceEvent(e))
		}
		for _, r := range c.objects("rederive") {
			commit.Rederive = append(commit.Rederive, referenceRederive(r))
		}
		m.Commits = append(m.Commits, commit)
	}
	return m, nil
}

func referenceRederive(o object) inventory.Rederive {
	r := inventory.Rederive{Table: o.text("table")}
	if _, ok := o["column"]; ok {
		r.Columns = []string{o.text("column")}
	} else if _, ok := o["columns"]; ok {
		r.Columns = o.texts("columns")
	}
	for _, text := range o.texts("values") {
		r.Values = append(r.Values, []string{text})
	}
	rows, _ := o["rows"].([]any)
	for _, row := range rows {
		r.Values = append(r.Values, object{"row": row}.texts("row"))
	}
	return r
}

// position reads an optional position.
func (o object) position(name string) (inventory.Position, error) {
	if _, ok := o[name]; !ok {
		return inventory.Position{}, nil
	}
	return inventory.ParsePosition(o.text(name))
}

func (o object) texts(name string) []string {
	list, _ := o[name].([]any)
	out := []string{}
	for _, s := range list {
		out = append(out, s.(string))
	}
	return out
}

func referenceControl(top object, m *inventory.Message) (err error) {
	part := func(name string) object {
		o, _ := top[name].(map[string]any)
		return o
	}
	if o := part("load_started"); o != nil {
		m.LoadStarted = &inventory.LoadStarted{Stores: o.texts("stores"), Reason: o.text("reason")}
		for _, f := range o.objects("feeds") {
			m.LoadStarted.Feeds = append(m.LoadStarted.Feeds, inventory.FeedName{Table: f.text("table"), Mapping: inventory.MappingID(f.text("mapping"))})
		}
	}
	if o := part("chunk"); o != nil {
		rows, err := o["rows"].(json.Number).Int64()
		if err != nil {
			return err
		}
		m.Chunk = &inventory.ChunkMarker{Job: o.text("job"), Table: o.text("table"), Last: o.texts("last"), Rows: int(rows), Done: o["done"].(bool)}
		if m.Chunk.Load, err = o.position("load"); err != nil {
			return err
		}
	}
	if o := part("load_completed"); o != nil {
		m.LoadCompleted = &inventory.LoadCompleted{}
		if m.LoadCompleted.Load, err = o.position("load"); err != nil {
			return err
		}
	}
	if o := part("source_gap"); o != nil {
		m.SourceGap = &inventory.SourceGap{Reason: o.text("reason"), Detail: o.text("detail")}
	}
	if o := part("rederived"); o != nil {
		m.Rederived = &inventory.Rederived{}
		if m.Rederived.Through, err = o.position("through"); err != nil {
			return err
		}
	}
	return nil
}

func referenceEvent(e object) inventory.Event {
	op, _ := cdc.ParseOp(e.text("op"))
	event := inventory.Event{Op: op, Table: e.text("table"), Mapping: inventory.MappingID(e.text("mapping")), Row: cdc.RowKey(e.text("row"))}
	if p, ok := e["problem"].(map[string]any); ok {
		o := object(p)
		event.Problem = &inventory.Problem{Kind: inventory.ProblemKind(o.text("kind")), Rule: o.text("rule"), Reason: o.text("reason")}
	}
	for _, c := range e.objects("contributions") {
		contribution := inventory.Contribution{Leg: c.text("leg"), SKU: inventory.SKU(c.text("sku")), Location: inventory.LocationID(c.text("location"))}
		for name, q := range c["quantities"].(map[string]any) {
			kind, _ := inventory.ParseKind(name)
			contribution.Quantities[kind] = referenceQuantity(string(q.(json.Number)))
		}
		for name, bound := range map[string]*inventory.Moment{"valid_from": &contribution.Valid.From, "valid_until": &contribution.Valid.Until} {
			if n, ok := c[name].(json.Number); ok {
				ms, err := n.Int64()
				if err != nil {
					panic(err)
				}
				*bound = inventory.MomentAt(ms)
			}
		}
		event.Contributions = append(event.Contributions, contribution)
	}
	return event
}

// referenceQuantity rounds s half-even to millionths with math/big.
func referenceQuantity(s string) inventory.Quantity {
	r, ok := new(big.Rat).SetString(s)
	if !ok {
		panic("not a number")
	}
	return inventory.Quantity(roundHalfEven(r.Mul(r, big.NewRat(int64(inventory.One), 1))).Int64())
}

func roundHalfEven(r *big.Rat) *big.Int {
	q, rest := new(big.Int).QuoRem(r.Num(), r.Denom(), new(big.Int))
	twice := rest.Abs(rest).Lsh(rest, 1)
	if c := twice.Cmp(r.Denom()); c > 0 || (c == 0 && q.Bit(0) == 1) {
		q.Add(q, big.NewInt(int64(r.Sign())))
	}
	return q
}
