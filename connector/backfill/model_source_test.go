package backfill_test

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"tailstock/connector/cdc"
)

// This file is the source of the exhaustive model: commit orders, and what is to be
// seen of them.

const (
	modelRows = 2
	modelTxs  = 3
)

// image is a row: which transaction wrote v and which wrote big, 0 for the rows
// that were there at first. The zero image is no row.
type image struct {
	there  bool
	v, big uint8
}

// unknown is what a store holds that does not know better.
var unknown = image{there: true, v: 99, big: 99}

type table [modelRows]image

// shape is what a transaction does, as a list of steps such as "wa" or "mab".
//
//	w: write a row whole      p: update it without sending big
//	d: delete it              t: truncate
//	m: move it to another key n: the same without sending big
type shape []string

var shapes = []shape{
	{"wa"},
	{"wb"},
	{"pa"},
	{"pb"},
	{"da"},
	{"db"},
	{"mab"},
	{"mba"},
	{"nab"},
	{"nba"},
	{"wa", "wb"},
	{"da", "db"},
	{"wa", "db"},
	{"da", "wb"},
	{"da", "wa"},
	{"db", "wb"},
	{"t"},
	{"t", "wa"},
	{"t", "wb"},
}

// mirrored maps each shape to the one with the two rows exchanged.
var mirrored = func() []int {
	exchange := strings.NewReplacer("a", "b", "b", "a")
	index := make(map[string]int)
	for i, s := range shapes {
		index[sorted(s, strings.NewReplacer())] = i
	}
	out := make([]int, len(shapes))
	for i, s := range shapes {
		out[i] = index[sorted(s, exchange)]
	}
	return out
}()

func sorted(s shape, exchange *strings.Replacer) string {
	steps := make([]string, len(s))
	for i := range s {
		steps[i] = exchange.Replace(s[i])
	}
	slices.Sort(steps)
	return strings.Join(steps, " ")
}

// scenario is a commit order.
type scenario struct {
	first  table
	shapes [modelTxs]shape
	// conflicts holds, for each transaction, the earlier ones that it waits for.
	conflicts [modelTxs]uint8
	truncates uint8
	partial   uint8
	// after[s] is the table as whoever sees the transactions in s sees it.
	after [1 << modelTxs]table
	txs   [modelTxs]*cdc.Transaction
	nets  [modelTxs][]cdc.NetChange
}

var modelTable = &cdc.Table{
	Name: cdc.TableName{Schema: "public", Name: "part"}, Key: []int{0},
	Columns: []cdc.Column{{Name: "id", Type: cdc.TypeText}, {Name: "v", Type: cdc.TypeInteger}, {Name: "big", Type: cdc.TypeInteger}},
}

func name(row int) string { return string(rune('a' + row)) }

func number(n uint8) cdc.Value { return cdc.Text(strconv.Itoa(int(n))) }

func rowOf(key int, i image) cdc.Row {
	return cdc.Row{cdc.Text(name(key)), number(i.v), number(i.big)}
}

func imageOf(row cdc.Row) image {
	v, _ := strconv.Atoi(row[1].Text())
	big, _ := strconv.Atoi(row[2].Text())
	return image{true, uint8(v), uint8(big)}
}

// newScenario returns nil if a shape makes no sense where it stands.
func newScenario(first table, which [modelTxs]int) *scenario {
	s := &scenario{first: first}
	var rows [modelTxs]uint8 // touched
	at := first
	for i, w := range which {
		s.shapes[i] = shapes[w]
		tx := &cdc.Transaction{ID: strconv.Itoa(i), Last: true, Resume: resumeAt(i + 1), At: "for people"}
		for _, step := range s.shapes[i] {
			c, ok := s.apply(&at, step, uint8(i+1))
			if !ok {
				return nil
			}
			tx.Changes = append(tx.Changes, c)
			for _, r := range step[1:] {
				rows[i] |= 1 << (r - 'a')
			}
			if step[0] == 't' {
				rows[i] = 1<<modelRows - 1
				s.truncates |= 1 << i
			}
			if step[0] == 'p' || step[0] == 'n' {
				s.partial |= 1 << i
			}
		}
		for j := range i {
			if rows[i]&rows[j] != 0 {
				s.conflicts[i] |= 1 << j
			}
		}
		var n cdc.Netter
		changes, err := n.Net(tx)
		if err != nil {
			panic(err)
		}
		s.txs[i], s.nets[i] = tx, changes
	}
	for seen := range s.after {
		s.after[seen] = s.as(uint8(seen))
	}
	return s
}

// apply does one step to at and returns how the source logs it.
func (s *scenario) apply(at *table, step string, tx uint8) (cdc.Change, bool) {
	if step == "t" {
		*at = table{}
		return cdc.Change{Op: cdc.OpTruncate, Table: modelTable}, true
	}
	r := int(step[1] - 'a')
	old := at[r]
	switch step[0] {
	case 'w':
		at[r] = image{true, tx, tx}
		if !old.there {
			return cdc.Change{Op: cdc.OpInsert, Table: modelTable, After: rowOf(r, at[r])}, true
		}
		return cdc.Change{Op: cdc.OpUpdate, Table: modelTable, After: rowOf(r, at[r])}, true
	case 'p':
		at[r] = image{old.there, tx, old.big}
		after := rowOf(r, at[r])
		after[2] = cdc.Unchanged
		return cdc.Change{Op: cdc.OpUpdate, Table: modelTable, After: after}, old.there
	case 'd':
		at[r] = image{}
		return cdc.Change{Op: cdc.OpDelete, Table: modelTable, Before: keyRow(r)}, old.there
	}
	to := int(step[2] - 'a')
	free := !at[to].there
	moved := image{old.there, tx, tx}
	if step[0] == 'n' {
		moved.big = old.big
	}
	at[r], at[to] = image{}, moved
	after := rowOf(to, moved)
	if step[0] == 'n' {
		after[2] = cdc.Unchanged
	}
	return cdc.Change{Op: cdc.OpUpdate, Table: modelTable, Before: keyRow(r), After: after}, old.there && free
}

func keyRow(r int) cdc.Row { return cdc.Row{cdc.Text(name(r)), cdc.Unchanged, cdc.Unchanged} }

// as returns the table as seen by whoever sees the given transactions.
func (s *scenario) as(seen uint8) table {
	at := s.first
	for i := range modelTxs {
		if seen&(1<<i) == 0 {
			continue
		}
		for _, step := range s.shapes[i] {
			s.apply(&at, step, uint8(i+1))
		}
	}
	return at
}

func (s *scenario) String() string {
	var b strings.Builder
	for r, i := range s.first {
		if i.there {
			b.WriteString(name(r))
		}
	}
	for _, sh := range s.shapes {
		fmt.Fprintf(&b, " | %s", strings.Join(sh, " "))
	}
	return b.String()
}
