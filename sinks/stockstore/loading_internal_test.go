package stockstore

import (
	"fmt"
	"testing"

	"tailstock/connector/cdc"
	"tailstock/connector/inventory"
)

// TestLoadMemory takes nothing for new a second time, and little for old the first.
func TestLoadMemory(t *testing.T) {
	t.Parallel()
	m := &loadMemory{}
	m.begin(1)
	m.begin(2)
	const rows = 200_000
	old := 0
	for i := range rows {
		row := rowRef{int32(1 + i%2), cdc.RowKey(fmt.Sprintf("[%d]", i/2))}
		cell := cellKey{row.feed, inventory.Cell{SKU: inventory.SKU(row.row), Location: "L"}}
		if !m.newRow(row) {
			old++
		}
		if !m.newCell(&cell) {
			old++
		}
		if m.newRow(row) || m.newCell(&cell) {
			t.Fatalf("row %v or cell %v is new twice", row, cell)
		}
	}
	if old > rows/100 {
		t.Errorf("%d of %d rows and cells were taken for old", old, 2*rows)
	}
	if m.newRow(rowRef{3, "[1]"}) {
		t.Error("a row of a feed that was not seen from its beginning is new")
	}
	m.end(1)
	if m.newRow(rowRef{1, "[x]"}) || !m.newRow(rowRef{2, "[x]"}) {
		t.Error("only feeds that load have new rows")
	}
}

// TestLoadMemoryCountsAtItsPlace forgets what it knows when the source stands elsewhere.
func TestLoadMemoryCountsAtItsPlace(t *testing.T) {
	t.Parallel()
	at := func(n uint64) inventory.Position { return inventory.Position{Run: 1, Number: n} }
	var l loadMemories
	m := l.get("wms", "log", at(1))
	m.begin(1)
	if l.get("wms", "log", at(1)) != m {
		t.Error("a batch that failed cost the memory")
	}
	l.moved("wms", m, "log", at(2))
	if l.get("wms", "log", at(2)) != m {
		t.Error("the memory did not move with the source")
	}
	if l.get("erp", "log", at(2)) == m {
		t.Error("two sources share a memory")
	}
	for _, other := range []*loadMemory{l.get("wms", "log", at(1)), l.get("wms", "other", at(2))} {
		if other == m || other.newRow(rowRef{1, "[1]"}) {
			t.Error("the memory of another place counts")
		}
	}
	last := l.get("wms", "log", at(3))
	last.begin(1)
	last.end(1)
	l.moved("wms", last, "log", at(4))
	if len(l.sources) != 1 || l.forget("wms") {
		t.Error("a memory without feeds is kept")
	}
}
