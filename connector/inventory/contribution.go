package inventory

// SKU identifies a sellable part. 1 to MaxName bytes of UTF-8 without control characters.
type SKU string

// LocationID identifies a place that holds stock. The same limits as SKU.
type LocationID string

// Kind is a kind of quantity that a cell holds.
type Kind uint8

// The kinds of quantity. Available is not one of them: it is derived.
const (
	OnHand Kind = iota
	Committed
	Unavailable
	SafetyStock
	Incoming
	// Kinds is how many there are.
	Kinds = int(Incoming) + 1
)

var kindNames = [Kinds]string{"on_hand", "committed", "unavailable", "safety_stock", "incoming"} //nolint:gochecknoglobals // a constant of an array type

// String returns the name of k on the wire, in configuration and in the store.
func (k Kind) String() string { return kindNames[k] }

// ParseKind returns the Kind with the given name, or false.
func ParseKind(s string) (Kind, bool) {
	for i, name := range kindNames {
		if name == s {
			return Kind(i), true
		}
	}
	return 0, false
}

// Quantities holds one Quantity per Kind.
type Quantities [Kinds]Quantity

// Available is what can be sold: on hand less committed, unavailable and safety
// stock. It may be negative and is never clipped.
func (q Quantities) Available() Quantity {
	return q[OnHand] - q[Committed] - q[Unavailable] - q[SafetyStock]
}

// IsZero reports whether every kind is zero.
func (q Quantities) IsZero() bool { return q == Quantities{} }

// Plus returns the sum of q and o, kind by kind.
func (q Quantities) Plus(o Quantities) Quantities {
	for i := range q {
		q[i] += o[i]
	}
	return q
}

// Minus returns q less o, kind by kind.
func (q Quantities) Minus(o Quantities) Quantities {
	for i := range q {
		q[i] -= o[i]
	}
	return q
}

// Cell is where quantities are summed: one SKU at one location.
type Cell struct {
	SKU      SKU
	Location LocationID
}

// Contribution is what one leg of a row's mapping adds to one cell.
type Contribution struct {
	// Leg names the rule within the mapping, unique per row and mapping.
	Leg        string
	SKU        SKU
	Location   LocationID
	Quantities Quantities
	// Valid is when the contribution counts. Stores keep it at all times.
	Valid Validity
}
