package propose

import "strings"

// Words are those that a name is made of.
func Words(s string) []string {
	n := read(s)
	return n.words
}

// State is what a value says of rows of a subject.
func State(s, value string) string { return string(stateOf(subject(s), value)) }

// SpelledTwice are words that no name is ever taken apart into.
func SpelledTwice() []string {
	var out []string
	for word := range meanings {
		if got := strings.Join(tokens(word), ""); got != word && word != "ean13" {
			out = append(out, word)
		}
	}
	return out
}
