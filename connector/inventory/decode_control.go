package inventory

import (
	"math"
	"slices"
)

// position reads the text of a Position that is not zero.
func (d *decoder) position() Position {
	p, err := ParsePosition(d.text())
	if d.err == nil && (err != nil || p.IsZero()) {
		d.fail("not a position")
	}
	return p
}

func (d *decoder) texts() []string {
	out := []string{}
	d.open('[')
	for first := true; d.next(']', first); first = false {
		out = append(out, d.text())
		d.at(len(out) - 1)
	}
	return out
}

func (d *decoder) loadStarted() *LoadStarted {
	var seen uint
	l := &LoadStarted{}
	d.open('{')
	for first := true; d.next('}', first); first = false {
		name := d.key()
		switch name {
		case "feeds":
			d.once(&seen, fieldFeeds)
			l.Feeds = d.feeds()
		case "stores":
			d.once(&seen, fieldStores)
			l.Stores = d.texts()
		case "reason":
			d.once(&seen, fieldReason)
			l.Reason = d.text()
		default:
			d.skip(0)
		}
		d.in(name)
	}
	if seen&fieldFeeds == 0 || seen&fieldStores == 0 {
		d.fail("want feeds and stores")
	}
	return l
}

func (d *decoder) chunk() *ChunkMarker {
	var seen uint
	c := &ChunkMarker{}
	d.open('{')
	for first := true; d.next('}', first); first = false {
		name := d.key()
		switch name {
		case "load":
			d.once(&seen, fieldLoad)
			c.Load = d.position()
		case "job":
			d.once(&seen, fieldJob)
			c.Job = d.text()
		case "table":
			d.once(&seen, fieldTable)
			c.Table = d.text()
		case "last":
			d.once(&seen, fieldLast)
			c.Last = d.texts()
		case "rows":
			d.once(&seen, fieldRows)
			c.Rows = d.rows()
		case "done":
			d.once(&seen, fieldDone)
			c.Done = d.boolean()
		default:
			d.skip(0)
		}
		d.in(name)
	}
	switch {
	case (seen&fieldLoad == 0) == (seen&fieldJob == 0):
		d.fail("want either load or job")
	case c.Table == "":
		d.fail("no table")
	case seen&fieldLast == 0 || seen&fieldRows == 0 || seen&fieldDone == 0:
		d.fail("want last, rows and done")
	}
	return c
}

func (d *decoder) rows() int {
	n := d.counter()
	if n > math.MaxInt32 {
		d.fail("rows out of range")
		return 0
	}
	return int(n)
}

func (d *decoder) loadCompleted() *LoadCompleted {
	var seen uint
	l := &LoadCompleted{}
	d.open('{')
	for first := true; d.next('}', first); first = false {
		name := d.key()
		switch name {
		case "load":
			d.once(&seen, fieldLoad)
			l.Load = d.position()
		default:
			d.skip(0)
		}
		d.in(name)
	}
	if seen&fieldLoad == 0 {
		d.fail("no load")
	}
	return l
}

func (d *decoder) sourceGap() *SourceGap {
	var seen uint
	g := &SourceGap{}
	d.open('{')
	for first := true; d.next('}', first); first = false {
		name := d.key()
		switch name {
		case "reason":
			d.once(&seen, fieldReason)
			g.Reason = d.text()
		case "detail":
			d.once(&seen, fieldDetail)
			g.Detail = d.text()
		default:
			d.skip(0)
		}
		d.in(name)
	}
	if g.Reason == "" {
		d.fail("no reason")
	}
	return g
}

func (d *decoder) rederived() *Rederived {
	var seen uint
	r := &Rederived{}
	d.open('{')
	for first := true; d.next('}', first); first = false {
		name := d.key()
		switch name {
		case "through":
			d.once(&seen, fieldThrough)
			r.Through = d.position()
		default:
			d.skip(0)
		}
		d.in(name)
	}
	if seen&fieldThrough == 0 {
		d.fail("no through")
	}
	return r
}

func (d *decoder) rederive() []Rederive {
	out := []Rederive{}
	d.open('[')
	for first := true; d.next(']', first); first = false {
		out = append(out, d.rederiveOne())
		d.at(len(out) - 1)
	}
	return out
}

func (d *decoder) rederiveOne() Rederive {
	var seen uint
	var r Rederive
	d.open('{')
	for first := true; d.next('}', first); first = false {
		name := d.key()
		switch name {
		case "table":
			d.once(&seen, fieldTable)
			r.Table = d.text()
		case "column":
			d.once(&seen, fieldColumn)
			r.Columns = []string{d.text()}
		case "columns":
			d.once(&seen, fieldColumn)
			if r.Columns = d.texts(); len(r.Columns) < 2 {
				d.fail("columns must be two or more")
			}
		case "values":
			d.once(&seen, fieldValues)
			for _, text := range d.texts() {
				r.Values = append(r.Values, []string{text})
			}
		case "rows":
			d.once(&seen, fieldValues)
			r.Values = d.rowsOfTexts()
		default:
			d.skip(0)
		}
		d.in(name)
	}
	switch {
	case r.Table == "":
		d.fail("no table")
	case (seen&fieldColumn == 0) != (seen&fieldValues == 0):
		d.fail("column and values must come together")
	case seen&fieldColumn != 0 && (slices.Contains(r.Columns, "") || len(r.Values) == 0):
		d.fail("no column, or no values")
	}
	for _, v := range r.Values {
		if len(v) != len(r.Columns) {
			d.fail("as many values as columns must come together")
		}
	}
	return r
}

func (d *decoder) rowsOfTexts() [][]string {
	var out [][]string
	d.open('[')
	for first := true; d.next(']', first); first = false {
		out = append(out, d.texts())
		d.at(len(out) - 1)
	}
	return out
}
