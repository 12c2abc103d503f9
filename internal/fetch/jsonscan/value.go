package jsonscan

import (
	"bytes"
	"encoding/json"
	"unicode/utf8"
)

// Kind is the kind of a value that was looked for.
type Kind uint8

// The kinds of value. None says that the path led nowhere.
const (
	None Kind = iota
	Null
	Bool
	Number
	String
	Object
	Array
)

// StringValue returns the value of a text that was found otherwise than in
// JSON.
func StringValue(s string) Value {
	raw, _ := json.Marshal(s) // a string always has a form in JSON
	return Value{Kind: String, raw: raw}
}

// Value is the value found at a path.
type Value struct {
	Kind Kind
	raw  []byte
}

// String returns the kind's name, with an article.
func (k Kind) String() string {
	return [...]string{"nothing", "null", "a boolean", "a number", "a string", "an object", "an array"}[k]
}

// Raw returns the value as it was sent, nil for an object or array that is
// longer than Options.MaxValue. It is valid until the scanner is fed or reset.
func (v Value) Raw() []byte { return v.raw }

// Text returns a string's value, decoded, and the text of any other scalar as
// it was sent. Of null, an object, an array and nothing it is "".
func (v Value) Text() string {
	switch v.Kind {
	case String:
		raw := v.raw[1 : len(v.raw)-1]
		if bytes.IndexByte(raw, '\\') < 0 && utf8.Valid(raw) {
			return string(raw)
		}
		return string(unquote(nil, raw))
	case Bool, Number:
		return string(v.raw)
	}
	return ""
}
