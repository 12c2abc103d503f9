// Package sshconfig reads the configuration files of the ssh client
// (ssh_config(5)) as ssh does: quoted and escaped arguments, Host patterns with
// negation, Match blocks, and Include relative to the directory of the user's
// or the system's configuration.
//
// Two things differ from ssh, and are reported: a Match block with exec runs
// nothing and does not apply, and neither do blocks whose criteria need a
// session (canonical, final, localnetwork, tagged and others).
//
// internal/bootstrap imports it. It imports the standard library alone.
package sshconfig

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
)

// maxFile bounds the size of one file, in bytes; maxDepth the nesting of
// Include, as in ssh.
const (
	maxFile  = 4 << 20
	maxDepth = 16
)

// File is the content of ssh's configuration files, in the order in which they
// were read: the first value of a setting wins. It is safe for concurrent use.
type File struct {
	lines []line
	home  string
	warn  func(format string, args ...any)

	mu     sync.Mutex
	warned map[string]bool
}

// line is one setting and the blocks in which it stands.
type line struct {
	key  string
	args []string
	// raw is the value as it is written, for ProxyCommand.
	raw  string
	when []condition
}

// condition is one Host or Match line.
type condition struct {
	match bool
	args  []string
	where string
}

// Query is what a configuration is asked for.
type Query struct {
	// Host is the name as the user gave it; User is the login name if it was
	// given too, LocalUser that on this computer.
	Host, User, LocalUser string
}

// Read reads configuration files. Those that do not exist are skipped; what
// cannot be read or understood is reported by warn and skipped, since the files
// belong to another program.
func Read(home string, warn func(format string, args ...any), paths ...string) *File {
	f := &File{home: home, warn: warn, warned: map[string]bool{}}
	for _, p := range paths {
		f.read(p, nil, 0)
	}
	return f
}

func (f *File) read(path string, base []condition, depth int) {
	file, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return
	}
	var data []byte
	if err == nil {
		data, err = io.ReadAll(io.LimitReader(file, maxFile))
		file.Close()
	}
	if err != nil {
		var pe *os.PathError
		if errors.As(err, &pe) {
			err = pe.Err
		}
		f.warn("%s cannot be read and is skipped: %v", path, err)
		return
	}
	when := base
	n := 0
	for text := range strings.Lines(string(data)) {
		n++
		where := fmt.Sprintf("%s:%d", path, n)
		key, raw := keyword(text)
		if key == "" {
			continue
		}
		args, err := split(raw)
		if err != nil || len(args) == 0 {
			f.warn("%s: the line is skipped: %s", where, reason(err))
			continue
		}
		switch key {
		case "host", "match":
			// A full slice expression: blocks share the conditions around them.
			when = append(base[:len(base):len(base)], condition{match: key == "match", args: args, where: where})
		case "include":
			f.include(path, where, args, when, depth)
		default:
			f.lines = append(f.lines, line{key: key, args: args, raw: raw, when: when})
		}
	}
}

func reason(err error) string {
	if err != nil {
		return err.Error()
	}
	return "a value is missing"
}

func (f *File) include(path, where string, args []string, when []condition, depth int) {
	if depth >= maxDepth {
		f.warn("%s: Include is nested more than %d deep and is skipped", where, maxDepth)
		return
	}
	for _, pattern := range args {
		switch {
		case strings.HasPrefix(pattern, "~/"):
			pattern = filepath.Join(f.home, pattern[2:])
		case filepath.IsAbs(pattern):
		case strings.HasPrefix(path, "/etc/ssh/"):
			pattern = filepath.Join("/etc/ssh", pattern)
		default:
			pattern = filepath.Join(f.home, ".ssh", pattern)
		}
		matches, err := filepath.Glob(pattern)
		if err != nil {
			f.warn("%s: %s is not a pattern of file names", where, pattern)
			continue
		}
		for _, m := range matches {
			if st, err := os.Stat(m); err == nil && st.IsDir() {
				continue
			}
			f.read(m, when, depth+1)
		}
	}
}

// keyword splits a line into its keyword, in lower case, and the rest. The
// keyword of a blank line or a comment is "".
func keyword(text string) (key, rest string) {
	text = strings.TrimSpace(text)
	if text == "" || text[0] == '#' {
		return "", ""
	}
	i := strings.IndexAny(text, " \t=\"")
	if i < 0 {
		return strings.ToLower(text), ""
	}
	key, rest = text[:i], strings.TrimLeft(text[i:], " \t")
	if strings.HasPrefix(rest, "=") {
		rest = strings.TrimLeft(rest[1:], " \t")
	}
	return strings.ToLower(key), rest
}

// split takes a value apart into its arguments: words, or text in single or
// double quotes, with backslashes before quotes, blanks and backslashes, up to
// a comment.
func split(s string) ([]string, error) {
	var args []string
	for i := 0; i < len(s); {
		if s[i] == ' ' || s[i] == '\t' {
			i++
			continue
		}
		if s[i] == '#' {
			break
		}
		var b strings.Builder
		quote := byte(0)
		for ; i < len(s); i++ {
			c := s[i]
			if c == '\\' && i+1 < len(s) && (s[i+1] == '\'' || s[i+1] == '"' || s[i+1] == '\\' || quote == 0 && s[i+1] == ' ') {
				i++
				b.WriteByte(s[i])
				continue
			}
			if quote == 0 && (c == ' ' || c == '\t') {
				break
			}
			switch {
			case quote == 0 && (c == '"' || c == '\''):
				quote = c
			case c == quote && quote != 0:
				quote = 0
			default:
				b.WriteByte(c)
			}
		}
		if quote != 0 {
			return nil, errors.New("a quote is not closed")
		}
		args = append(args, b.String())
	}
	return args, nil
}

// Host is what the configuration says of one host.
type Host struct {
	values map[string][]line
}

// Get returns the first argument of a setting, "" where there is none. Keys are
// in lower case.
func (h *Host) Get(key string) string {
	if lines := h.values[key]; len(lines) > 0 {
		return lines[0].args[0]
	}
	return ""
}

// Raw is [Host.Get] for a value that extends to the end of its line, as that
// of ProxyCommand.
func (h *Host) Raw(key string) string {
	if lines := h.values[key]; len(lines) > 0 {
		return lines[0].raw
	}
	return ""
}

// List returns all arguments of a setting's first line.
func (h *Host) List(key string) []string {
	if lines := h.values[key]; len(lines) > 0 {
		return lines[0].args
	}
	return nil
}

// All returns the first arguments of all lines of a setting that may be
// repeated, as IdentityFile.
func (h *Host) All(key string) []string {
	var out []string
	for _, l := range h.values[key] {
		out = append(out, l.args[0])
	}
	return out
}

// Lookup returns what the configuration says of a host. A nil File says
// nothing.
func (f *File) Lookup(q Query) *Host {
	h := &Host{values: map[string][]line{}}
	if f == nil {
		return h
	}
	for _, l := range f.lines {
		if f.applies(l.when, q, h) {
			h.values[l.key] = append(h.values[l.key], l)
		}
	}
	return h
}

func (f *File) applies(when []condition, q Query, h *Host) bool {
	for _, c := range when {
		if c.match && !f.matches(c, q, h) || !c.match && !anyOf(c.args, q.Host) {
			return false
		}
	}
	return true
}

// matches decides about a Match line, by the facts known so far.
func (f *File) matches(c condition, q Query, h *Host) bool {
	for i := 0; i < len(c.args); i++ {
		name, negated := strings.CutPrefix(strings.ToLower(c.args[i]), "!")
		if name == "all" {
			if negated {
				return false
			}
			continue
		}
		argument := ""
		if name, argument, _ = strings.Cut(name, "="); argument == "" && i+1 < len(c.args) && name != "final" && name != "canonical" {
			i++
			argument = c.args[i]
		}
		var subject string
		switch name {
		case "host":
			subject = h.Get("hostname")
			if subject == "" {
				subject = q.Host
			}
			subject = strings.ReplaceAll(strings.ReplaceAll(subject, "%h", q.Host), "%n", q.Host)
		case "originalhost":
			subject = q.Host
		case "user":
			if subject = q.User; subject == "" {
				subject = h.Get("user")
			}
			if subject == "" {
				subject = q.LocalUser
			}
		case "localuser":
			subject = q.LocalUser
		default:
			f.once(c.where, "the Match block is skipped: Galley does not evaluate %q", name)
			return false
		}
		if anyOf(strings.Split(argument, ","), subject) == negated {
			return false
		}
	}
	return true
}

// once warns of a line a single time.
func (f *File) once(where, format string, args ...any) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.warned[where] {
		f.warned[where] = true
		f.warn(where+": "+format, args...)
	}
}

// anyOf reports whether s fits one of the patterns and none of the negated
// ones.
func anyOf(patterns []string, s string) bool {
	found := false
	for _, p := range patterns {
		p, negated := strings.CutPrefix(p, "!")
		if !fits(p, s) {
			continue
		}
		if negated {
			return false
		}
		found = true
	}
	return found
}

// fits reports whether s fits a pattern of *, ? and other characters.
func fits(pattern, s string) bool {
	for pattern != "" {
		if pattern[0] == '*' {
			for pattern = strings.TrimLeft(pattern, "*"); ; s = s[1:] {
				if fits(pattern, s) {
					return true
				}
				if s == "" {
					return false
				}
			}
		}
		if s == "" || pattern[0] != '?' && pattern[0] != s[0] {
			return false
		}
		pattern, s = pattern[1:], s[1:]
	}
	return s == ""
}
