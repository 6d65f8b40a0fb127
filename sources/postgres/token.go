package postgres

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"

	"tailstock/connector/cdc"
)

// server is the identity of a database cluster and of its present history.
type server struct {
	// system is the cluster's identifier, made by initdb and kept by replicas and restored copies.
	system string
	// timeline is the number of its history; it grows at a promotion and at a point-in-time recovery.
	timeline int32
}

// token is a resume token taken apart. Every commit whose record starts before
// position has been emitted.
type token struct {
	position lsn
	server   server
}

// tokenJSON is the persisted form. A golden file pins it.
type tokenJSON struct {
	LSN      string `json:"lsn"`
	System   string `json:"system"`
	Timeline int32  `json:"timeline"`
}

// parseToken reads a resume token of this package. It refuses any other text.
func parseToken(r cdc.Resume) (token, error) {
	var j tokenJSON
	d := json.NewDecoder(bytes.NewReader([]byte(r)))
	d.DisallowUnknownFields()
	err := d.Decode(&j)
	if err == nil {
		if _, err = d.Token(); errors.Is(err, io.EOF) {
			err = nil
		} else {
			err = fmt.Errorf("text behind the end")
		}
	}
	if err != nil {
		return token{}, fmt.Errorf("resume token %q: %w", string(r), err)
	}
	position, err := parseLSN(j.LSN)
	switch {
	case err != nil:
		return token{}, fmt.Errorf("resume token %q: lsn: %w", string(r), err)
	case position == 0 || j.System == "" || j.Timeline < 1:
		return token{}, fmt.Errorf("resume token %q: want lsn, system and timeline", string(r))
	}
	return token{position, server{j.System, j.Timeline}}, nil
}

func (t token) resume() cdc.Resume { return cdc.Resume(t.server.appendToken(nil, t.position)) }

// tokenStart is what precedes the position in a token.
const tokenStart = `{"lsn":"`

// appendToken appends the token for position on server s.
func (s server) appendToken(b []byte, position lsn) []byte {
	b = append(b, tokenStart...)
	b = appendLSN(b, position)
	b = append(b, `","system":`...)
	b = cdc.AppendJSONString(b, s.system)
	b = append(b, `,"timeline":`...)
	b = strconv.AppendInt(b, int64(s.timeline), 10)
	return append(b, '}')
}
