package mysql

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"tailstock/connector/cdc"
)

// flavor tells MariaDB from MySQL and what follows it, Percona Server included.
type flavor string

const (
	flavorMySQL   flavor = "mysql"
	flavorMariaDB flavor = "mariadb"
)

// server is the identity of a server.
type server struct {
	flavor flavor
	// id is MySQL's server_uuid, and MariaDB's server_id, which has no more.
	id string
}

// token is a resume token taken apart.
type token struct {
	server server
	// place is where the server's log has what comes next. With GTIDs it is of use
	// as long as the server is the same, and for views of chunks.
	place place
	// byGTID says that GTIDs count, and place does not: they are what was emitted.
	byGTID bool
	set    *mysqlSet  // of MySQL
	state  mariaState // of MariaDB
	// again is from where to read if that is further back than where to emit,
	// because XA transactions are prepared and not decided: the GTIDs to send again
	// (MySQL), the GTID position (MariaDB), or the place (without GTIDs). Empty otherwise.
	again string
	// schema is a digest of the tables' definitions, for servers that do not log them.
	schema string
}

// tokenJSON is the persisted form. A golden file pins it; placeOf relies on its beginning.
type tokenJSON struct {
	File   string  `json:"file"`
	Pos    uint64  `json:"pos"`
	GTIDs  *string `json:"gtids,omitempty"`
	Again  string  `json:"again,omitempty"`
	Schema string  `json:"schema,omitempty"`
	Flavor flavor  `json:"flavor"`
	Server string  `json:"server"`
}

// parseToken reads a resume token of this package. It refuses any other text.
func parseToken(r cdc.Resume) (token, error) {
	t, err := readToken(r)
	if err != nil {
		return token{}, fmt.Errorf("resume token %q: %w", string(r), err)
	}
	return t, nil
}

func readToken(r cdc.Resume) (token, error) {
	var j tokenJSON
	d := json.NewDecoder(bytes.NewReader([]byte(r)))
	d.DisallowUnknownFields()
	if err := d.Decode(&j); err != nil {
		return token{}, err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return token{}, errors.New("text behind the end")
	}
	if j.File == "" || j.Server == "" || j.Flavor != flavorMySQL && j.Flavor != flavorMariaDB {
		return token{}, errors.New("want file, flavor and server")
	}
	t := token{
		server: server{j.Flavor, j.Server}, place: place{j.File, j.Pos}, byGTID: j.GTIDs != nil,
		again: j.Again, schema: j.Schema,
	}
	if !t.byGTID {
		return t, t.checkAgain()
	}
	var err error
	if t.server.flavor == flavorMariaDB {
		t.state, err = parseMariaState(*j.GTIDs)
	} else {
		t.set, err = parseMySQLSet(*j.GTIDs)
	}
	if err != nil {
		return token{}, err
	}
	return t, t.checkAgain()
}

func (t *token) checkAgain() error {
	var err error
	switch {
	case t.again == "":
	case !t.byGTID:
		_, err = parsePlace(t.again)
	case t.server.flavor == flavorMariaDB:
		_, err = parseMariaState(strings.TrimSuffix(t.again, againStart))
	default:
		_, err = parseMySQLSet(t.again)
	}
	return err
}

// againStart stands for the GTID position of a MariaDB that has logged nothing.
const againStart = "start"

func (t *token) resume() cdc.Resume { return cdc.Resume(t.append(nil)) }

// append appends the token's text.
func (t *token) append(b []byte) []byte {
	b = append(b, tokenStart...)
	b = appendPlain(b, t.place.file)
	b = append(b, tokenPos...)
	b = strconv.AppendUint(b, t.place.pos, 10)
	if t.byGTID {
		b = append(b, `,"gtids":"`...)
		if t.server.flavor == flavorMariaDB {
			b = t.state.append(b)
		} else {
			b = t.set.append(b)
		}
		b = append(b, '"')
	}
	if t.again != "" {
		b = append(append(append(b, `,"again":"`...), t.again...), '"')
	}
	if t.schema != "" {
		b = append(append(append(b, `,"schema":"`...), t.schema...), '"')
	}
	b = append(append(append(b, `,"flavor":"`...), t.server.flavor...), '"')
	b = append(append(append(b, `,"server":"`...), t.server.id...), '"')
	return append(b, '}')
}

const (
	tokenStart = `{"file":"`
	tokenPos   = `","pos":` //nolint:gosec // no credentials
)

// appendPlain appends a file's name as what stands between a JSON string's quotes.
func appendPlain(b []byte, s string) []byte {
	from := len(b)
	b = cdc.AppendJSONString(b, s)
	copy(b[from:], b[from+1:len(b)-1])
	return b[:len(b)-2]
}

// placeOf returns the place of a token. It costs no allocation: the engine asks
// at every boundary while a chunk waits. ok is false for the token of another
// server, and for a text that is none.
func (s server) placeOf(r cdc.Resume) (p place, ok bool) {
	file, rest, ok := strings.Cut(strings.TrimPrefix(string(r), tokenStart), tokenPos)
	if !ok || len(file) == len(r) {
		return place{}, false
	}
	end := strings.IndexAny(rest, ",}")
	if end < 0 {
		return place{}, false
	}
	pos, err := strconv.ParseUint(rest[:end], 10, 64)
	if err != nil || !s.signed(rest) {
		return place{}, false
	}
	return place{file, pos}, true
}

// signed reports whether a token ends with s.
func (s server) signed(text string) bool {
	text, ok1 := strings.CutSuffix(text, `"}`)
	text, ok2 := strings.CutSuffix(text, s.id)
	text, ok3 := strings.CutSuffix(text, `","server":"`)
	text, ok4 := strings.CutSuffix(text, string(s.flavor))
	return ok1 && ok2 && ok3 && ok4 && strings.HasSuffix(text, `"flavor":"`)
}
