package mapping_test

import (
	"strings"
	"testing"
	"time"

	"tailstock/connector/cdc"
	"tailstock/connector/inventory"
	"tailstock/connector/mapping"
)

// validity maps a row whose column x holds value, with x for both bounds.
func validity(t *testing.T, zone string, typ cdc.Type, value cdc.Value) (inventory.Validity, *inventory.Problem) {
	t.Helper()
	table, row := tableOf([]cell{{"x", typ, value}})
	r := rule("1")
	r.ValidFrom, r.ValidUntil = written("x"), written("x")
	m, err := compileIn(t, &mapping.Vocabulary{TimeZone: written(zone)}, r)
	if err != nil {
		t.Fatal(err)
	}
	p, err := m.Bind(table, nil)
	if err != nil {
		t.Fatal(err)
	}
	out, problem := p.Map(row, nil)
	if problem != nil {
		return inventory.Validity{}, problem
	}
	return out[0].Valid, nil
}

// The daylight saving of 2026 in Amsterdam: on March 29 the clocks go from 02:00 to
// 03:00, on October 25 from 03:00 to 02:00. In Lord Howe they move by half an hour,
// in Santiago at midnight; Apia had no December 30, 2011.
func TestTimeZones(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		zone  string
		typ   cdc.Type
		value string
		want  string
	}{
		{"", cdc.TypeDate, "2026-07-01", "2026-07-01T00:00:00Z"},
		{"UTC", cdc.TypeTimestamp, "2026-07-01 12:30:15.123999", "2026-07-01T12:30:15.123Z"},
		{"Europe/Amsterdam", cdc.TypeDate, "2026-07-01", "2026-06-30T22:00:00Z"},
		{"Europe/Amsterdam", cdc.TypeDate, "2026-01-01", "2025-12-31T23:00:00Z"},
		{"Europe/Amsterdam", cdc.TypeTimestamp, "2026-03-29 01:59:59.999", "2026-03-29T00:59:59.999Z"},
		{"Europe/Amsterdam", cdc.TypeTimestamp, "2026-03-29 02:00:00", "2026-03-29T01:00:00Z"},
		{"Europe/Amsterdam", cdc.TypeTimestamp, "2026-03-29 02:30:00", "2026-03-29T01:00:00Z"},
		{"Europe/Amsterdam", cdc.TypeTimestamp, "2026-03-29 03:00:00", "2026-03-29T01:00:00Z"},
		{"Europe/Amsterdam", cdc.TypeTimestamp, "2026-10-25 01:59:59", "2026-10-24T23:59:59Z"},
		{"Europe/Amsterdam", cdc.TypeTimestamp, "2026-10-25 02:30:00", "2026-10-25T00:30:00Z"},
		{"Europe/Amsterdam", cdc.TypeTimestamp, "2026-10-25 03:00:00", "2026-10-25T02:00:00Z"},
		{"Australia/Lord_Howe", cdc.TypeTimestamp, "2026-10-04 02:15:00", "2026-10-03T15:30:00Z"},
		{"Australia/Lord_Howe", cdc.TypeTimestamp, "2026-04-05 01:45:00", "2026-04-04T14:45:00Z"},
		{"America/Santiago", cdc.TypeDate, "2026-09-06", "2026-09-06T04:00:00Z"},
		{"Pacific/Apia", cdc.TypeDate, "2011-12-30", "2011-12-30T10:00:00Z"},
		{"Pacific/Apia", cdc.TypeDate, "2011-12-31", "2011-12-30T10:00:00Z"},
		{"Asia/Kathmandu", cdc.TypeDate, "2026-07-01", "2026-06-30T18:15:00Z"},
		{"Europe/Amsterdam", cdc.TypeTimestampTZ, "2026-03-29 02:30:00+00", "2026-03-29T02:30:00Z"},
		{"Europe/Amsterdam", cdc.TypeText, "2026-07-01T12:00Z", "2026-07-01T12:00:00Z"},
		{"Europe/Amsterdam", cdc.TypeText, "2026-07-01 12:00:00.5-05:30", "2026-07-01T17:30:00.5Z"},
		{"Europe/Amsterdam", cdc.TypeText, "2026-07-01 12:00+0530", "2026-07-01T06:30:00Z"},
		{"Europe/Amsterdam", cdc.TypeText, " 20260701 ", "2026-06-30T22:00:00Z"},
		{"Europe/Amsterdam", cdc.TypeDate, "2024-02-29", "2024-02-28T23:00:00Z"},
		{"Europe/Amsterdam", cdc.TypeDate, "0044-03-15 BC", "0001-01-01T00:00:00Z"},
		{"Europe/Amsterdam", cdc.TypeTimestampTZ, "0044-03-15 10:00:00+00 BC", "0001-01-01T00:00:00Z"},
		{"Europe/Amsterdam", cdc.TypeDate, "294276-12-31", "9999-12-31T23:59:59.999Z"},
	} {
		v, problem := validity(t, tt.zone, tt.typ, cdc.Text(tt.value))
		if problem != nil {
			t.Errorf("%s in %s: %v", tt.value, tt.zone, problem)
			continue
		}
		if got := v.From.Time().Format(time.RFC3339Nano); v.From.IsZero() || got != tt.want || v.Until != v.From {
			t.Errorf("%s in %s is %s, until %v; want %s", tt.value, tt.zone, got, v.Until, tt.want)
		}
	}
}

// What is later by the clock is never earlier, in a year of each zone.
func TestTimeZonesKeepOrder(t *testing.T) {
	t.Parallel()
	for _, zone := range []string{"Europe/Amsterdam", "Australia/Lord_Howe", "America/Santiago", "UTC"} {
		table, row := tableOf([]cell{{"x", cdc.TypeTimestamp, cdc.Null}})
		r := rule("1")
		r.ValidFrom = written("x")
		m, err := compileIn(t, &mapping.Vocabulary{TimeZone: written(zone)}, r)
		if err != nil {
			t.Fatal(err)
		}
		p, err := m.Bind(table, nil)
		if err != nil {
			t.Fatal(err)
		}
		location, err := time.LoadLocation(zone)
		if err != nil {
			t.Fatal(err)
		}
		var last int64
		var out []inventory.Contribution
		for clock := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC); clock.Year() == 2026; clock = clock.Add(15 * time.Minute) {
			row[0] = cdc.Text(clock.Format(time.DateTime))
			if out, _ = p.Map(row, out[:0]); len(out) != 1 {
				t.Fatalf("%v in %s is refused", clock, zone)
			}
			at := out[0].Valid.From
			if at.Milliseconds() < last {
				t.Fatalf("%v in %s is %v, before what is earlier by the clock", clock, zone, at.Time())
			}
			last = at.Milliseconds()
			// Go picks one of the two where there are two, and a neighbour where there is none.
			want := time.Date(2026, clock.Month(), clock.Day(), clock.Hour(), clock.Minute(), 0, 0, location)
			if shown := at.Time().In(location).Format(time.DateTime); shown == clock.Format(time.DateTime) && want.Sub(at.Time()).Abs() > time.Hour {
				t.Fatalf("%v in %s is %v, and Go has %v", clock, zone, at.Time(), want)
			} else if shown < clock.Format(time.DateTime) {
				t.Fatalf("%v in %s is %v, when clocks show %s", clock, zone, at.Time(), shown)
			}
		}
	}
}

func TestBoundsThatAreNone(t *testing.T) {
	t.Parallel()
	first, last := time.Date(1, 1, 1, 0, 0, 0, 0, time.UTC), time.Date(9999, 12, 31, 23, 59, 59, 999_000_000, time.UTC)
	for _, tt := range []struct {
		value cdc.Value
		want  inventory.Validity
	}{
		{cdc.Null, inventory.Validity{}},
		{cdc.Text("0000-00-00"), inventory.Validity{}},
		{cdc.Text("0000-00-00 00:00:00"), inventory.Validity{}},
		{cdc.Text("0000-00-00 00:00:00.000000+00"), inventory.Validity{}},
		{cdc.Text("00000000"), inventory.Validity{}},
		{cdc.Text("infinity"), inventory.Validity{From: inventory.MomentOf(last)}},
		{cdc.Text("-infinity"), inventory.Validity{Until: inventory.MomentOf(first)}},
	} {
		got, problem := validity(t, "Europe/Amsterdam", cdc.TypeText, tt.value)
		if problem != nil || got != tt.want {
			t.Errorf("%v: %v, %v; want %v", tt.value, got, problem, tt.want)
		}
	}
}

func TestTextsThatAreNoDates(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		"", "soon", "2026", "2026-11", "2026-1-1", "26-11-27", "2026-00-01", "2026-11-00", "2026-13-01", "2026-11-31", "2025-02-29",
		"2026-11-27 ", "2026-11-27 8:00", "2026-11-27 24:00", "2026-11-27 23:60", "2026-11-27 23:59:60", "2026-11-27 08:00:00.",
		"2026-11-27 08:00 CET", "2026-11-27 08:00+1", "2026-11-27 08:00+01:0", "2026-11-27 08:00Z+01", "2026-11-27Z", "2026-11-27+01",
		"20261131", "2026112", "202611270", "2026-11-27x", "2026-11-27 08", "0000-00-00 BC", "0000-01-00", "1234567-01-01", "Infinity", "١٩٧٠-01-01",
	} {
		v, problem := validity(t, "UTC", cdc.TypeText, cdc.Text(text))
		if strings.TrimSpace(text) != text { // blanks at the ends are those of char(n)
			if problem != nil {
				t.Errorf("%q: %v", text, problem)
			}
			continue
		}
		if problem == nil || problem.Kind != inventory.Rejected || problem.Rule != "contributes[0].valid_from" ||
			!strings.HasSuffix(problem.Reason, " is no date or time") {
			t.Errorf("%q: %v, problem %v; want a rejected row", text, v, problem)
		}
	}
}

// The zone is part of what a mapping is, where it matters and nowhere else.
func TestTimeZoneInCanonicalText(t *testing.T) {
	t.Parallel()
	plain, timed := rule("1"), rule("1")
	timed.ValidFrom = written("day")
	id := func(zone string, r mapping.Rule) inventory.MappingID {
		m, err := compileIn(t, &mapping.Vocabulary{TimeZone: written(zone)}, r)
		if err != nil {
			t.Fatal(err)
		}
		again, err := mapping.Parse(m.Canonical())
		if err != nil || again.ID() != m.ID() {
			t.Fatalf("%s: parsed %v, %v", m.Canonical(), again, err)
		}
		return m.ID()
	}
	if id("", plain) != id("Europe/Amsterdam", plain) {
		t.Error("the zone counts for a mapping without dates")
	}
	if id("", timed) == id("Europe/Amsterdam", timed) || id("", timed) != id("UTC", timed) || id("", timed) == id("", plain) {
		t.Error("the zone or the bound does not count")
	}
	for _, zone := range []string{"Local", "Europe/Atlantis", "../zone", "CEST", strings.Repeat("x", 65)} {
		v := &mapping.Vocabulary{TimeZone: at(3, 14, zone)}
		if errs := v.Check("c.yaml"); len(errs) != 1 || !strings.Contains(errs[0].Error(), "c.yaml:3:14: time_zone: ") {
			t.Errorf("zone %q: %v", zone, errs)
		}
	}
	if _, err := mapping.Parse([]byte(strings.Replace(string(mustCanonical(t, timed)), `}]}`, `}],"time_zone":"Europe/Atlantis"}`, 1))); err == nil {
		t.Error("a canonical text in an unknown zone is taken")
	}
}

func mustCanonical(t *testing.T, r mapping.Rule) []byte {
	t.Helper()
	return compile(t, r).Canonical()
}

// A bound costs no allocation.
func TestBoundsDoNotAllocate(t *testing.T) {
	table, row := tableOf([]cell{{"x", cdc.TypeTimestamp, cdc.Text("2026-11-27 08:00:00")}})
	r := rule("1")
	r.ValidFrom, r.ValidUntil = written("x"), written("x")
	m, err := compileIn(t, &mapping.Vocabulary{TimeZone: written("Europe/Amsterdam")}, r)
	if err != nil {
		t.Fatal(err)
	}
	p, err := m.Bind(table, nil)
	if err != nil {
		t.Fatal(err)
	}
	out := make([]inventory.Contribution, 0, 1)
	if n := testing.AllocsPerRun(100, func() { out, _ = p.Map(row, out[:0]) }); n != 0 {
		t.Errorf("%v allocations per row, want none", n)
	}
}

// FuzzMoments checks that no text makes trouble, and that what is read is what it says.
func FuzzMoments(f *testing.F) {
	for _, seed := range []string{"2026-11-27", "20261127", "2026-11-27 08:00:00.123456+01:30", "0000-00-00", "-infinity", "0044-03-15 BC", "2026-02-30"} {
		f.Add(seed)
	}
	table, _ := tableOf([]cell{{"x", cdc.TypeText, cdc.Null}})
	r := rule("1")
	r.ValidFrom = written("x")
	m, err := mapping.Compile(table.Name, mapping.Spec{Contributes: []mapping.Rule{r}, Vocabulary: &mapping.Vocabulary{TimeZone: written("Europe/Amsterdam")}})
	if err != nil {
		f.Fatal(err)
	}
	p, err := m.Bind(table, nil)
	if err != nil {
		f.Fatal(err)
	}
	zone, err := time.LoadLocation("Europe/Amsterdam")
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, text string) {
		out, problem := p.Map(cdc.Row{cdc.Text(text)}, nil)
		for layout, in := range map[string]*time.Location{time.DateOnly: zone, time.DateTime: zone, time.RFC3339: time.UTC} {
			want, err := time.ParseInLocation(layout, text, in)
			if err != nil || want.Year() < 2 || strings.Contains(text, ",") {
				continue
			}
			if problem != nil {
				t.Fatalf("%q is refused: %v", text, problem)
			}
			if got := out[0].Valid.From.Time(); got.Sub(want).Abs() > time.Hour {
				t.Fatalf("%q is %v, want %v", text, got, want)
			}
		}
	})
}
