package natslog

import (
	"github.com/nats-io/nats.go"

	"tailstock/connector/inventory"
)

// What tests need of the wire forms.

func SetHeader(h nats.Header, e *inventory.Envelope)              { setHeader(h, e) }
func ParseHeader(h nats.Header) (inventory.Envelope, error)       { return parseHeader(h) }
func EscapeToken(s string) string                                 { return escapeToken(s) }
func UnescapeToken(s string) (string, error)                      { return unescapeToken(s) }
func ParseAck(b []byte, stream string) (sequence uint64, ok bool) { return parseAck(b, stream) }
