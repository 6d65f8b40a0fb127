package config

// resetting is what a file says of a table whose rows are no sums.
type resetting struct {
	reset bool
	// derived is the table that has what they come to, if it is known.
	derived string
}

func (r *resetting) derivedShape() shape {
	return &fixed{what: "a table", set: func(n *node) string {
		name, wrong := parseTable(n.text)
		if wrong == "" {
			r.derived = name.String()
		}
		return wrong
	}}
}

// check refuses the table at path if its rows cannot be added up, and reports whether it did.
func (r *resetting) check(d *decoder, path string) (refused bool) {
	at := join(path, "reset")
	switch {
	case !r.reset && d.has(join(path, "derived")):
		d.reportPath(join(path, "derived"), "belongs to reset: true")
	case r.reset && r.derived == "":
		d.reportPath(at, "says that rows of the table set a quantity: those before such a row count no more, so they cannot be added up; "+
			"map the table in which the database keeps what they come to instead")
	case r.reset:
		d.reportPath(at, "says that rows of the table set a quantity: those before such a row count no more, so they cannot be added up; "+
			"map table %s instead, which has what they come to", r.derived)
	}
	return r.reset
}
