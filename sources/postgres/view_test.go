package postgres

import "testing"

// TestRecordEnd takes the headers of pages off, that of a file's first page too.
func TestRecordEnd(t *testing.T) {
	t.Parallel()
	const page, segment = 8192, 16 << 20
	for position, want := range map[lsn]lsn{
		0x30F2018:               0x30F2000, // observed: insert position at a page boundary
		0x306C028:               0x306C028, // observed: the end of a record
		3*segment + 40:          3 * segment,
		3*segment + 24:          3 * segment,
		3*segment + page + 24:   3*segment + page,
		3*segment + page + 40:   3*segment + page + 40,
		3*segment + page + 8184: 3*segment + page + 8184,
		3 * segment:             3 * segment,
	} {
		if got := recordEnd(position, page, segment); got != want {
			t.Errorf("%s: got %s, want %s", position, got, want)
		}
	}
}
