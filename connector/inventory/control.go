package inventory

import (
	"strconv"
	"time"

	"tailstock/connector/cdc"
)

// LoadStarted begins a load: the filling of new feeds beside those that count.
// Its message's position is the load's id.
type LoadStarted struct {
	// Feeds are the tables and mappings to load; they flip together.
	Feeds []FeedName
	// Stores names the stores for which the feeds are made, by their ids.
	Stores []string
	// Reason says for people why: "new source", "mapping changed".
	Reason string
}

// ChunkMarker says that the rows of a chunk stand right before it. It is the
// durable cursor of whatever reads the table.
type ChunkMarker struct {
	// Load is the load that the chunk belongs to, zero for another backfill.
	Load Position
	// Job names the backfill or verification otherwise.
	Job   string
	Table string
	// Last is the key of the last row that was read, as texts in key order; empty
	// if the chunk had none.
	Last []string
	// Rows counts the rows that were read, those that the stream overtook included.
	Rows int
	// Done says that the table, or the stretch of it that was asked for, is complete.
	Done bool
}

// LoadCompleted ends a load: its feeds take the places of those that count.
type LoadCompleted struct{ Load Position }

// SourceGap says that changes of the source were lost before this place: what
// counts is stale until it is loaded anew.
type SourceGap struct {
	// Reason is one of the source's reasons, in lower case with underscores.
	Reason string
	Detail string
}

// Rederived says that the rows which commits up to the message at Through, that
// one included, named to be derived again, stand before this place.
type Rederived struct{ Through Position }

// StartRead opens a commit of rows that were read rather than streamed: for a
// load, or where load is zero for whatever feeds of the table count or load. name
// stands for the transaction, readAt for its time.
func (w *BodyWriter) StartRead(load Position, name string, readAt time.Time, at string) {
	w.start(name, readAt, at)
	if !load.IsZero() {
		w.b = append(w.b, `"load":`...)
		w.b = cdc.AppendJSONString(w.b, load.String())
		w.b = append(w.b, ',')
	}
	w.b = append(w.b, `"events":[`...)
}

// StartCompare opens a commit of rows that were read to be compared with what
// stores hold, for the verification of that id, which is not empty. With repair,
// stores take what differs.
func (w *BodyWriter) StartCompare(verification string, repair bool, name string, readAt time.Time) {
	w.start(name, readAt, "")
	w.b = append(w.b, `"compare":`...)
	w.b = cdc.AppendJSONString(w.b, verification)
	if repair {
		w.b = append(w.b, `,"repair":true`...)
	}
	w.b = append(w.b, `,"events":[`...)
}

// AppendLoadStarted appends the body of the message that begins a load to b.
func AppendLoadStarted(b []byte, source string, l *LoadStarted) []byte {
	b = appendHead(b, source, "load_started")
	b = append(b, `{"feeds":`...)
	b = appendFeedNames(b, l.Feeds)
	b = append(b, `,"stores":`...)
	b = appendTexts(b, l.Stores)
	b = append(b, `,"reason":`...)
	b = cdc.AppendJSONString(b, l.Reason)
	return append(b, `}}`...)
}

// AppendChunk appends the body of a chunk's marker to b.
func AppendChunk(b []byte, source string, c *ChunkMarker) []byte {
	b = appendHead(b, source, "chunk")
	if c.Load.IsZero() {
		b = append(b, `{"job":`...)
		b = cdc.AppendJSONString(b, c.Job)
	} else {
		b = append(b, `{"load":`...)
		b = cdc.AppendJSONString(b, c.Load.String())
	}
	b = append(b, `,"table":`...)
	b = cdc.AppendJSONString(b, c.Table)
	b = append(b, `,"last":`...)
	b = appendTexts(b, c.Last)
	b = append(b, `,"rows":`...)
	b = strconv.AppendInt(b, int64(c.Rows), 10)
	b = append(b, `,"done":`...)
	b = strconv.AppendBool(b, c.Done)
	return append(b, `}}`...)
}

// AppendLoadCompleted appends the body of the message that ends a load to b.
func AppendLoadCompleted(b []byte, source string, l LoadCompleted) []byte {
	b = appendHead(b, source, "load_completed")
	b = append(b, `{"load":`...)
	b = cdc.AppendJSONString(b, l.Load.String())
	return append(b, `}}`...)
}

// AppendSourceGap appends the body of the message that states a gap to b.
func AppendSourceGap(b []byte, source string, g *SourceGap) []byte {
	b = appendHead(b, source, "source_gap")
	b = append(b, `{"reason":`...)
	b = cdc.AppendJSONString(b, g.Reason)
	b = append(b, `,"detail":`...)
	b = cdc.AppendJSONString(b, g.Detail)
	return append(b, `}}`...)
}

// AppendRederived appends the body of the message that answers re-derivations to b.
func AppendRederived(b []byte, source string, r Rederived) []byte {
	b = appendHead(b, source, "rederived")
	b = append(b, `{"through":`...)
	b = cdc.AppendJSONString(b, r.Through.String())
	return append(b, `}}`...)
}

// appendRederive appends what a commit names to be derived again.
func appendRederive(b []byte, list []Rederive) []byte {
	b = append(b, `,"rederive":[`...)
	for i := range list {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, `{"table":`...)
		b = cdc.AppendJSONString(b, list[i].Table)
		if len(list[i].Columns) > 0 {
			b = appendReferring(b, list[i].Columns, list[i].Values)
		}
		b = append(b, '}')
	}
	return append(b, ']')
}

// appendReferring appends what rows refer by: one column stands for itself, and so
// do its values.
func appendReferring(b []byte, columns []string, values [][]string) []byte {
	if len(columns) > 1 {
		b = append(b, `,"columns":`...)
		b = appendTexts(b, columns)
		b = append(b, `,"rows":[`...)
	} else {
		b = append(b, `,"column":`...)
		b = cdc.AppendJSONString(b, columns[0])
		b = append(b, `,"values":[`...)
	}
	for i, v := range values {
		if i > 0 {
			b = append(b, ',')
		}
		if len(columns) > 1 {
			b = appendTexts(b, v)
		} else {
			b = cdc.AppendJSONString(b, v[0])
		}
	}
	return append(b, ']')
}

// appendHead opens the body of a control event.
func appendHead(b []byte, source, event string) []byte {
	b = append(b, `{"source":`...)
	b = cdc.AppendJSONString(b, source)
	b = append(b, `,"`...)
	b = append(b, event...)
	return append(b, `":`...)
}

func appendTexts(b []byte, texts []string) []byte {
	b = append(b, '[')
	for i, s := range texts {
		if i > 0 {
			b = append(b, ',')
		}
		b = cdc.AppendJSONString(b, s)
	}
	return append(b, ']')
}

func appendFeedNames(b []byte, feeds []FeedName) []byte {
	b = append(b, '[')
	for i := range feeds {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, `{"table":`...)
		b = cdc.AppendJSONString(b, feeds[i].Table)
		b = append(b, `,"mapping":`...)
		b = cdc.AppendJSONString(b, string(feeds[i].Mapping))
		b = append(b, '}')
	}
	return append(b, ']')
}
