package backfill

import (
	"encoding/json"
	"fmt"
	"unicode/utf8"
)

// Key holds the canonical texts of a row's key values, in key order. As JSON it is a
// list of texts. A value that is not UTF-8, as a source in another encoding may have,
// is {"base64": "..."} there: a JSON text would not be the same value again.
type Key []string

type rawValue struct {
	Base64 *[]byte `json:"base64"`
}

// MarshalJSON implements json.Marshaler.
func (k Key) MarshalJSON() ([]byte, error) {
	if k == nil {
		return []byte("null"), nil
	}
	out := make([]any, len(k))
	for i, v := range k {
		if out[i] = v; !utf8.ValidString(v) {
			raw := []byte(v)
			out[i] = rawValue{&raw}
		}
	}
	return json.Marshal(out)
}

// UnmarshalJSON implements json.Unmarshaler.
func (k *Key) UnmarshalJSON(b []byte) error {
	var list []json.RawMessage
	if err := json.Unmarshal(b, &list); err != nil {
		return fmt.Errorf("decode key: %w", err)
	}
	if list == nil {
		*k = nil
		return nil
	}
	out := make(Key, len(list))
	for i, text := range list {
		if len(text) > 0 && text[0] == '"' {
			if err := json.Unmarshal(text, &out[i]); err != nil {
				return fmt.Errorf("decode key: %w", err)
			}
			continue
		}
		var raw rawValue
		if err := json.Unmarshal(text, &raw); err != nil || raw.Base64 == nil {
			return fmt.Errorf("decode key: value %d is neither a text nor base64", i+1)
		}
		out[i] = string(*raw.Base64)
	}
	*k = out
	return nil
}
