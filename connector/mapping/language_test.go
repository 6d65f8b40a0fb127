package mapping_test

import (
	"slices"
	"strings"
	"testing"
)

// Each line is an expression and what it gives for the row of sample.
const language = `
# literals
12 => 12
0.5 => 0.5
.5 => 0.5
1_000 => 1000
-3 => -3
--3 => 3
007 => 7
0.1234560 => 0.123456
9223372036854.775806 => 9223372036854.775806
'a' => a
"it's" => it's
'it\'s \\ \x41\u00e4\U0001F600' => it's \ Aä😀
'ä € 😀' => ä € 😀
'\xff\377\u{1F600}' => ÿÿ😀
true => true
false => false
null => NULL
1 /* one */ + 1 // two => 2

# columns
id => 42
qty => 12.5
sku => BRK-1234
` + "`part name` => Brake disc\n`grave``s` => odd\ngröße => XL\n`größe` => XL" + `
yes => true
no => false
day => 2026-11-27
nqty => NULL
nsku => NULL
nbool => NULL
residue => 0.3
toast => !column toast was not sent
odd => !column odd: "maybe" is neither true nor false
nan + 1 => !column nan: "NaN" is not a number
nan => !column nan: "NaN" is not a number
inf => !a number is out of range: it is 9.2e12 or larger

# arithmetic
1 + 2 * 3 => 7
(1 + 2) * 3 => 9
10 - 4 - 3 => 3
12 / 3 / 2 => 2
2 * 7 % 4 => 2
-2 * 3 => -6
1 - -1 => 2
-qty => -12.5
-(1 + 2) => -3
0.1 + 0.2 => 0.3
0.1 * 0.1 => 0.01
0.000001 * 0.5 => 0
0.000003 * 0.5 => 0.000002
0.000005 * 0.5 => 0.000002
-0.000003 * 0.5 => -0.000002
-0.000005 * 0.5 => -0.000002
1 / 3 => 0.333333
2 / 3 => 0.666667
-2 / 3 => -0.666667
0.000001 / 2 => 0
0.000003 / 2 => 0.000002
0.000001 / 1.999999 => 0.000001
7 % 3 => 1
-7 % 3 => -1
7 % -3 => 1
1.5 % 0.4 => 0.3
1 / 0 => !division by zero
1 % 0 => !division by zero
1 / (qty - 12.5) => !division by zero
9223372036854.775806 + 0 => 9223372036854.775806
9223372036854.775806 + 0.000001 => !a number is out of range: it is 9.2e12 or larger
-9223372036854.775806 - 0.000001 => !a number is out of range: it is 9.2e12 or larger
-9223372036854.775806 - 0.000002 => !a number is out of range: it is 9.2e12 or larger
9000000000000 + 9000000000000 => !a number is out of range: it is 9.2e12 or larger
-9000000000000 - 9000000000000 => !a number is out of range: it is 9.2e12 or larger
3037000499 * 3037 => 9223370515463
7 * 1317624576693.539401 > 5 => !a number is out of range: it is 9.2e12 or larger
3037000499 * 3038 => !a number is out of range: it is 9.2e12 or larger
9000000000000 / 0.5 => !a number is out of range: it is 9.2e12 or larger
9000000000000 * 9000000000000 => !a number is out of range: it is 9.2e12 or larger
big + 1 => !a number is out of range: it is 9.2e12 or larger
1 - big => !a number is out of range: it is 9.2e12 or larger
big * 0 => !a number is out of range: it is 9.2e12 or larger
big / big => !a number is out of range: it is 9.2e12 or larger
big % 2 => !a number is out of range: it is 9.2e12 or larger
round(big) => !a number is out of range: it is 9.2e12 or larger
nqty + 1 => NULL
1 - nqty => NULL
-nqty => NULL
nqty / 0 => NULL
nan + nqty => !column nan: "NaN" is not a number
nqty + nan => !column nan: "NaN" is not a number

# text
'a' + 'b' + 'c' => abc
sku + '/' + text(id) => BRK-1234/42
'a' + ('b' + 'c') => abc
sku + nsku => NULL
nsku + toast => !column toast was not sent
sku contains 'K-1' => true
sku contains 'x' => false
sku contains '' => true
sku startsWith 'BRK' => true
sku startsWith 'RK' => false
sku endsWith '34' => true
sku endsWith '3' => false
sku not contains 'x' => true
sku not startsWith 'BRK' => false
sku not endsWith '34' => false
sku matches '^[A-Z]{3}-[0-9]+$' => true
sku not matches '^[A-Z]{3}-[0-9]+$' => false
sku matches 'k' => false
sku matches 'a{198}' => false
sku matches '(?i)k' => true
nsku contains 'x' => NULL
sku contains nsku => NULL
nsku matches 'x' => NULL
toast matches 'x' => !column toast was not sent

# comparisons
1 == 1.0 => true
1 != 1 => false
1 < 2 => true
2 < 2 => false
2 <= 2 => true
3 <= 2 => false
2 > 1 => true
2 > 2 => false
2 >= 2 => true
1 >= 2 => false
-1 < 0 => true
'a' == 'a' => true
'a' == 'A' => false
'a' != 'A' => true
'Z' < 'a' => true
'10' < '9' => true
'a' <= 'a' => true
'b' > 'a' => true
'a' >= 'b' => false
'' == empty => true
day >= '2026-01-01' => true
yes == true => true
yes != no => true
yes == no => false
nqty == 1 => NULL
1 != nqty => NULL
nqty == nqty => NULL
nsku < 'a' => NULL
nbool == true => NULL
nqty == null => true
null == nqty => true
qty == null => false
null != qty => true
nqty != null => false
nsku == null => true
nbool == null => true
sku != null => true
yes == null => false
null == null => true
coalesce(null, null) == qty => NULL
qty != coalesce(null, null) => NULL
nan == null => false
odd == null => false
nan + 1 == null => !column nan: "NaN" is not a number
toast == null => !column toast was not sent
(nqty + 1) == null => true
(sku + nsku) == null => true
(nqty > 1) == null => true
(qty > 1) != null => true
big > 5 => true
big == 5 => false
huge < 5 => true
huge < big => true
big > huge => true
big == big => !two numbers of 9.2e12 or more cannot be compared; compare them as text(...)
inf > 1000000 => true
text(big) == '9223372036854775807' => true

# lists
sku in ['X', 'BRK-1234'] => true
sku not in ['X', 'BRK-1234'] => false
sku in ['X'] => false
id in [1, 42] => true
id in [41.5, -42] => false
yes in [true] => true
no in [true] => false
nsku in ['X'] => NULL
nsku not in ['X'] => NULL
big in [1, 2] => false
id in [1, 2, 3, 4, 5, 6, 7, 8, 42] => true
id in [1, 2, 3, 4, 5, 6, 7, 8, 9] => false
nqty in [1, 2, 3, 4, 5, 6, 7, 8, 9] => NULL

# three-valued logic
true and true => true
true and false => false
false and true => false
true and nbool => NULL
nbool and true => NULL
false and nbool => false
nbool and false => false
nbool and nbool => NULL
true or false => true
false or false => false
true or nbool => true
nbool or true => true
false or nbool => NULL
nbool or false => NULL
nbool or nbool => NULL
not true => false
not false => true
not nbool => NULL
not nbool and true => NULL
not nbool or false => NULL
(not nbool) == null => true
!yes => false
yes && no || yes => true
false and 1 / 0 == 1 => false
true or 1 / 0 == 1 => true
1 / 0 == 1 and false => !division by zero
nbool and 1 / 0 == 1 => !division by zero
nbool or odd => !column odd: "maybe" is neither true nor false

# precedence
yes or no and no => true
(yes or no) and no => false
not no and no => false
not (no and no) => true
1 + 1 == 2 and 2 * 3 > 5 => true
2 - nqty ?? 1 => 1
-nqty ?? 5 => -5
(nqty ?? 1) == 1 => true
1 == nqty ?? 1 => true
yes ? 1 : 2 => 1
no ? 1 : no ? 2 : 3 => 3
1 + (no ? 1 : 2) => 3
no or yes ? 'a' : 'b' => a
not (sku contains 'x') => true
not (sku in ['x']) => true

# choosing
no ? 1 : 2 => 2
nbool ? 1 : 2 => 2
not nbool ? 1 : 2 => 2
odd ? 1 : 2 => !column odd: "maybe" is neither true nor false
yes ? 'a' : 1 / 0 == 1 ? 'b' : 'c' => a
no ? 1 / 0 : 2 => 2
yes ? null : 2 => NULL
yes ? no : yes => false
nqty ?? 7 => 7
qty ?? 7 => 12.5
nqty ?? nqty => NULL
nqty ?? nqty ?? 3 => 3
nan ?? 7 => !column nan: "NaN" is not a number
qty ?? (1 / 0) => 12.5
nqty ?? (1 / 0) => !division by zero
nsku ?? sku => BRK-1234
nbool ?? yes => true
coalesce(nqty, null, 4) => 4
coalesce(nsku, 'x') => x
coalesce(nbool, false) => false
coalesce(null, null) == null => true

# numbers
abs(-3.5) => 3.5
abs(3.5) => 3.5
abs(nqty) => NULL
abs(huge) > 1 => true
floor(1.5) => 1
floor(-1.5) => -2
floor(2) => 2
floor(nqty) => NULL
ceil(1.5) => 2
ceil(-1.5) => -1
ceil(1) => 1
ceil(9223372036854.5) => !a number is out of range: it is 9.2e12 or larger
floor(-9223372036854.5) => !a number is out of range: it is 9.2e12 or larger
round(0.5) => 0
round(1.5) => 2
round(2.5) => 2
round(-0.5) => 0
round(-1.5) => -2
round(-2.5) => -2
round(2.500001) => 3
round(-2.499999) => -2
round(1.25, 1) => 1.2
round(1.35, 1) => 1.4
round(-1.25, 1) => -1.2
round(-1.35, 1) => -1.4
round(1.234567, 6) => 1.234567
round(1.5, 0) => 2
round(nqty) => NULL
min(3, 1, 2) => 1
max(3, 1, 5, 2) => 5
min(-1, 1) => -1
max(-2, -1) => -1
min(0, qty) => 0
min(1, nqty) => NULL
max(nqty, 1) => NULL
max(nqty, 1, nan) => !column nan: "NaN" is not a number
min(big, 100) => 100
max(big, 100) => !a number is out of range: it is 9.2e12 or larger
number('12.5') => 12.5
number(' -1.5e3 ') => -1500
number('+1') => 1
number('1.0000005') => 1
number('1.0000015') => 1.000002
number('1234567890.1234565') => 1234567890.123456
number('1234567890.1234575') => 1234567890.123458
number('1234567890.12345650001') => 1234567890.123457
number('12345678901e-1') => 1234567890.1
number('0.00001234567890e15') => 12345678900
number('-1e12') => -1000000000000
number('1e13') > 5 => true
number('1e99999999999999999999') > 5 => true
number('-1e9223372036854775807') < 5 => true
number('1e-99999999999999999999') => 0
number('9223372036854.775806') => 9223372036854.775806
number('9223372036854.775807') => !a number is out of range: it is 9.2e12 or larger
number('99999999999999') => !a number is out of range: it is 9.2e12 or larger
number('10+') => !"10+" is not a number
number('1,5') => !"1,5" is not a number
number('0x10') => !"0x10" is not a number
number('') => !"" is not a number
number(sku) => !"BRK-1234" is not a number
number(qty) => 12.5
number(nsku) => NULL
number(null) => NULL
len(sku) => 8
len('ä😀') => 2
len('') => 0
len(nsku) => NULL

# texts
text(qty) => 12.5
text(1.50) => 1.5
text(-qty) => -12.5
text(yes) => true
text(sku) => BRK-1234
text(nqty) => NULL
text(nbool) => NULL
text(null) => NULL
text(big) => 9223372036854775807
text(huge) => -123456789012345678901234567890
text(gtin) => 09501101530003
text(residue) => 0.3
text(zero) => 0
text(big + 0) => !a number is out of range: it is 9.2e12 or larger
upper('aßä-1') => AßÄ-1
lower('AÄ-1') => aä-1
upper(nsku) => NULL
trim(' a b ') => a b
trim(padded) + '|' => A1|
padded == 'A1' => false
trim(padded) == 'A1' => true
replace('a-b-c', '-', '') => abc
replace(sku, 'BRK', 'brake') => brake-1234
replace(sku, 'x', 'y') => BRK-1234
replace(sku, '', 'y') => !replace: the text to look for is empty
replace(sku, nsku, 'y') => NULL
substring(sku, 1) => BRK-1234
substring(sku, 5) => 1234
substring(sku, 1, 3) => BRK
substring(sku, 5, 2) => 12
substring(sku, 9) + '|' => |
substring(sku, 900, 5) + '|' => |
substring(sku, 2, 0) + '|' => |
substring('äöü', 2, 1) => ö
substring(nsku, 1) => NULL
part(sku, '-', 1) => BRK
part(sku, '-', 2) => 1234
part(sku, '-', 3) => NULL
part('a,,c', ',', 2) + '|' => |
part('a::b', '::', 2) => b
part(sku, '', 1) => !part: the separator is empty
part(sku, nsku, 1) => NULL
part(nsku, '-', 1) => NULL
part(sku, '-', 3) ?? 'none' => none
`

func TestLanguage(t *testing.T) {
	t.Parallel()
	for line := range strings.Lines(language) {
		line = strings.TrimSuffix(line, "\n")
		expression, want, ok := strings.Cut(line, " => ")
		if !ok {
			if line != "" && line[0] != '#' {
				t.Errorf("no result in %q", line)
			}
			continue
		}
		// The newline ends a comment of the expression.
		if got := eval(t, sample(), expression+"\n"); got != want {
			t.Errorf("%s: got %s, want %s", expression, got, want)
		}
	}
}

// What is too long to be a part number is refused before memory is spent on it.
func TestLongTexts(t *testing.T) {
	t.Parallel()
	const limit = 64 << 10
	skuAt := slices.IndexFunc(sample(), func(c cell) bool { return c.name == "sku" })
	cells := func(size int) []cell {
		c := sample()
		c[skuAt] = textCell("sku", strings.Repeat("a", size))
		return c
	}
	for _, e := range []struct {
		expression string
		longest    int
		want       string
	}{
		{"len(sku + 'b')", limit - 1, "65536"},
		{"len(upper(sku))", limit, "65536"},
		{"len(trim(sku))", limit, "65536"},
		{"len(replace(sku, 'a', 'bb'))", limit / 2, "65536"},
		{"len(replace(sku, 'b', ''))", limit, "65536"},
	} {
		if got := eval(t, cells(e.longest), e.expression); got != e.want {
			t.Errorf("%s of %d bytes: got %s, want %s", e.expression, e.longest, got, e.want)
		}
		if got, want := eval(t, cells(e.longest+1), e.expression), "!a text is longer than 64 KiB"; got != want {
			t.Errorf("%s of %d bytes: got %s, want %s", e.expression, e.longest+1, got, want)
		}
	}
	for size, want := range map[int]string{16 << 10: "false", 16<<10 + 1: "!a text is too long for matches: longer than 16 KiB"} {
		if got := eval(t, cells(size), "sku matches 'b'"); got != want {
			t.Errorf("matching %d bytes: got %s, want %s", size, got, want)
		}
	}
	// A character may grow when its case changes.
	grown := sample()
	grown[skuAt] = textCell("sku", strings.Repeat("ɐ", limit/2)) // two bytes each; the capital has three
	if got, want := eval(t, grown, "len(upper(sku))"), "!a text is longer than 64 KiB"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	// Columns are cut and compared however long they are.
	for expression, want := range map[string]string{
		"len(sku)": "1000000", "substring(sku, 1, 3)": "aaa", "part(sku, '-', 1) == sku": "true", "sku contains 'b'": "false",
	} {
		if got := eval(t, cells(1_000_000), expression); got != want {
			t.Errorf("%s: got %s, want %s", expression, got, want)
		}
	}
}
