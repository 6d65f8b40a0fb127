package natslog

import (
	"errors"
	"fmt"
	"strings"

	"github.com/nats-io/nats.go"

	"tailstock/connector/cdc"
	"tailstock/connector/inventory"
)

// Headers of a log's messages.
const (
	headerPosition = "Tailstock-Position"
	headerPrevious = "Tailstock-Previous"
	headerResume   = "Tailstock-Resume"
	headerFormat   = "Tailstock-Format"
	// headerExpected is JetStream's: the sequence of the last message in the stream.
	headerExpected = "Nats-Expected-Last-Sequence"
)

// logFormat is the version of headers and body.
const logFormat = "1"

// setHeader writes the numbers of e into h. The zero Previous and the empty
// Resume are left out.
func setHeader(h nats.Header, e *inventory.Envelope) {
	h[headerFormat] = []string{logFormat}
	h[headerPosition] = []string{e.Position.String()}
	delete(h, headerPrevious)
	if !e.Previous.IsZero() {
		h[headerPrevious] = []string{e.Previous.String()}
	}
	delete(h, headerResume)
	if e.Resume != "" {
		h[headerResume] = []string{escapeToken(string(e.Resume))}
	}
}

// parseHeader reads what setHeader wrote.
func parseHeader(h nats.Header) (inventory.Envelope, error) {
	var e inventory.Envelope
	switch format := first(h, headerFormat); format {
	case logFormat:
	case "":
		return e, errors.New("not a message of a tailstock log: " + headerFormat + " is missing")
	default:
		return e, fmt.Errorf("written in format %q by a newer version of tailstock", format)
	}
	var err error
	if e.Position, err = inventory.ParsePosition(first(h, headerPosition)); err != nil {
		return e, fmt.Errorf("%s: %w", headerPosition, err)
	}
	if previous := first(h, headerPrevious); previous != "" {
		if e.Previous, err = inventory.ParsePosition(previous); err != nil {
			return e, fmt.Errorf("%s: %w", headerPrevious, err)
		}
	}
	if !e.Previous.Before(e.Position) {
		return e, fmt.Errorf("position %s does not follow %s", e.Position, e.Previous)
	}
	resume, err := unescapeToken(first(h, headerResume))
	if err != nil {
		return e, fmt.Errorf("%s: %w", headerResume, err)
	}
	e.Resume = cdc.Resume(resume)
	return e, nil
}

// first is Header.Get without a nil check, since keys are written as they are.
func first(h nats.Header, key string) string {
	if v := h[key]; len(v) > 0 {
		return v[0]
	}
	return ""
}

const hexDigits = "0123456789ABCDEF"

// escapeToken makes a token safe for a header: NATS trims spaces and replaces
// line ends in header values, and a token must come back byte for byte. Control
// characters, percent signs and every byte outside ASCII are percent-encoded,
// and so are leading and trailing spaces.
func escapeToken(s string) string {
	var b strings.Builder
	for i := range len(s) {
		c := s[i]
		edge := (i == 0 || i == len(s)-1) && c == ' '
		if c < ' ' || c >= 0x7f || c == '%' || edge {
			b.WriteByte('%')
			b.WriteByte(hexDigits[c>>4])
			b.WriteByte(hexDigits[c&15])
			continue
		}
		b.WriteByte(c)
	}
	return b.String()
}

// unescapeToken reads what escapeToken wrote, and nothing else.
func unescapeToken(s string) (string, error) {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] != '%' {
			b.WriteByte(s[i])
			continue
		}
		if i+2 >= len(s) {
			return "", fmt.Errorf("token %q: cut off", s)
		}
		high, low := strings.IndexByte(hexDigits, s[i+1]), strings.IndexByte(hexDigits, s[i+2])
		if high < 0 || low < 0 {
			return "", fmt.Errorf("token %q: not percent-encoded", s)
		}
		b.WriteByte(byte(high<<4 | low)) //nolint:gosec // two digits of four bits
		i += 2
	}
	if out := b.String(); escapeToken(out) == s {
		return out, nil
	}
	return "", fmt.Errorf("token %q: not encoded as tokens are", s)
}
