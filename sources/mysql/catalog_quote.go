package mysql

import (
	"strings"

	"tailstock/connector/cdc"
)

// quoteName returns name as an SQL identifier. Backticks are right whatever
// sql_mode says, for reserved words and for every character that a name may have.
func quoteName(name string) string {
	return "`" + strings.ReplaceAll(name, "`", "``") + "`"
}

// quoteTable returns name as a qualified SQL identifier.
func quoteTable(name cdc.TableName) string {
	return quoteName(name.Schema) + "." + quoteName(name.Name)
}

// quoteNames returns names as identifiers, separated by commas.
func quoteNames(names []string) string {
	quoted := make([]string, len(names))
	for i, name := range names {
		quoted[i] = quoteName(name)
	}
	return strings.Join(quoted, ", ")
}

// cutQuotedName returns the identifier that s begins with, which the server put
// into backticks, and what follows it.
func cutQuotedName(s string) (name, rest string, ok bool) {
	if !strings.HasPrefix(s, "`") {
		return "", s, false
	}
	var b strings.Builder
	for i := 1; i < len(s); i++ {
		if s[i] != '`' {
			b.WriteByte(s[i])
			continue
		}
		if i+1 < len(s) && s[i+1] == '`' {
			b.WriteByte('`')
			i++
			continue
		}
		return b.String(), s[i+1:], true
	}
	return "", s, false
}

// quoteLiteral returns s as an SQL string for people to use.
func quoteLiteral(s string) string {
	return "'" + strings.NewReplacer(`\`, `\\`, "'", "''").Replace(s) + "'"
}
