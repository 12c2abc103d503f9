package secret

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/url"
	"strings"
)

// URL is an address that may carry a secret in its user part, query or
// fragment. Printed, logged or marshalled it shows the address without them.
type URL string

// Reveal returns the address with its secrets.
func (u URL) Reveal() string { return string(u) }

// String implements fmt.Stringer.
func (u URL) String() string { return HideURLs(string(u)) }

// GoString implements fmt.GoStringer.
func (u URL) GoString() string { return fmt.Sprintf("%q", u.String()) }

// Format implements fmt.Formatter, so that no verb shows the secrets.
func (u URL) Format(f fmt.State, verb rune) {
	if verb == 'q' {
		_, _ = fmt.Fprintf(f, "%q", u.String())
		return
	}
	_, _ = f.Write([]byte(u.String()))
}

// MarshalJSON implements json.Marshaler.
func (u URL) MarshalJSON() ([]byte, error) { return json.Marshal(u.String()) }

// MarshalText implements encoding.TextMarshaler.
func (u URL) MarshalText() ([]byte, error) { return []byte(u.String()), nil }

// MarshalYAML implements the marshaler of yaml.v3.
func (u URL) MarshalYAML() (any, error) { return u.String(), nil }

// LogValue implements slog.LogValuer.
func (u URL) LogValue() slog.Value { return slog.StringValue(u.String()) }

// InURL returns the secrets of an address in the forms in which a server may
// repeat them: the password, the header that it becomes, and the values of
// parameters whose names say that they are secret.
func InURL(address string) []string {
	u, err := url.Parse(address)
	if err != nil {
		return nil
	}
	var out []string
	if u.User != nil {
		password, _ := u.User.Password()
		out = append(out, password, u.User.String(), base64.StdEncoding.EncodeToString([]byte(u.User.Username()+":"+password)))
	}
	for _, part := range strings.FieldsFunc(u.RawQuery+"&"+u.EscapedFragment(), func(r rune) bool { return strings.ContainsRune("&;?#", r) }) {
		name, value, _ := strings.Cut(part, "=")
		if !secretParameter(name) || value == "" {
			continue
		}
		out = append(out, value)
		if plain, err := url.QueryUnescape(value); err == nil && plain != value {
			out = append(out, plain)
		}
	}
	return out
}

// HideURLs returns text with the secrets of every URL in it hidden: the user
// part of web addresses, passwords of any scheme, and the values of query and
// fragment parameters whose names say that they are secret.
func HideURLs(text string) string {
	if !strings.Contains(text, "://") {
		return text
	}
	var b strings.Builder
	for {
		i := strings.Index(text, "://")
		if i < 0 {
			b.WriteString(text)
			return b.String()
		}
		scheme := text[schemeStart(text[:i]):i]
		b.WriteString(text[:i+3])
		text = text[i+3:]
		end := strings.IndexAny(text, " \t\r\n\"'<>`|\\")
		if end < 0 {
			end = len(text)
		}
		b.WriteString(hideAfterScheme(strings.ToLower(scheme), text[:end]))
		text = text[end:]
	}
}

func schemeStart(s string) int {
	i := len(s)
	for i > 0 && (s[i-1]|0x20 >= 'a' && s[i-1]|0x20 <= 'z' || s[i-1] >= '0' && s[i-1] <= '9' || strings.IndexByte("+.-", s[i-1]) >= 0) {
		i--
	}
	return i
}

// hideAfterScheme hides the secrets of a URL without its scheme.
func hideAfterScheme(scheme, s string) string {
	if at := userinfoEnd(s); at >= 0 {
		user, _, hasPassword := strings.Cut(s[:at], ":")
		switch {
		case scheme == "http" || scheme == "https":
			// A token is often given as the user name.
			s = Redacted + s[at:]
		case hasPassword:
			s = user + ":" + Redacted + s[at:]
		}
	}
	base, rest, found := cutAny(s, "?#")
	if !found {
		return s
	}
	return base + hideParameters(rest)
}

// userinfoEnd returns the place of the @ that ends the user part, -1 without
// one. A password may hold an unescaped "@" or "/".
func userinfoEnd(s string) int {
	authority, rest, cut := cutAny(s, "/?#")
	if at := strings.LastIndexByte(authority, '@'); at >= 0 {
		return at
	}
	_, port, hasPort := strings.Cut(authority, ":")
	if !cut || !hasPort || strings.HasPrefix(authority, "[") || strings.Trim(port, "0123456789") == "" {
		return -1
	}
	if at := strings.LastIndexByte(rest, '@'); at >= 0 {
		return len(authority) + at
	}
	return -1
}

// cutAny is strings.Cut at the first of several characters, which stays at
// the start of rest.
func cutAny(s, chars string) (before, rest string, found bool) {
	if i := strings.IndexAny(s, chars); i >= 0 {
		return s[:i], s[i:], true
	}
	return s, "", false
}

func hideParameters(s string) string {
	var b strings.Builder
	for len(s) > 0 {
		b.WriteByte(s[0]) // ? # & ;
		parameter, rest, _ := cutAny(s[1:], "&;?#")
		name, value, given := strings.Cut(parameter, "=")
		if given && value != "" && secretParameter(name) {
			parameter = name + "=" + Redacted
		}
		b.WriteString(HideURLs(parameter)) // a parameter may be an address itself
		s = rest
	}
	return b.String()
}

func secretParameter(name string) bool {
	switch strings.ToLower(name) {
	case "key", "sig", "signature", "sas", "auth", "code", "temp_url_sig", "awsaccesskeyid",
		"x-amz-signature", "x-amz-credential", "x-amz-security-token", "x-goog-signature", "x-goog-credential":
		return true
	}
	return IsName(name)
}
