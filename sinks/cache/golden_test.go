package cache_test

import (
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/redis/go-redis/v9"

	"tailstock/connector"
	"tailstock/connector/inventory"
	"tailstock/internal/testenv"
	"tailstock/sinks/cache"
)

var update = flag.Bool("update", false, "write the golden files anew")

// mark is how that of a replay looks, which is random.
var mark = regexp.MustCompile(`\b[0-9a-f]{12}\b`)

// TestGolden pins what is in Redis, which storefronts read and other versions of
// this program find.
func TestGolden(t *testing.T) {
	t.Parallel()
	r := testenv.Redis(t)
	o, err := redis.ParseURL(r.URL())
	if err != nil {
		t.Fatal(err)
	}
	client := redis.NewClient(o)
	defer client.Close()
	listener := client.Subscribe(t.Context(), "shop:stock:changed")
	defer listener.Close()
	if _, err := listener.Receive(t.Context()); err != nil {
		t.Fatal(err)
	}
	c := open(t, cache.Config{URL: r.URL(), Namespace: "shop"})
	if err := c.BeginReplay(t.Context(), connector.CachePlace{}, replaying(0, 3)); err != nil {
		t.Fatal(err)
	}
	apply(t, c, replaying(0, 3), replaying(3, 3), level("BRK-1234 Ä", "DC1", 1, 12_500_000),
		level("BRK-1234 Ä", "DC 2", 2, -inventory.One), gone("OIL", "DC1", 3))
	text := dump(t, client)
	if err := c.EndReplay(t.Context(), replaying(3, 3), place(3)); err != nil {
		t.Fatal(err)
	}
	apply(t, c, place(3), place(1<<53-1), level("BRK-1234 Ä", "DC1", 1<<53-1, 0))
	text += "\n" + dump(t, client)
	for range 2 {
		m, err := listener.ReceiveMessage(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		text += fmt.Sprintf("\npublished on %s: %s", m.Channel, m.Payload)
	}
	compareGolden(t, "redis.txt", text+"\n")
}

// dump returns every key with its fields.
func dump(t *testing.T, client *redis.Client) string {
	t.Helper()
	keys, err := client.Keys(t.Context(), "*").Result()
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(keys)
	var b strings.Builder
	for _, key := range keys {
		fields, err := client.HGetAll(t.Context(), key).Result()
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintln(&b, key)
		for _, field := range slices.Sorted(maps.Keys(fields)) {
			fmt.Fprintf(&b, "  %s = %s\n", field, mark.ReplaceAllString(fields[field], "<mark>"))
		}
	}
	return b.String()
}

func compareGolden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", name, diff)
	}
}
