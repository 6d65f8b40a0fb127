package inventory

import (
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"

	"tailstock/connector/cdc"
)

// The CloudEvents attributes that are the same for every level.
const (
	cloudEventsVersion = "1.0"
	levelType          = "inventory.level.changed"
	levelSource        = "/tailstock"
	jsonContent        = "application/json"
)

// EncodeLevel appends m to b as a CloudEvents 1.0 event in JSON. Its source is
// "/tailstock", followed by a slash and the namespace if there is one, and its
// id "session-sequence", which no two events of a namespace share.
func EncodeLevel(b []byte, m *LevelMessage) []byte {
	var clock clockText
	b = append(b, `{"specversion":"`+cloudEventsVersion+`","id":"`...)
	b = appendLevelID(b, m.Version)
	b = append(b, `","source":`...)
	b = cdc.AppendJSONString(b, sourceOf(m.Namespace))
	b = append(b, `,"type":"`+levelType+`","subject":`...)
	b = cdc.AppendJSONString(b, string(m.SKU))
	if !m.UpdatedAt.IsZero() {
		b = append(b, `,"time":`...)
		b = clock.append(b, m.UpdatedAt)
	}
	b = append(b, `,"datacontenttype":"`+jsonContent+`","data":{"sku":`...)
	b = cdc.AppendJSONString(b, string(m.SKU))
	b = append(b, `,"location":`...)
	b = cdc.AppendJSONString(b, string(m.Location))
	for k, q := range m.Quantities {
		b = append(b, ',', '"')
		b = append(b, kindNames[k]...)
		b = append(b, '"', ':')
		b = q.Append(b)
	}
	b = append(b, `,"available":`...)
	b = m.Quantities.Available().Append(b)
	b = appendVersion(b, m)
	if !m.UpdatedAt.IsZero() {
		b = append(b, `,"updated_at":`...)
		b = clock.append(b, m.UpdatedAt)
	}
	b = append(b, `,"gone":`...)
	b = strconv.AppendBool(b, m.Gone)
	b = appendCause(b, &m.Level, &clock)
	return append(b, `}}`...)
}

func appendLevelID(b []byte, v Version) []byte {
	b = strconv.AppendUint(b, v.Session, 10)
	b = append(b, '-')
	return strconv.AppendUint(b, v.Sequence, 10)
}

func appendVersion(b []byte, m *LevelMessage) []byte {
	b = append(b, `,"version":{"session":`...)
	b = strconv.AppendUint(b, m.Version.Session, 10)
	b = append(b, `,"sequence":`...)
	b = strconv.AppendUint(b, m.Version.Sequence, 10)
	b = append(b, `},"first":`...)
	b = strconv.AppendUint(b, m.First, 10)
	b = append(b, `,"after":`...)
	return strconv.AppendUint(b, m.After, 10)
}

// appendCause writes nothing for a level that no commit caused.
func appendCause(b []byte, l *Level, clock *clockText) []byte {
	if l.Source == "" {
		return b
	}
	b = append(b, `,"cause":{"source":`...)
	b = cdc.AppendJSONString(b, l.Source)
	b = append(b, `,"transaction":`...)
	b = cdc.AppendJSONString(b, l.Transaction)
	b = append(b, `,"committed_at":`...)
	b = clock.append(b, l.CommittedAt)
	return append(b, '}')
}

func sourceOf(namespace string) string {
	if namespace == "" {
		return levelSource
	}
	return levelSource + "/" + namespace
}

// DecodeLevel reads what EncodeLevel writes. It is as strict as Decode about
// the fields that it knows and as lenient about others, and it fails when what
// is stated twice (id and version, available and the quantities) disagrees.
func DecodeLevel(body []byte) (LevelMessage, error) {
	var m LevelMessage
	d := levelDecoder{scanner: scanner{s: string(body)}}
	if !utf8.ValidString(d.s) {
		return m, fmt.Errorf("decode level: %w", ErrNameUTF8)
	}
	d.level(&m)
	d.end()
	if d.err != nil {
		return LevelMessage{}, fmt.Errorf("decode level: %w", d.err)
	}
	return m, nil
}

type levelDecoder struct {
	scanner
	id        string
	subject   string
	available Quantity
}

// The fields of a level event and of its data, for once; kinds take the bits
// below fieldAvailable.
const (
	fieldAvailable = 1 << (Kinds + iota)
	fieldVersion
	fieldFirst
	fieldAfter
	fieldUpdated
	fieldGone
	fieldCause
	fieldSpec
	fieldID
	fieldEventSource
	fieldType
	fieldSubject
	fieldContent
	fieldData
	fieldSession
	fieldSequence
	fieldLevelSKU
	fieldLevelLocation
)

const (
	needLevel = fieldSpec | fieldID | fieldEventSource | fieldType | fieldSubject | fieldData
	needData  = 1<<Kinds - 1 | fieldAvailable | fieldVersion | fieldFirst | fieldAfter | fieldGone |
		fieldLevelSKU | fieldLevelLocation
)

func (d *levelDecoder) level(m *LevelMessage) {
	var seen uint
	d.open('{')
	for first := true; d.next('}', first); first = false {
		name := d.key()
		switch name {
		case "specversion":
			d.once(&seen, fieldSpec)
			d.constant(cloudEventsVersion)
		case "id":
			d.once(&seen, fieldID)
			d.id = d.text()
		case "source":
			d.once(&seen, fieldEventSource)
			d.eventSource(m)
		case "type":
			d.once(&seen, fieldType)
			d.constant(levelType)
		case "subject":
			d.once(&seen, fieldSubject)
			d.subject = d.text()
		case "datacontenttype":
			d.once(&seen, fieldContent)
			d.constant(jsonContent)
		case "data":
			d.once(&seen, fieldData)
			d.data(m)
		default:
			d.skip(0)
		}
		d.in(name)
	}
	var scratch [48]byte
	switch {
	case seen&needLevel != needLevel:
		d.fail("want specversion, id, source, type, subject and data")
	case d.subject != string(m.SKU):
		d.fail("subject is not the sku")
	case d.id != string(appendLevelID(scratch[:0], m.Version)):
		d.fail("id is not that of the version")
	}
}

func (d *levelDecoder) constant(want string) {
	if d.text() != want {
		d.fail("want " + strconv.Quote(want))
	}
}

func (d *levelDecoder) eventSource(m *LevelMessage) {
	rest, ok := strings.CutPrefix(d.text(), levelSource)
	if ok && rest != "" {
		m.Namespace, ok = strings.CutPrefix(rest, "/")
		ok = ok && m.Namespace != ""
	}
	if !ok {
		d.fail("not a source of levels")
	}
}

func (d *levelDecoder) data(m *LevelMessage) {
	var seen uint
	d.open('{')
	for first := true; d.next('}', first); first = false {
		name := d.key()
		if kind, ok := ParseKind(name); ok {
			d.once(&seen, 1<<kind)
			m.Quantities[kind] = d.quantity(sumLimit)
		} else {
			d.dataField(m, name, &seen)
		}
		d.in(name)
	}
	switch {
	case seen&needData != needData:
		d.fail("want sku, location, every kind of quantity, available, version, first, after and gone")
	case d.available != m.Quantities.Available():
		d.fail("available does not follow from the quantities")
	case m.Gone && !m.Quantities.IsZero():
		d.fail("gone, and yet not zero")
	}
}

func (d *levelDecoder) dataField(m *LevelMessage, name string, seen *uint) {
	switch name {
	case "sku":
		d.once(seen, fieldLevelSKU)
		m.SKU = SKU(d.text())
		d.checkName(string(m.SKU))
	case "location":
		d.once(seen, fieldLevelLocation)
		m.Location = LocationID(d.text())
		d.checkName(string(m.Location))
	case "available":
		d.once(seen, fieldAvailable)
		d.available = d.quantity(sumLimit)
	case "version":
		d.once(seen, fieldVersion)
		d.version(&m.Version)
	case "first":
		d.once(seen, fieldFirst)
		m.First = d.counter()
	case "after":
		d.once(seen, fieldAfter)
		m.After = d.counter()
	case "updated_at":
		d.once(seen, fieldUpdated)
		m.UpdatedAt = d.time()
	case "gone":
		d.once(seen, fieldGone)
		m.Gone = d.boolean()
	case "cause":
		d.once(seen, fieldCause)
		d.cause(&m.Level)
	default:
		d.skip(0)
	}
}

// checkName keeps out what no store has: a cache makes keys and fields of it.
func (d *levelDecoder) checkName(s string) {
	if err := ValidName(s); err != nil {
		d.fail(err.Error())
	}
}

func (d *levelDecoder) version(v *Version) {
	var seen uint
	d.open('{')
	for first := true; d.next('}', first); first = false {
		name := d.key()
		switch name {
		case "session":
			d.once(&seen, fieldSession)
			v.Session = d.counter()
		case "sequence":
			d.once(&seen, fieldSequence)
			v.Sequence = d.counter()
		default:
			d.skip(0)
		}
		d.in(name)
	}
	if seen != fieldSession|fieldSequence {
		d.fail("want session and sequence")
	}
}

func (d *levelDecoder) cause(l *Level) {
	var seen uint
	d.open('{')
	for first := true; d.next('}', first); first = false {
		name := d.key()
		switch name {
		case "source":
			d.once(&seen, fieldSource)
			l.Source = d.text()
		case "transaction":
			d.once(&seen, fieldTransaction)
			l.Transaction = d.text()
		case "committed_at":
			d.once(&seen, fieldCommittedAt)
			l.CommittedAt = d.time()
		default:
			d.skip(0)
		}
		d.in(name)
	}
	if l.Source == "" || seen&fieldTransaction == 0 || seen&fieldCommittedAt == 0 {
		d.fail("want source, transaction and committed_at")
	}
}
