// Package survey is what a look at a database found: its tables with their
// columns, keys and foreign keys, and a few of their rows. Sources make it, with
// the SQL of their servers; what it means for stock is for others to say.
//
// It is plain data, and knows neither servers nor mappings.
package survey

import (
	"slices"
	"strconv"

	"tailstock/connector/cdc"
)

// Scope says what of a database is looked at.
type Scope struct {
	// Schemas are the only schemas, MySQL's databases, to look at. None means all of
	// the database that the connection names, or of the server if it names none.
	Schemas []string
	// Tables are the only tables to look at. One without a schema is meant in
	// whichever schema has it. None means all.
	Tables []cdc.TableName
	// Limit is the most tables that are looked at. Those that are first by name are.
	Limit int
}

// Covers reports whether a table is one of those that s names.
func (s *Scope) Covers(name cdc.TableName) bool {
	if len(s.Schemas) > 0 && !slices.Contains(s.Schemas, name.Schema) {
		return false
	}
	return len(s.Tables) == 0 || slices.ContainsFunc(s.Tables, func(t cdc.TableName) bool {
		return t.Name == name.Name && (t.Schema == "" || t.Schema == name.Schema)
	})
}

// Database is what was found.
type Database struct {
	// Product is the server and its version, for people: "PostgreSQL 17.2".
	Product string
	// Name is the database that the connection names, empty for none.
	Name string
	// Role is who looked, and so whose rights limit what was found.
	Role string
	// Tables are in the order of their names. Views are among them.
	Tables []Table
	// Left counts the tables beyond the limit, which were not looked at.
	Left int
	// Blind says what the server hides from the role, empty if it shows even what
	// may not be read.
	Blind string
}

// Table returns the named table, or nil.
func (d *Database) Table(name cdc.TableName) *Table {
	for i := range d.Tables {
		if d.Tables[i].Name == name {
			return &d.Tables[i]
		}
	}
	return nil
}

// Table is a table or a view.
type Table struct {
	Name cdc.TableName
	// View says that it is a view or something else that has no rows of its own.
	View bool
	// Rows is about how many rows it has, negative if nobody knows.
	Rows    int64
	Columns []Column
	// Hidden are the columns that the role may not read, where it may read others.
	Hidden []string
	// Key are the columns by which its rows are known, none if it has no key.
	Key []string
	// Unique are the sets of columns of which no two rows have the same values. The
	// key is one of them.
	Unique  [][]string
	Foreign []ForeignKey
	// Problems are what keeps it from being captured, each with what mends it.
	Problems []cdc.Finding
	// Sample are some of its rows, nil if none were read.
	Sample *Sample
}

// Column returns the named column, or nil.
func (t *Table) Column(name string) *Column {
	for i := range t.Columns {
		if t.Columns[i].Name == name {
			return &t.Columns[i]
		}
	}
	return nil
}

// IsUnique reports whether no two rows have the same values in columns.
func (t *Table) IsUnique(columns ...string) bool {
	return slices.ContainsFunc(t.Unique, func(unique []string) bool {
		return !slices.ContainsFunc(unique, func(c string) bool { return !slices.Contains(columns, c) })
	})
}

// Column is a column of a table.
type Column struct {
	cdc.Column
	NotNull bool
	// Values are the only ones that it may have, as an enumeration or a constraint
	// declares them, in the order of that. None means that nothing is declared.
	Values []string
}

// ForeignKey says that columns refer to a row of another table.
type ForeignKey struct {
	Columns []string
	Table   cdc.TableName
	// References are the columns of the other table, one for each of Columns.
	References []string
}

// Question asks for some rows of a table.
type Question struct {
	Table   cdc.TableName
	Columns []string
	// Rows is the most that are read.
	Rows int
}

// Sample are some rows of a table.
type Sample struct {
	// Columns are those that were read; rows have their values in that order.
	Columns []string
	Rows    []cdc.Row
	// Whole says that the table has no other rows.
	Whole bool
	// Problem is why the rows could not be read, empty if they were.
	Problem string
}

// Tally is what a sample says of one column.
type Tally struct {
	// Rows and Nulls count the sampled rows and those without a value.
	Rows, Nulls int
	// Values are the different ones, the most frequent first.
	Values []Count
}

// Count is a value and how many rows have it.
type Count struct {
	Value string
	Rows  int
}

// Tally counts the values of a column. Of a nil sample, or of a column that was not
// read, there are none.
func (s *Sample) Tally(column string) Tally {
	var t Tally
	if s == nil {
		return t
	}
	i := slices.Index(s.Columns, column)
	if i < 0 {
		return t
	}
	at := make(map[string]int)
	for _, row := range s.Rows {
		t.Rows++
		if row[i].IsNull() {
			t.Nulls++
			continue
		}
		value := row[i].Text()
		n, known := at[value]
		if !known {
			n = len(t.Values)
			at[value] = n
			t.Values = append(t.Values, Count{Value: value})
		}
		t.Values[n].Rows++
	}
	slices.SortStableFunc(t.Values, func(a, b Count) int { return b.Rows - a.Rows })
	return t
}

// Negative reports whether some value is a number below zero.
func (t *Tally) Negative() bool {
	return slices.ContainsFunc(t.Values, func(c Count) bool {
		f, err := strconv.ParseFloat(c.Value, 64)
		return err == nil && f < 0
	})
}

// Numeric reports whether there are values and all of them are numbers.
func (t *Tally) Numeric() bool {
	return len(t.Values) > 0 && !slices.ContainsFunc(t.Values, func(c Count) bool {
		_, err := strconv.ParseFloat(c.Value, 64)
		return err != nil
	})
}
