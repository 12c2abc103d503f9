package fetch

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"strings"

	"github.com/galleyhq/galley/internal/secret"
)

type bearer struct{ token secret.Text }

// Bearer returns an [Authorizer] that sends a bearer token (RFC 6750).
func Bearer(token secret.Text) Authorizer { return bearer{token} }

// fmt prints the fields of a struct without calling their methods, so the struct
// has one.
func (bearer) Format(w fmt.State, _ rune) { _, _ = io.WriteString(w, "[redacted]") }

func (b bearer) Authorize(r *http.Request) error {
	r.Header.Set("Authorization", "Bearer "+b.token.Reveal())
	return nil
}

type basic struct {
	user string
	pass secret.Text
}

// Basic returns an [Authorizer] that sends a user's name and password (RFC
// 7617).
func Basic(user string, password secret.Text) Authorizer { return basic{user, password} }

func (basic) Format(w fmt.State, _ rune) { _, _ = io.WriteString(w, "[redacted]") }

func (b basic) Authorize(r *http.Request) error {
	r.SetBasicAuth(b.user, b.pass.Reveal())
	return nil
}

type netrcAuth []netrcEntry

// Netrc returns an [Authorizer] that looks the host up in a .netrc file. A
// host that the file does not name is asked without credentials.
func Netrc(path string) (Authorizer, error) {
	f, err := os.Open(path)
	if err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return nil, usage("netrc file %s not found", path)
		}
		return nil, &Error{Kind: KindUsage, Msg: "the netrc file", err: err}
	}
	defer f.Close()
	entries, err := parseNetrc(f)
	if err != nil {
		return nil, &Error{Kind: KindUsage, Msg: "the netrc file " + path, err: err}
	}
	return netrcAuth(entries), nil
}

func (netrcAuth) Format(w fmt.State, _ rune) { _, _ = io.WriteString(w, "[redacted]") }

func (n netrcAuth) Authorize(r *http.Request) error {
	for _, e := range n {
		if e.host == "" || strings.EqualFold(e.host, r.URL.Hostname()) {
			if e.login != "" || e.password != "" {
				r.SetBasicAuth(e.login, e.password.Reveal())
			}
			return nil
		}
	}
	return nil
}

// netrcEntry is one machine of a .netrc file; host is "" for the default.
type netrcEntry struct {
	host, login string
	password    secret.Text
}

// parseNetrc reads the format of ftp(1): machine, default, login, password,
// account and macdef, words in double quotes with backslash escapes as curl
// takes them, comments from # at a word's start.
func parseNetrc(r io.Reader) ([]netrcEntry, error) {
	var entries []netrcEntry
	var cur *netrcEntry
	var pending string // the keyword whose value comes next
	in := bufio.NewScanner(r)
	in.Buffer(make([]byte, 4096), 64<<10)
	macro := false
	for line := 1; in.Scan(); line++ {
		text := in.Text()
		if macro {
			// A macro ends with an empty line.
			macro = strings.TrimSpace(text) != ""
			continue
		}
		for text = strings.TrimLeft(text, " \t\r"); text != ""; text = strings.TrimLeft(text, " \t\r") {
			if text[0] == '#' && pending == "" {
				break
			}
			word, rest, ok := netrcWord(text)
			if !ok {
				return nil, fmt.Errorf("line %d: a quote is not closed", line)
			}
			text = rest
			switch pending {
			case "machine":
				entries = append(entries, netrcEntry{host: word})
				cur = &entries[len(entries)-1]
			case "login", "password", "account":
				if cur == nil {
					return nil, fmt.Errorf("line %d: %s before any machine", line, pending)
				}
				if pending == "login" {
					cur.login = word
				} else if pending == "password" {
					cur.password = secret.Text(word)
				}
			case "macdef":
				macro = true
				text = ""
			case "":
				switch word {
				case "machine", "login", "password", "account", "macdef":
					pending = word
				case "default":
					entries = append(entries, netrcEntry{})
					cur = &entries[len(entries)-1]
				default:
					return nil, fmt.Errorf("line %d: %s", line, "expected a keyword (machine, default, login, password, account, macdef)")
				}
				continue
			}
			pending = ""
		}
	}
	if err := in.Err(); err != nil {
		return nil, err
	}
	if pending != "" {
		return nil, fmt.Errorf("the file ends after %s", pending)
	}
	return entries, nil
}

func netrcWord(s string) (word, rest string, ok bool) {
	if s[0] != '"' {
		if i := strings.IndexAny(s, " \t\r"); i >= 0 {
			return s[:i], s[i:], true
		}
		return s, "", true
	}
	var b strings.Builder
	for i := 1; i < len(s); i++ {
		switch c := s[i]; c {
		case '"':
			return b.String(), s[i+1:], true
		case '\\':
			if i++; i == len(s) {
				return "", "", false
			}
			switch s[i] {
			case 'n':
				b.WriteByte('\n')
			case 'r':
				b.WriteByte('\r')
			case 't':
				b.WriteByte('\t')
			default:
				b.WriteByte(s[i])
			}
		default:
			b.WriteByte(c)
		}
	}
	return "", "", false
}
