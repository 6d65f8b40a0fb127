package mysql

import (
	"bytes"
	"errors"
	"fmt"
	"io"

	"github.com/klauspost/compress/zstd"
)

// Fields of a transaction payload event, from Transaction_payload_event of
// libbinlogevents.
const (
	payloadEnd = iota
	payloadSize
	payloadCompression
)

const (
	payloadZSTD  = 0
	payloadPlain = 255
)

// maxPayloadEvent bounds an event within a payload, in bytes: the server's largest packet.
const maxPayloadEvent = 1 << 30

// payload decodes the events of a compressed transaction, one after another, so
// that no more than one is in memory. They have no places of their own.
func (d *decoder) payload(body []byte) error {
	w := &wire{b: body}
	compression := uint64(payloadPlain)
	for {
		field := w.packed()
		if field == payloadEnd {
			break
		}
		value := wire{b: []byte(w.text())}
		if w.bad {
			return fmt.Errorf("transaction payload: %w", errShort)
		}
		if field == payloadCompression {
			compression = value.packed()
		}
	}
	var r io.Reader = bytes.NewReader(w.b)
	switch compression {
	case payloadPlain:
	case payloadZSTD:
		z, err := zstd.NewReader(r, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true))
		if err != nil {
			return fmt.Errorf("transaction payload: %w", err)
		}
		defer z.Close()
		r = z
	default:
		return fmt.Errorf("transaction payload with unknown compression %d", compression)
	}
	return d.inner(r)
}

// inner decodes events from r.
func (d *decoder) inner(r io.Reader) error {
	var raw []byte
	for {
		raw = append(raw[:0], make([]byte, eventHeaderBytes)...)
		if _, err := io.ReadFull(r, raw); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return fmt.Errorf("transaction payload: %w", err)
		}
		w := &wire{b: raw}
		h := w.header()
		if h.size < eventHeaderBytes || h.size > maxPayloadEvent {
			return fmt.Errorf("transaction payload: event of %d bytes", h.size)
		}
		n := int64(h.size - eventHeaderBytes)
		body, err := io.ReadAll(io.LimitReader(r, n)) // it grows with what is there
		if err == nil && int64(len(body)) < n {
			err = io.ErrUnexpectedEOF
		}
		if err != nil {
			return fmt.Errorf("transaction payload: %w", err)
		}
		if err := d.dispatch(&h, body, d.group.start); err != nil {
			return err
		}
		if d.full != nil && d.readyBytes >= handOverBytes {
			if err := d.full(); err != nil {
				return err
			}
		}
	}
}
