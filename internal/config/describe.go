package config

// Key is a key that a file may have, for documentation and schemas.
type Key struct {
	// Path is that of Error.Path; what the operator names stands in it as
	// <source> and <table>, an element of a list as [].
	Path string
	// About says what the key means.
	About string
	// Value says what its value is: "a text", "a set of keys".
	Value string
	// Choices holds the values, if they are few and fixed.
	Choices []string
}

// Keys returns every key that a file may have, each section before what is in it.
func Keys() []Key {
	keys := newDecoder("", nil).shape(new(Config)).describe(nil, "")
	for i := range keys {
		if keys[i].Path == "sources.<source>.preset" {
			keys[i].Choices = presetNames()
		}
	}
	return keys
}

func (o *object) describe(keys []Key, path string) []Key {
	for _, m := range o.members {
		k := Key{Path: join(path, m.name), About: m.about, Value: m.shape.wants()}
		if v, ok := m.shape.(*value); ok {
			k.Choices = v.choices
		}
		keys = m.shape.describe(append(keys, k), k.Path)
	}
	return keys
}

func (m *dictionary) describe(keys []Key, path string) []Key {
	if m.about != "" {
		keys = append(keys, Key{Path: join(path, m.name), About: m.about, Value: m.example.wants()})
	}
	return m.example.describe(keys, join(path, m.name))
}

func (l *list) describe(keys []Key, path string) []Key {
	return l.item().describe(keys, path+"[]")
}

func (v *value) describe(keys []Key, _ string) []Key { return keys }

func (e *expression) describe(keys []Key, _ string) []Key { return keys }
