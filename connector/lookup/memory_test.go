package lookup_test

import (
	"fmt"
	"runtime"
	"strconv"
	"testing"

	"tailstock/connector/cdc"
	"tailstock/connector/lookup"
)

// codes fills a table with rows of a key and a code of 20 bytes.
func codes(rows int) *lookup.Table {
	table := lookup.New([]string{"part_no"})
	values := make([]cdc.Value, 1)
	for i := range rows {
		values[0] = cdc.Text(fmt.Sprintf("PART-%015d", i))
		table.Put(strconv.Itoa(1_000_000+i), values)
	}
	return table
}

// TestFiveMillionRows holds five million rows of a key and a code of 20 bytes to
// 600 MiB, by what the process takes for them and by what the table says.
func TestFiveMillionRows(t *testing.T) { //nolint:paralleltest // it measures the process
	if testing.Short() {
		t.Skip("fills half a gigabyte")
	}
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	table := codes(5_000_000)
	runtime.GC()
	runtime.ReadMemStats(&after)
	const most = 600 << 20
	took := int64(after.HeapAlloc) - int64(before.HeapAlloc)
	t.Logf("%d MiB in use, %d MiB by the table's own count, %d MiB from the system", took>>20, table.Bytes()>>20, (after.Sys-before.Sys)>>20)
	if took > most || int64(after.Sys-before.Sys) > most {
		t.Errorf("five million rows take %d bytes, want at most %d", took, most)
	}
	if own := table.Bytes(); own < took*9/10 || own > took*11/10 {
		t.Errorf("the table says %d bytes, and it takes %d", own, took)
	}
	if r, ok := table.Find("5999999"); !ok || table.Value(r, 0).Text() != "PART-000000004999999" {
		t.Errorf("the last row is not there")
	}
}

func BenchmarkFind(b *testing.B) {
	table := codes(100_000)
	keys := make([]string, 1024)
	for i := range keys {
		keys[i] = strconv.Itoa(1_000_000 + i*97%100_000)
	}
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		r, ok := table.Find(keys[i%len(keys)])
		if !ok || table.Value(r, 0).Text() == "" {
			b.Fatal("not found")
		}
		i++
	}
}

func BenchmarkPut(b *testing.B) {
	table := codes(100_000)
	values := []cdc.Value{cdc.Text("PART-000000000000000")}
	keys := make([]string, 1024)
	for i := range keys {
		keys[i] = strconv.Itoa(1_000_000 + i*97%100_000)
	}
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		table.Put(keys[i%len(keys)], values)
		i++
	}
}
