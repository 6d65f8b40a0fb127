package mapping

import (
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// partnoVersion counts the meanings that partno has had, as language does.
const partnoVersion = 1

// PartnoRules say how partno brings part numbers into the form by which they are compared.
type PartnoRules struct {
	Place Place
	// Strip holds the characters that do not count. Nil is DefaultStrip.
	Strip *string
	// Brands have other rules than the rest.
	Brands []PartnoBrand
	// RejectCollisions has rows rejected whose part number becomes one with another,
	// instead of that being reported.
	RejectCollisions bool
}

// PartnoBrand is the rule for one brand.
type PartnoBrand struct {
	Brand string
	Place Place
	// Strip holds the characters that do not count in the brand's part numbers.
	Strip string
}

// DefaultStrip are the characters that do not count in part numbers.
const DefaultStrip = " -./_"

// strip is the rule for brands that have no other.
func (r *PartnoRules) strip() string {
	if r.Strip == nil {
		return DefaultStrip
	}
	return *r.Strip
}

func (c *vocabularyCheck) partno(r *PartnoRules) {
	rules := []PartnoBrand{{Place: r.Place, Strip: r.strip()}}
	for i := range r.Brands {
		b := &r.Brands[i]
		same := func(other PartnoBrand) bool { return normalBrand(other.Brand) == normalBrand(b.Brand) }
		switch {
		case normalBrand(b.Brand) == "":
			c.report(b.Place, "partno.brands", "has a brand without a name")
		case slices.ContainsFunc(r.Brands[:i], same):
			c.report(b.Place, "partno.brands."+b.Brand, "is a brand that stands there already, in another spelling")
		}
		rules = append(rules, *b)
	}
	for _, b := range rules {
		for _, s := range b.Strip {
			if s >= utf8.RuneSelf || s < ' ' || '0' <= s && s <= '9' || 'A' <= s && s <= 'Z' || 'a' <= s && s <= 'z' {
				c.report(b.Place, "partno", "strips %q: letters and digits always count, and other dashes and spaces than - and ' ' are taken for those", s)
			}
		}
	}
}

// normalBrand is the form by which brands are compared.
func normalBrand(s string) string { return strings.TrimSpace(plainUpper(s)) }

// plainUpper is s as NFKC in capitals, with plain spaces and dashes, without what
// cannot be seen. It allocates only if it changes anything.
func plainUpper(s string) string {
	if plainASCII(s) {
		return s
	}
	var b strings.Builder
	for _, r := range norm.NFKC.String(strings.ToUpper(norm.NFKC.String(s))) {
		switch {
		case unicode.Is(unicode.Pd, r) || r == '\u2212': // dashes, and the minus sign
			b.WriteByte('-')
		case unicode.IsSpace(r):
			b.WriteByte(' ')
		case unicode.IsControl(r) || unicode.Is(unicode.Cf, r): // zero width and the like
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}

// plainASCII reports whether plainUpper leaves s alone.
func plainASCII(s string) bool {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c >= 0x7f || 'a' <= c && c <= 'z' {
			return false
		}
	}
	return true
}

// stripped is s without the characters of strip.
func stripped(s, strip string) string {
	if !strings.ContainsAny(s, strip) {
		return s
	}
	b := make([]byte, 0, len(s))
	for i := range len(s) {
		if strings.IndexByte(strip, s[i]) < 0 {
			b = append(b, s[i])
		}
	}
	return string(b)
}

// partnoRules are PartnoRules as they are applied.
type partnoRules struct {
	strip  string
	brands map[string]string
}

func (r *PartnoRules) compiled() *partnoRules {
	out := &partnoRules{strip: r.strip(), brands: make(map[string]string)}
	for i := range r.Brands {
		out.brands[normalBrand(r.Brands[i].Brand)] = r.Brands[i].Strip
	}
	return out
}

// buildPartno compiles partno(part_no) and partno(brand, part_no).
func buildPartno(b *builder, n *node) textFunc {
	list, rules, lookups := b.texts(n.args), n.vocabulary.Partno.compiled(), b.lookups
	holder, rejects := b.holder(n.args[len(n.args)-1]), n.vocabulary.Partno.RejectCollisions
	return func(in input) (string, *failure) {
		var values [2]string
		for i, x := range list {
			s, f := x(in)
			switch {
			case f != nil:
				return "", f
			case len(s) > maxMade:
				return "", errTooLong()
			}
			values[i] = s
		}
		brand, number := values[0], plainUpper(values[1])
		if len(list) == 1 {
			brand, number = "", plainUpper(values[0])
		}
		key, f := rules.key(brand, number)
		if f != nil || lookups == nil || lookups.Spelled == nil {
			return key, f
		}
		other, known := lookups.Spelled(key, number, "")
		if !known {
			other, _ = lookups.Spelled(key, number, holder(in))
		}
		if other != "" && rejects {
			return "", failed("partno: " + shown(number) + " becomes " + key + ", and so does " + shown(other) +
				": give their brand a rule of its own if they are two articles")
		}
		return key, nil
	}
}

// holder compiles what a part number belongs to, for which it may be spelled anew:
// the row of a lookup that it is read of, or the row that is mapped.
func (b *builder) holder(n *node) func(in input) string {
	var of *node
	n.walk(func(n *node) {
		if of == nil && (n.op == opLookup || n.op == opNearest) {
			of = n
		}
	})
	table := b.table
	switch {
	case of != nil:
		key := b.key(of)
		return func(in input) string {
			text, _ := key(in)
			return of.lookup.Table.String() + " " + string(text)
		}
	case b.rows != nil:
		rows := b.rows
		return func(in input) string { return table.Name.String() + " " + rows.Key(in.ref) }
	}
	return func(in input) string {
		key, _ := table.KeyOf(in.row) // a row that is mapped has one
		return table.Name.String() + " " + string(key)
	}
}

// SamePartno reports whether two spellings of what partno takes for one part number
// may well be one: 12-34, 12.34 and 1234, but not 12-34 and 123-4. Whoever leaves
// all separators out does not say where they would be.
func SamePartno(a, b string) bool {
	if !separated(a) || !separated(b) {
		return true
	}
	for {
		a, b = strings.TrimLeftFunc(a, isSeparator), strings.TrimLeftFunc(b, isSeparator)
		i, j := strings.IndexFunc(a, isSeparator), strings.IndexFunc(b, isSeparator)
		if i < 0 {
			i = len(a)
		}
		if j < 0 {
			j = len(b)
		}
		if a[:i] != b[:j] {
			return false
		}
		if a, b = a[i:], b[j:]; a == "" && b == "" {
			return true
		}
	}
}

// separated reports whether s has a separator between two other characters.
func separated(s string) bool {
	return strings.ContainsFunc(strings.TrimFunc(s, isSeparator), isSeparator)
}

func isSeparator(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) }

// key is the form by which a part number, which plainUpper has passed, is compared:
// behind its brand, if it has one.
func (r *partnoRules) key(brand, number string) (string, *failure) {
	brand = normalBrand(brand)
	strip, ok := r.brands[brand]
	if !ok {
		strip = r.strip
	}
	key := strings.TrimSpace(stripped(number, strip))
	switch {
	case key == "":
		return "", failed("partno: nothing is left of " + shown(number))
	case brand == "":
		return key, nil
	}
	return brand + ":" + key, nil
}
