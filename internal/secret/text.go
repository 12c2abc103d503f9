package secret

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"strconv"
)

// Redacted is printed in place of a secret.
const Redacted = "[redacted]"

// Text is a secret string. Only [Text.Reveal] returns it; every other way of
// printing or encoding it gives [Redacted], or "" for the empty secret.
type Text string

// Reveal returns the secret itself.
func (t Text) Reveal() string { return string(t) }

// String implements fmt.Stringer.
func (t Text) String() string {
	if t == "" {
		return ""
	}
	return Redacted
}

// GoString implements fmt.GoStringer.
func (t Text) GoString() string { return strconv.Quote(t.String()) }

// Format implements fmt.Formatter, so that no verb shows the secret.
func (t Text) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(t.String())) }

// MarshalJSON implements json.Marshaler.
func (t Text) MarshalJSON() ([]byte, error) { return json.Marshal(t.String()) }

// MarshalText implements encoding.TextMarshaler.
func (t Text) MarshalText() ([]byte, error) { return []byte(t.String()), nil }

// MarshalYAML implements the marshaler of yaml.v3.
func (t Text) MarshalYAML() (any, error) { return t.String(), nil }

// LogValue implements slog.LogValuer.
func (t Text) LogValue() slog.Value { return slog.StringValue(t.String()) }
