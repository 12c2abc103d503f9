package config

import (
	"bytes"
	"math"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/galleyhq/galley/internal/text"
)

// emitter writes values as YAML that every reader, of version 1.1 or 1.2,
// takes for the same data.
type emitter struct {
	b bytes.Buffer
	// note gives the comment behind a value, "" for none; nil for no comments.
	note func(*value) string
}

// YAML writes instances as `config resolve --format yaml` prints them.
func YAML(instances []Instance) []byte {
	var e emitter
	e.document(resolved(instances))
	return e.b.Bytes()
}

func (e *emitter) document(v *value) {
	e.b.WriteString("---")
	e.value(v, 0, false)
}

func (e *emitter) indent(n int) {
	for range n {
		e.b.WriteByte(' ')
	}
}

func (e *emitter) comment(v *value) {
	if e.note != nil {
		if n := e.note(v); n != "" {
			e.b.WriteString(" # " + strings.Map(func(r rune) rune {
				if r < ' ' {
					return ' '
				}
				return r
			}, n))
		}
	}
	e.b.WriteByte('\n')
}

// value writes what stands behind "---", "key:" or "-". In a list the first
// entry of a mapping stays on the line of its dash.
func (e *emitter) value(v *value, depth int, dash bool) {
	switch {
	case v != nil && v.kind == kindMap && v.m.len() > 0:
		if !dash {
			e.b.WriteByte('\n')
		}
		for i, x := range v.m.entries {
			if dash && i == 0 {
				e.b.WriteByte(' ')
			} else {
				e.indent(depth)
			}
			e.b.WriteString(scalar(stringValue(x.name, nil), 0, false) + ":")
			next := depth + 2
			if x.val.kind == kindList {
				next = depth
			}
			e.value(x.val, next, false)
		}
	case v != nil && v.kind == kindList && len(v.list) > 0:
		if !dash {
			e.b.WriteByte('\n')
		}
		for i, x := range v.list {
			if dash && i == 0 {
				e.b.WriteByte(' ')
			} else {
				e.indent(depth)
			}
			e.b.WriteByte('-')
			e.value(x, depth+2, true)
		}
	default:
		s := scalar(v, depth, true)
		if s != "" {
			e.b.WriteByte(' ')
		}
		if strings.HasPrefix(s, "|") {
			// The comment goes behind the indicator, not behind the text.
			head, body, _ := strings.Cut(s, "\n")
			e.b.WriteString(head)
			e.comment(v)
			e.b.WriteString(body + "\n")
			return
		}
		e.b.WriteString(s)
		e.comment(v)
	}
}

// rePlain is text that is safe without quotes, unless it is a word or a
// number that means something else.
var (
	rePlain  = text.Lazy(`^[\p{L}_/][\p{L}\p{N}_./@+()\[\]*^;-]*(?:[ :,=][\p{L}\p{N}_./@+()\[\]*^;-]+)*$`)
	reTyped  = text.Lazy(`^(?i:y|n|yes|no|true|false|on|off|null|nan|inf|infinity)$`)
	reSymbol = text.Lazy(`^[A-Za-z_/.][A-Za-z0-9_./@+-]*$`)
)

func scalar(v *value, depth int, block bool) string {
	if v == nil {
		return ""
	}
	switch v.kind {
	case kindNull:
		return ""
	case kindBool, kindInt:
		return v.text()
	case kindFloat:
		switch {
		case math.IsNaN(v.f):
			return ".nan"
		case math.IsInf(v.f, 1):
			return ".inf"
		case math.IsInf(v.f, -1):
			return "-.inf"
		}
		return v.text()
	case kindList:
		return "[]"
	case kindMap:
		return "{}"
	case kindSymbol:
		if reSymbol().MatchString(v.s) {
			return ":" + v.s
		}
		// No form that every reader takes: as text with its colon.
		return scalar(stringValue(":"+v.s, nil), depth, block)
	}
	s := v.s
	switch {
	case s == "":
		return "''"
	case !utf8.ValidString(s):
		return doubleQuoted(s)
	case block && literal(s):
		return literalBlock(s, depth)
	case strings.ContainsFunc(s, func(r rune) bool {
		return r == '\u0085' || r == '\u2028' || r == '\u2029' || r == '\uFEFF' || !unicode.IsPrint(r)
	}):
		return doubleQuoted(s)
	case rePlain().MatchString(s) && !reTyped().MatchString(s):
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", "''") + "'"
}

// literal says whether text is fit for a literal block.
func literal(s string) bool {
	if !strings.Contains(strings.TrimSuffix(s, "\n"), "\n") || strings.IndexByte(" \t\n", s[0]) >= 0 || strings.HasSuffix(s, "\n\n") {
		return false
	}
	for _, l := range strings.Split(s, "\n") {
		if strings.ContainsFunc(l, func(r rune) bool {
			return r == '\u0085' || r == '\u2028' || r == '\u2029' || r == '\uFEFF' || r != '\t' && !unicode.IsPrint(r)
		}) {
			return false
		}
	}
	return true
}

func literalBlock(s string, depth int) string {
	head := "|"
	if !strings.HasSuffix(s, "\n") {
		head = "|-"
	}
	var b strings.Builder
	b.WriteString(head)
	pad := strings.Repeat(" ", max(depth, 2))
	for _, l := range strings.Split(strings.TrimSuffix(s, "\n"), "\n") {
		b.WriteByte('\n')
		if l != "" {
			b.WriteString(pad + l)
		}
	}
	return b.String()
}

// doubleQuoted writes text with all that is not printable escaped; Go's escapes
// are YAML's, too.
func doubleQuoted(s string) string { return strconv.Quote(strings.ToValidUTF8(s, "\uFFFD")) }
