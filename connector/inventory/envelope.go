package inventory

import "tailstock/connector/cdc"

// Envelope is a message of a source's log as the log carries it: what stands in
// its headers, and its encoded body.
type Envelope struct {
	Position Position
	Previous Position
	Resume   cdc.Resume
	Body     []byte
}
