// Package netrc reads .netrc files. Every package may import it.
package netrc

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/galleyhq/galley/internal/secret"
)

// Machine is one entry of a file.
type Machine struct {
	// Host is "" for the default entry.
	Host, Login string
	Password    secret.Text
}

// File has the entries in their order.
type File []Machine

// Read reads a file.
func Read(path string) (File, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return Parse(f)
}

// Find returns the entry that names a host.
func (f File) Find(host string) (Machine, bool) {
	for _, m := range f {
		if m.Host != "" && strings.EqualFold(m.Host, host) {
			return m, true
		}
	}
	return Machine{}, false
}

// Default returns the entry for all other hosts.
func (f File) Default() (Machine, bool) {
	for _, m := range f {
		if m.Host == "" {
			return m, true
		}
	}
	return Machine{}, false
}

// Parse reads the format of ftp(1): machine, default, login, password,
// account and macdef, words in double quotes with backslash escapes as curl
// takes them, comments from # at a word's start.
func Parse(r io.Reader) (File, error) {
	var entries File
	var cur *Machine
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
			word, rest, ok := nextWord(text)
			if !ok {
				return nil, fmt.Errorf("line %d: a quote is not closed", line)
			}
			text = rest
			switch pending {
			case "machine":
				entries = append(entries, Machine{Host: word})
				cur = &entries[len(entries)-1]
			case "login", "password", "account":
				if cur == nil {
					return nil, fmt.Errorf("line %d: %s before any machine", line, pending)
				}
				if pending == "login" {
					cur.Login = word
				} else if pending == "password" {
					cur.Password = secret.Text(word)
				}
			case "macdef":
				macro = true
				text = ""
			case "":
				switch word {
				case "machine", "login", "password", "account", "macdef":
					pending = word
				case "default":
					entries = append(entries, Machine{})
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

func nextWord(s string) (word, rest string, ok bool) {
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
