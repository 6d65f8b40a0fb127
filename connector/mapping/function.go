package mapping

import (
	"strings"
	"unicode/utf8"

	"tailstock/connector/inventory"
)

// function is something that an expression can call.
type function struct {
	name, usage string
	// least and most count arguments; most is 0 when there is no limit.
	least, most int
	// constantFrom is the first argument that must be a whole number as a
	// literal, as must be those behind it. 0 when there is none.
	constantFrom int
	// params holds the kinds of the arguments; the last one stands for the rest.
	params []kind
	result kind
	// refuses is a kind that an argument of any other kind must not have.
	refuses kind
	// check looks at the constants, if they have limits.
	check  func(n *node) *fault
	number func(b *builder, n *node) numberFunc
	text   func(b *builder, n *node) textFunc
}

var functions = [...]function{ //nolint:gochecknoglobals // a constant table
	{name: "abs", usage: "abs(number)", least: 1, most: 1, params: []kind{kindNumber}, result: kindNumber, number: buildAbs},
	{name: "ceil", usage: "ceil(number)", least: 1, most: 1, params: []kind{kindNumber}, result: kindNumber, number: rounder(up)},
	{name: "coalesce", usage: "coalesce(a, b, ...)", least: 2},
	{name: "day_after", usage: "day_after(date)", least: 1, most: 1, params: []kind{kindText}, result: kindText, text: buildDayAfter},
	{
		name: "extract", usage: "extract(text, 'pattern', group)", least: 3, most: 3, constantFrom: 2,
		params: []kind{kindText, kindText, kindNumber}, result: kindText, check: checkExtract, text: buildExtract,
	},
	{name: "floor", usage: "floor(number)", least: 1, most: 1, params: []kind{kindNumber}, result: kindNumber, number: rounder(down)},
	{name: "len", usage: "len(text)", least: 1, most: 1, params: []kind{kindText}, result: kindNumber, number: buildLen},
	{name: "lower", usage: "lower(text)", least: 1, most: 1, params: []kind{kindText}, result: kindText, text: changer(strings.ToLower)},
	{name: "max", usage: "max(a, b, ...)", least: 2, params: []kind{kindNumber}, result: kindNumber, number: extremer(1)},
	{name: "min", usage: "min(a, b, ...)", least: 2, params: []kind{kindNumber}, result: kindNumber, number: extremer(-1)},
	{name: "number", usage: "number(text)", least: 1, most: 1, params: []kind{kindAny}, refuses: kindBool, result: kindNumber, number: buildNumber},
	{
		name: "part", usage: "part(text, separator, n)", least: 3, most: 3, constantFrom: 2,
		params: []kind{kindText, kindText, kindNumber}, result: kindText, check: checkPart, text: buildPart,
	},
	{name: "partno", usage: "partno(part_no) or partno(brand, part_no)", least: 1, most: 2, params: []kind{kindText}, result: kindText, text: buildPartno},
	{name: "replace", usage: "replace(text, old, new)", least: 3, most: 3, params: []kind{kindText}, result: kindText, text: buildReplace},
	{
		name: "round", usage: "round(number) or round(number, digits)", least: 1, most: 2, constantFrom: 1,
		params: []kind{kindNumber}, result: kindNumber, check: checkRound, number: rounder(halfEven),
	},
	{name: "scale", usage: "scale(number, times, over)", least: 3, most: 3, params: []kind{kindNumber}, result: kindNumber, number: buildScale},
	{
		name: "substring", usage: "substring(text, start) or substring(text, start, count)", least: 2, most: 3, constantFrom: 1,
		params: []kind{kindText, kindNumber}, result: kindText, check: checkSubstring, text: buildSubstring,
	},
	{
		name: "text", usage: "text(x)", least: 1, most: 1, params: []kind{kindAny}, result: kindText,
		text: func(b *builder, n *node) textFunc { return b.asText(n.args[0]) },
	},
	{name: "trim", usage: "trim(text)", least: 1, most: 1, params: []kind{kindText}, result: kindText, text: changer(strings.TrimSpace)},
	{name: "unix", usage: "unix(seconds)", least: 1, most: 1, params: []kind{kindNumber}, result: kindText, text: buildUnix},
	{name: "upper", usage: "upper(text)", least: 1, most: 1, params: []kind{kindText}, result: kindText, text: changer(strings.ToUpper)},
}

func findFunction(name string) *function {
	for i := range functions {
		if functions[i].name == name {
			return &functions[i]
		}
	}
	return nil
}

func functionNames() []string {
	names := make([]string, len(functions))
	for i := range functions {
		names[i] = functions[i].name
	}
	return names
}

func buildAbs(b *builder, n *node) numberFunc {
	x := b.number(n.args[0])
	return func(in input) (inventory.Quantity, *failure) {
		q, f := x(in)
		return max(q, -q), f
	}
}

// extremer compiles min (direction -1) and max (1). NULL if any operand is.
func extremer(direction int) func(b *builder, n *node) numberFunc {
	return func(b *builder, n *node) numberFunc {
		list := b.numbers(n.args)
		return func(in input) (inventory.Quantity, *failure) {
			var best inventory.Quantity
			var isNull *failure
			for i, x := range list {
				q, f := x(in)
				switch {
				case f == null:
					isNull = f
				case f != nil:
					return 0, f
				case i == 0 || (q < best) == (direction < 0) && q != best:
					best = q
				}
			}
			return best, isNull
		}
	}
}

func checkRound(n *node) *fault {
	if len(n.args) == 2 && (n.args[1].number < 0 || n.args[1].number > 6*inventory.One) {
		return faultAt(n.args[1].at, "round keeps 0 to 6 fractional digits")
	}
	return nil
}

func rounder(mode rounding) func(b *builder, n *node) numberFunc {
	return func(b *builder, n *node) numberFunc {
		unit := inventory.One
		if len(n.args) == 2 {
			for range int(n.args[1].number / inventory.One) {
				unit /= 10
			}
		}
		x := b.number(n.args[0])
		return func(in input) (inventory.Quantity, *failure) {
			q, f := x(in)
			if f != nil {
				return 0, f
			}
			return roundTo(q, unit, mode)
		}
	}
}

func buildNumber(b *builder, n *node) numberFunc {
	arg := n.args[0]
	if b.kinds[arg] == kindNumber {
		return b.number(arg)
	}
	x := b.asText(arg)
	return func(in input) (inventory.Quantity, *failure) {
		s, f := x(in)
		if f != nil {
			return 0, f
		}
		return parseNumber(s)
	}
}

func buildLen(b *builder, n *node) numberFunc {
	x := b.text(n.args[0])
	return func(in input) (inventory.Quantity, *failure) {
		s, f := x(in)
		return inventory.Quantity(utf8.RuneCountInString(s)) * inventory.One, f
	}
}

// changer compiles a function of one text that makes it at most three times as long.
func changer(change func(string) string) func(b *builder, n *node) textFunc {
	return func(b *builder, n *node) textFunc {
		x := b.text(n.args[0])
		return func(in input) (string, *failure) {
			s, f := x(in)
			switch {
			case f != nil:
				return "", f
			case len(s) > maxMade:
				return "", errTooLong()
			}
			if s = change(s); len(s) > maxMade {
				return "", errTooLong()
			}
			return s, nil
		}
	}
}

func buildReplace(b *builder, n *node) textFunc {
	list := b.texts(n.args)
	return func(in input) (string, *failure) {
		var values [3]string
		for i, x := range list {
			s, f := x(in)
			if f != nil {
				return "", f
			}
			values[i] = s
		}
		s, from, to := values[0], values[1], values[2]
		switch {
		case from == "":
			return "", failed("replace: the text to look for is empty")
		case len(s)+strings.Count(s, from)*(len(to)-len(from)) > maxMade || len(s) > maxMade:
			return "", errTooLong()
		}
		return strings.ReplaceAll(s, from, to), nil
	}
}

// buildScale compiles scale(x, times, over): x * times / over, rounded once.
func buildScale(b *builder, n *node) numberFunc {
	list := b.numbers(n.args)
	return func(in input) (inventory.Quantity, *failure) {
		var q [3]inventory.Quantity
		var isNull *failure
		for i, x := range list {
			v, f := x(in)
			switch {
			case f == null:
				isNull = f
			case f != nil:
				return 0, f
			}
			q[i] = v
		}
		if isNull != nil {
			return 0, isNull
		}
		return multiplyDivide(q[0], q[1], q[2])
	}
}

func checkExtract(n *node) *fault {
	if f := n.compilePattern(); f != nil {
		return f
	}
	if group := n.args[2].number / inventory.One; group < 0 || int(group) > n.pattern.NumSubexp() {
		return faultAt(n.args[2].at, "the pattern has groups 0 to %d", n.pattern.NumSubexp())
	}
	return nil
}

// buildExtract compiles extract(text, pattern, group): NULL if nothing matches.
func buildExtract(b *builder, n *node) textFunc {
	x, pattern, group := b.text(n.args[0]), n.pattern, int(n.args[2].number/inventory.One)
	return func(in input) (string, *failure) {
		s, f := x(in)
		switch {
		case f != nil:
			return "", f
		case len(s) > maxMatched:
			return "", failed("a text is too long for extract: longer than 16 KiB")
		}
		found := pattern.FindStringSubmatchIndex(s)
		if found == nil || found[2*group] < 0 {
			return "", null
		}
		return s[found[2*group]:found[2*group+1]], nil
	}
}

func checkPart(n *node) *fault {
	if n.args[2].number < inventory.One {
		return faultAt(n.args[2].at, "parts are counted from 1")
	}
	return nil
}

// buildPart compiles part(text, separator, n): NULL if there are fewer parts.
func buildPart(b *builder, n *node) textFunc {
	x, separator := b.text(n.args[0]), b.text(n.args[1])
	skip := int(n.args[2].number/inventory.One) - 1
	return func(in input) (string, *failure) {
		s, f := x(in)
		if f != nil {
			return "", f
		}
		by, f := separator(in)
		switch {
		case f != nil:
			return "", f
		case by == "":
			return "", failed("part: the separator is empty")
		}
		for range skip {
			_, rest, ok := strings.Cut(s, by)
			if !ok {
				return "", null
			}
			s = rest
		}
		s, _, _ = strings.Cut(s, by)
		return s, nil
	}
}

func checkSubstring(n *node) *fault {
	if n.args[1].number < inventory.One {
		return faultAt(n.args[1].at, "characters are counted from 1")
	}
	if len(n.args) == 3 && n.args[2].number < 0 {
		return faultAt(n.args[2].at, "a count is not negative")
	}
	return nil
}

// buildSubstring compiles substring(text, start, count): empty beyond the end.
func buildSubstring(b *builder, n *node) textFunc {
	x := b.text(n.args[0])
	start, count := int(n.args[1].number/inventory.One)-1, -1
	if len(n.args) == 3 {
		count = int(n.args[2].number / inventory.One)
	}
	return func(in input) (string, *failure) {
		s, f := x(in)
		if f != nil {
			return "", f
		}
		s = s[characters(s, start):]
		if count >= 0 {
			s = s[:characters(s, count)]
		}
		return s, nil
	}
}

// characters returns the length in bytes of the first n characters of s.
func characters(s string, n int) int {
	i := 0
	for ; n > 0 && i < len(s); n-- {
		_, size := utf8.DecodeRuneInString(s[i:])
		i += size
	}
	return i
}
