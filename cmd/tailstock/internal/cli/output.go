package cli

import (
	"encoding/json"
	"fmt"
	"strings"
	"text/tabwriter"
)

// document prints v as one JSON document.
func (a *app) document(v any) error {
	b, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return fmt.Errorf("encode result: %w", err)
	}
	_, err = fmt.Fprintf(a.Out, "%s\n", b)
	return err
}

// show prints v as a JSON document if that is wanted, and otherwise what people prints.
func (a *app) show(v any, people func() error) error {
	if a.json {
		return a.document(v)
	}
	return people()
}

// table prints rows in aligned columns, the first row as a heading.
func (a *app) table(rows [][]string) error {
	w := tabwriter.NewWriter(a.Out, 0, 0, 2, ' ', 0)
	for _, row := range rows {
		if _, err := fmt.Fprintln(w, strings.TrimRight(strings.Join(row, "\t"), "\t ")); err != nil {
			return err
		}
	}
	return w.Flush()
}

// count is "1 level" or "2 levels".
func count[N int | int64 | uint64](n N, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
