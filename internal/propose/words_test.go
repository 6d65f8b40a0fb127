package propose_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"tailstock/internal/propose"
)

// Names are taken apart into words, in every language and spelling of schemas.
func TestWords(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{
		"qty_on_hand":         "qty on hand",
		"QtyOnHand":           "qty on hand",
		"qtyonhand":           "qty onhand",
		"tabBin Stock":        "tab bin stock",
		"Ware House":          "warehouse",
		"warehouse_code":      "warehouse code",
		"artikelnummer":       "artikel nummer",
		"ArtikelNr":           "artikel nr",
		"Lagerbestand":        "lagerbestand",
		"mindestbestand":      "mindest bestand",
		"bestellmenge":        "bestell menge",
		"verfügbare_menge":    "verfugbare menge",
		"qté_livrée":          "qte livree",
		"quantité réservée":   "quantite reservee",
		"emplacement":         "emplacement",
		"existencias_almacén": "existencias almacen",
		"stockonhand":         "stock onhand",
		"xyzzy":               "xyzzy",
		"":                    "",
	} {
		if got := strings.Join(propose.Words(name), " "); got != want {
			t.Errorf("%q is read as %q, want %q", name, got, want)
		}
	}
}

// Values of status columns mean different things of different rows.
func TestStates(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ subject, value, want string }{
		{"stock", "VOID", "gone"},
		{"stock", "QC", "barred"},
		{"stock", "On Hold", "barred"},
		{"stock", "pick", "good"},
		{"stock", "gesperrt", "barred"},
		{"stock", "zz", ""},
		{"order", "open", "open"},
		{"order", "IN_PROGRESS", "open"},
		{"order", "partially shipped", "done"}, // what is left open of it stands in another column
		{"order", "not shipped", ""},
		{"order", "storniert", "done"},
		{"order", "Livrée", "done"},
		{"reservation", "released", "done"},
		{"transfer", "in_transit", "away"},
		{"transfer", "requested", "open"},
		{"transfer", "shipped", "away"},
		{"move", "PRODUCT_INVENTORY", "reset"},
		{"move", "Stock Reconciliation", "reset"},
		{"move", "Wareneingang", "plus"},
		{"move", "SORTIE", "minus"},
	} {
		if got := propose.State(c.subject, c.value); got != c.want {
			t.Errorf("%s %q is %q, want %q", c.subject, c.value, got, c.want)
		}
	}
}

// A word has one meaning for each list that it stands in, and no list twice.
func TestVocabularyIsSpelledOnce(t *testing.T) {
	t.Parallel()
	if twice := propose.SpelledTwice(); len(twice) > 0 {
		t.Errorf("words with capitals, accents or blanks, which no name can have: %s", cmp.Diff([]string{}, twice))
	}
}
