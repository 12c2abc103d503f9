package config

import (
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// Symbol is a Ruby symbol in a configuration, without its colon. It prints
// and marshals as its name.
type Symbol string

// Section is the merged data of one plug-in, before the plug-in's own
// defaults. It is read-only and safe for concurrent use; its zero value is
// empty.
type Section struct {
	m *mapping
	// path is where it stands ("driver", "driver.block_device_mapping").
	path string
	// root and home resolve paths.
	root, home string
	org        *Origin
	// reads, unless nil, receives each key that is read.
	reads func(key string)
}

// NewSection returns a section of plain data: map[string]any, []any,
// []string, string, int, int64, float64, bool and nil. It is for tests and
// for what comes from flags.
func NewSection(data map[string]any) Section {
	return Section{m: fromGo(data, nil).m}
}

// WithRoot returns the section with paths taken relative to root.
func (s Section) WithRoot(root string) Section {
	s.root = root
	return s
}

// Name returns the value of the key "name".
func (s Section) Name() string {
	v := s.m.get("name")
	if v == nil {
		return ""
	}
	return v.text()
}

// Recording returns the section with each key of it that is looked at, there
// or not, reported to read. It is for tests that hold the table of settings and
// its readers together.
func (s Section) Recording(read func(key string)) Section {
	s.reads = read
	return s
}

func (s Section) get(key string) *value {
	if s.reads != nil {
		s.reads(key)
	}
	v := s.m.get(key)
	if v == nil || v.kind == kindNull {
		return nil
	}
	return v
}

// Has says whether the key is there and not null.
func (s Section) Has(key string) bool { return s.get(key) != nil }

// Keys returns the keys in the order of the merged data.
func (s Section) Keys() []string {
	keys := make([]string, 0, s.m.len())
	if s.m != nil {
		for i := range s.m.entries {
			keys = append(keys, s.m.entries[i].name)
		}
	}
	return keys
}

// Where tells where the value of the key stands, as "kitchen.yml:12", or
// "default".
func (s Section) Where(key string) string {
	if v := s.m.get(key); v != nil {
		return v.org.place()
	}
	return "default"
}

// Origin tells how the value of the key came to be; nil when nothing is
// known of it.
func (s Section) Origin(key string) *Origin {
	if v := s.m.get(key); v != nil {
		return v.org
	}
	return nil
}

// Data returns everything as map[string]any, []any, string, [Symbol], int64,
// float64, bool and nil. The caller owns it.
func (s Section) Data() any { return s.m.data() }

func (s Section) mistake(key string, v *value, want string) error {
	return &ValueError{Section: s.path, Key: key, Where: v.org.place(), Found: v.describe(), Want: want}
}

// describe names a value for a message. Text that may be a secret is not the
// concern here: keys with secrets want strings, and any scalar is one.
func (v *value) describe() string {
	switch v.kind {
	case kindString, kindSymbol:
		s := v.s
		if len(s) > 60 {
			s = s[:57] + "..."
		}
		return strconv.Quote(s)
	case kindBool, kindInt, kindFloat:
		return v.text()
	}
	return v.kind.String()
}

// String returns the text of a scalar as Ruby's to_s writes it, def when the
// key is missing or null.
func (s Section) String(key, def string) (string, error) {
	v := s.get(key)
	if v == nil {
		return def, nil
	}
	if v.kind == kindList || v.kind == kindMap {
		return "", s.mistake(key, v, "a string")
	}
	return v.text(), nil
}

// StringList returns the texts of a list, nil when the key is missing or
// null. A scalar is a list of one; nulls in a list are left out.
func (s Section) StringList(key string) ([]string, error) {
	v := s.get(key)
	if v == nil {
		return nil, nil
	}
	if v.kind == kindMap {
		return nil, s.mistake(key, v, "a list of strings")
	}
	if v.kind != kindList {
		return []string{v.text()}, nil
	}
	out := make([]string, 0, len(v.list))
	for i, e := range v.list {
		switch e.kind {
		case kindNull:
		case kindList, kindMap:
			return nil, s.mistake(fmt.Sprintf("%s[%d]", key, i), e, "a string")
		default:
			out = append(out, e.text())
		}
	}
	return out, nil
}

// number accepts numbers and their strings.
func (v *value) number() (float64, bool) {
	switch v.kind {
	case kindInt:
		return float64(v.i), true
	case kindFloat:
		return v.f, !math.IsNaN(v.f) && !math.IsInf(v.f, 0)
	case kindString:
		t := strings.TrimSpace(v.s)
		// ParseFloat also takes "inf", "0x1p3" and "1_0", which nobody means.
		if t == "" || strings.Trim(t, "+-0123456789.eE") != "" {
			return 0, false
		}
		f, err := strconv.ParseFloat(t, 64)
		return f, err == nil
	}
	return 0, false
}

// Int returns a whole number, def when the key is missing or null. Numbers in
// quotes are accepted.
func (s Section) Int(key string, def int) (int, error) {
	v := s.get(key)
	if v == nil {
		return def, nil
	}
	f, ok := v.number()
	if !ok || f != math.Trunc(f) || math.Abs(f) > 1<<53 {
		return 0, s.mistake(key, v, "a whole number")
	}
	return int(f), nil
}

// Bool returns true or false, def when the key is missing or null. The words
// in quotes are accepted.
func (s Section) Bool(key string, def bool) (bool, error) {
	v := s.get(key)
	if v == nil {
		return def, nil
	}
	switch v.kind {
	case kindBool:
		return v.b, nil
	case kindString, kindSymbol:
		switch strings.ToLower(strings.TrimSpace(v.s)) {
		case "true", "yes", "on":
			return true, nil
		case "false", "no", "off":
			return false, nil
		}
	}
	return false, s.mistake(key, v, "true or false")
}

// Seconds returns a number of seconds as a duration, def when the key is
// missing or null. Fractions and numbers in quotes are accepted, negative
// ones are not.
func (s Section) Seconds(key string, def time.Duration) (time.Duration, error) {
	v := s.get(key)
	if v == nil {
		return def, nil
	}
	f, ok := v.number()
	if !ok || f < 0 || f > math.MaxInt64/float64(time.Second) {
		return 0, s.mistake(key, v, "a number of seconds")
	}
	return time.Duration(f * float64(time.Second)), nil
}

// Path returns a path made absolute against the project's root, with a
// leading ~ replaced by the home directory. It returns def, treated the same,
// when the key is missing or null, and "" when def is.
func (s Section) Path(key, def string) (string, error) {
	p, err := s.String(key, def)
	if err != nil || p == "" {
		return "", err
	}
	return s.Expand(p), nil
}

// Expand makes a path absolute as [Section.Path] does.
func (s Section) Expand(p string) string {
	if p == "~" || strings.HasPrefix(p, "~/") {
		home := s.home
		if home == "" {
			home, _ = os.UserHomeDir()
		}
		if home != "" {
			p = filepath.Join(home, strings.TrimPrefix(p[1:], "/"))
		}
	}
	if !filepath.IsAbs(p) {
		root := s.root
		if root == "" {
			root, _ = os.Getwd()
		}
		p = filepath.Join(root, p)
	}
	return filepath.Clean(p)
}

func (s Section) child(key string, v *value) Section {
	path := key
	if s.path != "" {
		path = s.path + "." + key
	}
	return Section{m: v.m, path: path, root: s.root, home: s.home, org: v.org}
}

// Map returns a mapping below the key, an empty one when the key is missing
// or null.
func (s Section) Map(key string) (Section, error) {
	v := s.get(key)
	if v == nil {
		return Section{path: s.path, root: s.root, home: s.home}, nil
	}
	if v.kind != kindMap {
		return Section{}, s.mistake(key, v, "a mapping")
	}
	return s.child(key, v), nil
}

// Maps returns a list of mappings, nil when the key is missing or null. One
// mapping is a list of one.
func (s Section) Maps(key string) ([]Section, error) {
	v := s.get(key)
	if v == nil {
		return nil, nil
	}
	switch v.kind {
	case kindMap:
		return []Section{s.child(key, v)}, nil
	case kindList:
		out := make([]Section, 0, len(v.list))
		for i, e := range v.list {
			name := fmt.Sprintf("%s[%d]", key, i)
			if e.kind != kindMap {
				return nil, s.mistake(name, e, "a mapping")
			}
			out = append(out, s.child(name, e))
		}
		return out, nil
	}
	return nil, s.mistake(key, v, "a list of mappings")
}
