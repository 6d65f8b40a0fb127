package cache

import (
	"fmt"
	"strings"

	"tailstock/connector"
	"tailstock/connector/inventory"
)

// placeFormat is the version of what this package keeps in Redis. A place of
// another version never fits.
const placeFormat = "1"

// placeText returns p as it is kept, "" for no place.
func placeText(p connector.CachePlace) string {
	if p == (connector.CachePlace{}) {
		return ""
	}
	return fmt.Sprintf("%s %d %d %d %s", placeFormat, p.Session, p.Sequence, p.Replay, p.Stream)
}

// parsePlace is the inverse of placeText.
func parsePlace(text string) (connector.CachePlace, error) {
	var p connector.CachePlace
	if text == "" {
		return p, nil
	}
	format, rest, _ := strings.Cut(text, " ")
	_, err := fmt.Sscanf(rest, "%d %d %d %s", &p.Session, &p.Sequence, &p.Replay, &p.Stream)
	if format != placeFormat || err != nil || placeText(p) != text {
		return connector.CachePlace{}, fmt.Errorf("%q is no place that this version knows; "+
			"run the version that wrote it, or run 'tailstock cache rebuild'", text)
	}
	return p, nil
}

// versionText returns v in fixed width, so that texts compare as versions do.
func versionText(v inventory.Version) string {
	var b [33]byte
	digits(b[:16], v.Session)
	b[16] = '-'
	digits(b[17:], v.Sequence)
	return string(b[:])
}

// digits fills b with the last digits of n, leading zeros included.
func digits(b []byte, n uint64) {
	for i := len(b) - 1; i >= 0; i-- {
		b[i] = '0' + byte(n%10)
		n /= 10
	}
}

// parseVersion reads a version with or without the mark of a replay.
func parseVersion(text string) (inventory.Version, error) {
	var v inventory.Version
	number, _, _ := strings.Cut(text, ":")
	if _, err := fmt.Sscanf(number, "%016d-%016d", &v.Session, &v.Sequence); err != nil || versionText(v) != number {
		return inventory.Version{}, fmt.Errorf("%q is no version", text)
	}
	return v, nil
}
