package spelling_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"tailstock/internal/spelling"
)

func TestNearMisses(t *testing.T) {
	t.Parallel()
	candidates := []string{"qty", "qty_on_hand", "quantity", "SKU", "sku_old", "id", "reserved_qty"}
	for _, c := range []struct {
		name string
		want []string
	}{
		{"qtty", []string{"qty"}},
		{"sku", []string{"SKU"}},
		{"quantiti", []string{"quantity"}},
		{"qty_onhand", []string{"qty_on_hand"}},
		{"warehouse", nil},
		{"", nil},
		{"ix", nil},
	} {
		if diff := cmp.Diff(c.want, spelling.NearMisses(c.name, candidates)); diff != "" {
			t.Errorf("NearMisses(%q) (-want +got):\n%s", c.name, diff)
		}
	}
}
