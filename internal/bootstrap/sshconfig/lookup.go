package sshconfig

import (
	"strings"
)

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
