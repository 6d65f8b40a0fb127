package postgres

import (
	"strings"

	"tailstock/connector/cdc"
)

// keywords are the words that cannot stand unquoted for every kind of name, in
// any of PostgreSQL 13 to 18: those of pg_get_keywords() that are not unreserved.
const keywords = " all analyse analyze and any array as asc asymmetric authorization between bigint binary bit" +
	" boolean both case cast char character check coalesce collate collation column concurrently constraint" +
	" create cross current_catalog current_date current_role current_schema current_time current_timestamp" +
	" current_user dec decimal default deferrable desc distinct do else end except exists extract false fetch" +
	" float for foreign freeze from full grant greatest group grouping having ilike in initially inner inout" +
	" int integer intersect interval into is isnull join json json_array json_arrayagg json_exists json_object" +
	" json_objectagg json_query json_scalar json_serialize json_table json_value lateral leading least left" +
	" like limit localtime localtimestamp merge_action national natural nchar none normalize not notnull null" +
	" nullif numeric offset on only or order out outer overlaps overlay placing position precision primary" +
	" real references returning right row select session_user setof similar smallint some substring symmetric" +
	" system_user table tablesample then time timestamp to trailing treat trim true union unique user using" +
	" values varchar variadic verbose when where window with xmlattributes xmlconcat xmlelement xmlexists" +
	" xmlforest xmlnamespaces xmlparse xmlpi xmlroot xmlserialize xmltable "

// quoteName returns name as an SQL identifier, quoted only where it must be.
func quoteName(name string) string {
	plain := name != "" && !strings.Contains(keywords, " "+name+" ")
	for i := 0; plain && i < len(name); i++ {
		c := name[i]
		plain = c == '_' || (c >= 'a' && c <= 'z') || (i > 0 && c >= '0' && c <= '9')
	}
	if plain {
		return name
	}
	return `"` + strings.ReplaceAll(name, `"`, `""`) + `"`
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

// quoteLiteral returns s as an SQL string, whatever standard_conforming_strings says.
func quoteLiteral(s string) string {
	s = strings.ReplaceAll(s, `'`, `''`)
	if strings.Contains(s, `\`) {
		return ` E'` + strings.ReplaceAll(s, `\`, `\\`) + `'`
	}
	return `'` + s + `'`
}
