package natslog

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// Codes of the JetStream API (server/errors.json of nats-server) that decide
// what happens next.
const (
	codeNoMessage     jetstream.ErrorCode = 10037
	codeWrongSequence jetstream.ErrorCode = 10071
	codeStoreFailed   jetstream.ErrorCode = 10077
	// codeWrongSequenceReplicated is what replicated streams answer instead of codeWrongSequence.
	codeWrongSequenceReplicated jetstream.ErrorCode = 10164
)

// errNoMessage is returned when a stream has no such message.
var errNoMessage = errors.New("no such message")

// storedMessage is a message as its stream has it.
type storedMessage struct {
	Sequence uint64
	Subject  string
	Header   nats.Header
	Data     []byte
	Time     time.Time
}

// getRequest asks for one message: the one at Sequence, the first at or above
// Sequence that matches NextFor, or the last that matches LastFor.
type getRequest struct {
	Sequence uint64 `json:"seq,omitempty"`
	NextFor  string `json:"next_by_subj,omitempty"`
	LastFor  string `json:"last_by_subj,omitempty"`
}

type getResponse struct {
	Error   *jetstream.APIError `json:"error"`
	Message *struct {
		Subject  string    `json:"subject"`
		Sequence uint64    `json:"seq"`
		Header   []byte    `json:"hdrs"`
		Data     []byte    `json:"data"`
		Time     time.Time `json:"time"`
	} `json:"message"`
}

// getMessage reads one message from the stream's leader. A direct get would ask
// any replica, which may be behind. It fails with errNoMessage if there is none.
func getMessage(ctx context.Context, nc *nats.Conn, stream string, r getRequest) (storedMessage, error) {
	ctx, cancel := withRequestTimeout(ctx)
	defer cancel()
	body, err := json.Marshal(r)
	if err != nil {
		return storedMessage{}, err
	}
	reply, err := nc.RequestWithContext(ctx, "$JS.API.STREAM.MSG.GET."+stream, body)
	if err != nil {
		return storedMessage{}, fmt.Errorf("get message of stream %s: %w", stream, err)
	}
	var response getResponse
	if err := json.Unmarshal(reply.Data, &response); err != nil {
		return storedMessage{}, fmt.Errorf("get message of stream %s: %w", stream, err)
	}
	switch {
	case response.Error != nil && response.Error.ErrorCode == codeNoMessage:
		return storedMessage{}, errNoMessage
	case response.Error != nil:
		return storedMessage{}, fmt.Errorf("get message of stream %s: %w", stream, response.Error)
	case response.Message == nil:
		return storedMessage{}, fmt.Errorf("get message of stream %s: empty answer", stream)
	}
	m := storedMessage{
		Sequence: response.Message.Sequence, Subject: response.Message.Subject,
		Data: response.Message.Data, Time: response.Message.Time,
	}
	if len(response.Message.Header) > 0 {
		if m.Header, err = nats.DecodeHeadersMsg(response.Message.Header); err != nil {
			return storedMessage{}, fmt.Errorf("message %d of stream %s: %w", m.Sequence, stream, err)
		}
	}
	return m, nil
}

// deleteMessage removes one message of a stream, and reports whether it was there.
func deleteMessage(ctx context.Context, nc *nats.Conn, stream string, sequence uint64) (bool, error) {
	ctx, cancel := withRequestTimeout(ctx)
	defer cancel()
	body, err := json.Marshal(struct {
		Sequence uint64 `json:"seq"`
		NoErase  bool   `json:"no_erase"`
	}{sequence, true})
	if err != nil {
		return false, err
	}
	reply, err := nc.RequestWithContext(ctx, "$JS.API.STREAM.MSG.DELETE."+stream, body)
	if err != nil {
		return false, fmt.Errorf("delete message %d of stream %s: %w", sequence, stream, err)
	}
	var response struct {
		Error   *jetstream.APIError `json:"error"`
		Success bool                `json:"success"`
	}
	if err := json.Unmarshal(reply.Data, &response); err != nil {
		return false, fmt.Errorf("delete message %d of stream %s: %w", sequence, stream, err)
	}
	if response.Error != nil {
		// A message that is gone already is no failure, and servers answer that in several ways.
		if _, err := getMessage(ctx, nc, stream, getRequest{Sequence: sequence}); errors.Is(err, errNoMessage) {
			return false, nil
		}
		return false, fmt.Errorf("delete message %d of stream %s: %w", sequence, stream, response.Error)
	}
	return response.Success, nil
}

// hasCode reports whether err is the JetStream API's error code.
func hasCode(err error, code jetstream.ErrorCode) bool {
	var api *jetstream.APIError
	return errors.As(err, &api) && api.ErrorCode == code
}

// redactAll redacts each of the URLs in s.
func redactAll(s string) string {
	var out []string
	for u := range strings.SplitSeq(s, ",") {
		out = append(out, redact(u))
	}
	return strings.Join(out, ",")
}
