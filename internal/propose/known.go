package propose

import (
	"fmt"
	"slices"
	"strings"

	"tailstock/connector/cdc"
	"tailstock/connector/survey"
)

// Known is software whose database was recognised.
type Known struct {
	// Name is what presets call it: "odoo".
	Name string `json:"name"`
	// Version is the one that its columns give away, empty if they do not.
	Version string `json:"version,omitempty"`
	// Preset is the one to use, "odoo@17", empty if there is none for the version and
	// the kind of database.
	Preset string `json:"preset,omitempty"`
	// Why says what gave it away.
	Why string `json:"why"`
	// Variables are those of the preset, in its order.
	Variables []Variable `json:"variables,omitempty"`

	schema, prefix string
	// schemas and prefixes are further ones of the same software.
	schemas, prefixes []string
	// not are the versions that its columns rule out.
	not []string
	// tenants are the values of the column that tells companies apart.
	tenants []string
}

// Variable is something that a preset is told of an installation.
type Variable struct {
	Name string `json:"name"`
	// Value is what the database says of it, empty if it says nothing.
	Value string `json:"value,omitempty"`
	About string `json:"about"`
	// Default is its value where it is not given, Choices what it may be.
	Default string   `json:"default,omitempty"`
	Choices []string `json:"choices,omitempty"`
	// Required says that the preset does not do without it.
	Required bool `json:"required,omitempty"`
	// Others are further values that the database has.
	Others []string `json:"others,omitempty"`
}

// Preset is a mapping that is part of the program.
type Preset struct {
	Name string
	// Versions holds the versions of the software, the oldest first.
	Versions []string
	// Databases holds the kinds of source that it is for.
	Databases []string
	Variables []Variable
}

// signature is what tables of some software look like.
type signature struct {
	name string
	// prefixed says that installations choose a prefix of all tables' names.
	prefixed bool
	// tables have the columns that they need, the most telling table first.
	tables []signedTable
	// versions, from the newest on: the first that fits is taken.
	versions []signedVersion
	// tenant is the column that tells companies apart, tenantVariable the preset's
	// variable for it.
	tenant, tenantVariable string
}

type signedTable struct {
	name    string
	columns []string
}

// signedVersion is a version that has a table with a column, or only a table.
type signedVersion struct{ version, table, column string }

var signatures = []signature{ //nolint:gochecknoglobals // a constant of a slice type
	{
		name:   "odoo",
		tables: []signedTable{{"stock_quant", []string{"product_id", "location_id", "quantity", "reserved_quantity"}}, {"stock_location", []string{"usage"}}, {"product_product", []string{"default_code"}}},
		versions: []signedVersion{
			{"18", "product_template", "is_storable"}, {"17", "stock_move", "picked"}, {"16", "stock_lot", "id"}, {"15", "stock_production_lot", "id"},
		},
		tenant: "company_id", tenantVariable: "companies",
	},
	{
		name:     "erpnext",
		tables:   []signedTable{{"tabBin", []string{"item_code", "warehouse", "actual_qty", "reserved_qty"}}, {"tabWarehouse", []string{"name"}}},
		versions: []signedVersion{{"15", "tabBin", "reserved_stock"}, {"14", "tabBin", "reserved_qty_for_production_plan"}, {"13", "tabBin", "projected_qty"}},
	},
	{
		name: "dolibarr", prefixed: true,
		tables:   []signedTable{{"product_stock", []string{"fk_product", "fk_entrepot", "reel"}}, {"entrepot", []string{"statut"}}, {"product", []string{"ref"}}},
		versions: []signedVersion{{"20", "expeditiondet", "fk_elementdet"}, {"19", "expeditiondet", "fk_origin_line"}},
	},
	{
		name: "openboxes",
		tables: []signedTable{
			{"product_availability", []string{"product_code", "quantity_on_hand", "quantity_available_to_promise", "location_id"}}, {"location", []string{"name"}},
		},
	},
	{
		name: "idempiere",
		tables: []signedTable{
			{"m_storageonhand", []string{"m_product_id", "m_locator_id", "qtyonhand"}}, {"m_storagereservation", []string{"issotrx", "qty"}}, {"m_locator", []string{"m_warehouse_id"}},
		},
		tenant: "ad_client_id", tenantVariable: "client",
	},
	{
		name:   "adempiere",
		tables: []signedTable{{"m_storage", []string{"m_product_id", "m_locator_id", "qtyonhand", "qtyreserved", "qtyordered"}}, {"m_locator", []string{"m_warehouse_id"}}},
		tenant: "ad_client_id", tenantVariable: "client",
	},
	{
		name:   "ofbiz",
		tables: []signedTable{{"inventory_item", []string{"quantity_on_hand_total", "available_to_promise_total", "facility_id", "product_id"}}},
	},
	{
		name: "prestashop", prefixed: true,
		tables: []signedTable{{"stock_available", []string{"id_product", "id_product_attribute", "quantity", "depends_on_stock"}}, {"product", []string{"reference"}}},
		tenant: "id_shop", tenantVariable: "shop",
	},
	{
		name:   "ledgersmb",
		tables: []signedTable{{"parts", []string{"partnumber", "onhand", "rop", "obsolete"}}, {"warehouse_inventory", []string{"parts_id"}}},
	},
}

// recognise returns the software whose database d is, or nil.
func recognise(d *survey.Database, o *Options) *Known {
	for i := range signatures {
		s := &signatures[i]
		if k, first := s.match(d); k != nil {
			k.tenants = tenants(first, s.tenant)
			k.choosePreset(s, o)
			return k
		}
	}
	return nil
}

// questions asks which companies there are: the preset says the rest.
func (k *Known) questions(d *survey.Database) []survey.Question {
	for i := range signatures {
		s := &signatures[i]
		if s.name != k.Name {
			continue
		}
		if _, first := s.match(d); first.Column(s.tenant) != nil && len(first.Problems) == 0 {
			return []survey.Question{{Table: first.Name, Columns: []string{s.tenant}, Rows: sampleRows}}
		}
	}
	return nil
}

// tenants returns the values of a column, the most frequent first.
func tenants(t *survey.Table, column string) []string {
	var out []string
	tally := t.Sample.Tally(column)
	for _, v := range tally.Values {
		out = append(out, v.Value)
	}
	return out
}

// match finds a schema in which all tables of s are, under one prefix, and its table
// that tells the most. Others like it are noted.
func (s *signature) match(d *survey.Database) (k *Known, found *survey.Table) {
	for i := range d.Tables {
		first := &d.Tables[i]
		prefix, ok := strings.CutSuffix(first.Name.Name, s.tables[0].name)
		if !ok || prefix != "" && !s.prefixed {
			continue
		}
		in := func(table string) *survey.Table {
			return d.Table(cdc.TableName{Schema: first.Name.Schema, Name: prefix + table})
		}
		if slices.ContainsFunc(s.tables, func(t signedTable) bool { return !t.in(in(t.name)) }) {
			continue
		}
		switch schema := first.Name.Schema; {
		case k == nil:
			k, found = s.describe(first, prefix, in), first
		case schema != k.schema && !slices.Contains(k.schemas, schema):
			k.schemas = append(k.schemas, schema)
		case schema == k.schema:
			k.prefixes = append(k.prefixes, prefix)
		}
	}
	return k, found
}

// in reports whether a table has what the signature asks for.
func (t *signedTable) in(found *survey.Table) bool {
	return found != nil && !found.View && !slices.ContainsFunc(t.columns, func(c string) bool { return found.Column(c) == nil })
}

func (s *signature) describe(first *survey.Table, prefix string, in func(string) *survey.Table) *Known {
	k := &Known{Name: s.name, schema: first.Name.Schema, prefix: prefix}
	var names []string
	for _, t := range s.tables {
		names = append(names, prefix+t.name)
	}
	k.Why = "it has tables " + strings.Join(names, ", ") + " with the columns of " + s.name
	for _, v := range s.versions {
		if t := in(v.table); t != nil && t.Column(v.column) == nil {
			k.not = append(k.not, v.version)
		} else if t != nil {
			k.Version = v.version
			k.Why += fmt.Sprintf(", and %s.%s, which is of version %s", prefix+v.table, v.column, v.version)
			break
		}
	}
	return k
}

// choosePreset finds the preset of the version, or the newest where nothing in the
// schema tells versions apart.
func (k *Known) choosePreset(s *signature, o *Options) {
	i := slices.IndexFunc(o.Presets, func(p Preset) bool { return p.Name == k.Name && slices.Contains(p.Databases, o.Kind) })
	if i < 0 {
		return
	}
	p := &o.Presets[i]
	version := k.Version
	if version == "" {
		for _, v := range p.Versions { // the newest that is not ruled out
			if !slices.Contains(k.not, v) {
				version = v
			}
		}
		k.Why += fmt.Sprintf("; nothing in them tells the version, so that it is the newest that fits of those that the preset has (%s)", strings.Join(p.Versions, ", "))
	}
	if !slices.Contains(p.Versions, version) {
		k.Why += fmt.Sprintf("; the preset is for %s", strings.Join(p.Versions, ", "))
		return
	}
	k.Preset = p.Name + "@" + version
	k.Variables = slices.Clone(p.Variables)
	for i := range k.Variables {
		k.fill(&k.Variables[i], s)
	}
}

// fill gives a variable the value that the database has for it.
func (k *Known) fill(v *Variable, s *signature) {
	switch v.Name {
	case "schema", "database":
		v.Value, v.Others = k.schema, k.schemas
	case "prefix":
		v.Value, v.Others = k.prefix, k.prefixes
	case s.tenantVariable:
		if len(k.tenants) > 0 && (v.Required || v.Default != "") {
			v.Value = k.tenants[0]
			v.Others = k.tenants[1:]
		} else {
			v.Others = k.tenants
		}
	}
}
