package sourcetest

import (
	"context"
	"database/sql"
	"fmt"
	"strings"

	"pgregory.net/rapid"
)

// workload draws transactions and executes them.
type workload struct {
	t       *rapid.T
	dialect Dialect
	// texts are SQL values for the large column.
	texts []string
	// truncate says that TRUNCATE may stand in a transaction.
	truncate bool
	// log has the statements so far, abridged.
	log []string
}

// run executes one transaction, which commits or rolls back.
func (w *workload) run(db *sql.DB) {
	var statements []string
	savepoints := 0
	for range rapid.IntRange(1, 6).Draw(w.t, "statements") {
		statements = append(statements, w.statement()...)
		switch rapid.IntRange(0, 9).Draw(w.t, "savepoint") {
		case 0:
			savepoints++
			statements = append(statements, fmt.Sprintf("SAVEPOINT s%d", savepoints))
		case 1:
			if savepoints > 0 {
				statements = append(statements, fmt.Sprintf("ROLLBACK TO SAVEPOINT s%d", savepoints))
			}
		}
	}
	commit := rapid.IntRange(0, 5).Draw(w.t, "commit") > 0
	end := "COMMIT"
	if !commit {
		end = "ROLLBACK"
	}
	for _, s := range append(statements, end) {
		w.log = append(w.log, abridge(s))
	}
	if err := inTransaction(context.Background(), db, commit, statements...); err != nil {
		w.t.Fatalf("%v", err)
	}
}

// statement draws a change that cannot fail, as one or two statements.
func (w *workload) statement() []string {
	id := rapid.IntRange(1, workloadIDs).Draw(w.t, "id")
	other := rapid.IntRange(1, workloadIDs).Draw(w.t, "other id")
	site := fmt.Sprintf("DC%d", rapid.IntRange(1, workloadSites).Draw(w.t, "site"))
	qty := rapid.IntRange(-5, 500).Draw(w.t, "qty")
	text := rapid.SampledFrom(w.texts).Draw(w.t, "text")
	switch rapid.IntRange(0, 10).Draw(w.t, "kind") {
	case 0, 1:
		return []string{fmt.Sprintf("DELETE FROM note WHERE id = %d", id), fmt.Sprintf("INSERT INTO note VALUES (%d, %d, %s, NULL)", id, qty, text)}
	case 2:
		return []string{fmt.Sprintf("UPDATE note SET qty = %d WHERE id <= %d", qty, id)}
	case 3:
		return []string{fmt.Sprintf("UPDATE note SET body = %s WHERE id = %d", text, id)}
	case 4:
		if id == other {
			return nil
		}
		return []string{fmt.Sprintf("DELETE FROM note WHERE id = %d", other), fmt.Sprintf("UPDATE note SET id = %d WHERE id = %d", other, id)}
	case 5:
		return []string{fmt.Sprintf("DELETE FROM note WHERE id = %d", id)}
	case 6:
		return []string{fmt.Sprintf("DELETE FROM bin WHERE bin = %d", id), w.insertBins(id, qty)}
	case 7:
		return []string{fmt.Sprintf("UPDATE bin SET qty = qty + 0.001, sku = NULL WHERE site = '%s'", site)}
	case 8:
		return []string{
			fmt.Sprintf("DELETE FROM bin WHERE site = '%s'", site),
			fmt.Sprintf("UPDATE bin SET site = '%s' WHERE site = 'DC1' AND bin = %d", site, id),
		}
	case 9:
		return []string{fmt.Sprintf("DELETE FROM bin WHERE bin > %d", id)}
	default:
		if w.truncate && id == 1 {
			return []string{"TRUNCATE TABLE bin"}
		}
		return []string{fmt.Sprintf("UPDATE note SET qty = qty WHERE id = %d", id)}
	}
}

// insertBins inserts a bin at every site, the rows of which are gone.
func (w *workload) insertBins(bin, qty int) string {
	rows := make([]string, workloadSites)
	for i := range rows {
		rows[i] = fmt.Sprintf("('DC%d', %d, %d.5, 'SKU-%d')", i+1, bin, qty+i, bin)
	}
	return "INSERT INTO bin VALUES " + strings.Join(rows, ", ")
}
