package ruby

import (
	"fmt"
	"math"
	"reflect"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/galleyhq/galley/internal/text"
)

// anyToS is the to_s that every object has, with its address.
func (in *Interp) anyToS(v Value) string {
	return fmt.Sprintf("#<%s:0x%016x>", in.classOf(v).name, reflect.ValueOf(v).Pointer())
}

// plainString is to_s without calling methods of the program.
func plainString(v Value) string {
	switch x := v.(type) {
	case nil:
		return ""
	case bool, int:
		return fmt.Sprint(x)
	case float64:
		return FormatFloat(x)
	case Symbol:
		return string(x)
	case *String:
		return x.s
	case *Class:
		return x.name
	case *HostObject:
		return x.Name
	case *Exception:
		if s, ok := x.msg.(*String); ok {
			return s.s
		}
		return x.class.name
	case *Object:
		return "#<" + x.class.name + ">"
	}
	return fmt.Sprintf("#<%T>", v)
}

// toS is to_s.
func (in *Interp) toS(v Value) string {
	switch v.(type) {
	case *String, nil, bool, int, float64, Symbol, *HostObject:
		return plainString(v)
	}
	if s, ok := in.send(v, "to_s").(*String); ok {
		return s.s
	}
	return in.anyToS(v)
}

// inspect is inspect.
func (in *Interp) inspect(v Value) string {
	switch x := v.(type) {
	case nil:
		return "nil"
	case bool, int, float64, *HostObject:
		return plainString(v)
	case Symbol:
		return inspectSymbol(string(x))
	case *String:
		in.alloc(len(x.s))
		return inspectString(x)
	}
	if s, ok := in.send(v, "inspect").(*String); ok {
		return s.s
	}
	return in.anyToS(v)
}

// enter guards inspect, ==, flatten and the like against deep nesting, and
// refuses a value that holds itself. The function returned ends it.
func (in *Interp) enter(v Value) func() {
	in.unsupportedIf(in.walking[v], "an array or hash that holds itself")
	in.deeper(6)
	in.walking[v] = true
	return func() {
		delete(in.walking, v)
		in.depth -= 6
	}
}

// inspectList joins inspected parts between brackets.
func (in *Interp) inspectList(v Value, open, shut string, each func(add func(string))) string {
	defer in.enter(v)()
	var parts []string
	each(func(s string) {
		in.step(1)
		in.alloc(len(s))
		parts = append(parts, s)
	})
	return open + strings.Join(parts, ", ") + shut
}

func (in *Interp) inspectArray(a *Array) string {
	return in.inspectList(a, "[", "]", func(add func(string)) {
		for _, e := range a.a {
			add(in.inspect(e))
		}
	})
}

func (in *Interp) inspectHash(h *Hash) string {
	return in.inspectList(h, "{", "}", func(add func(string)) {
		h.Each(func(k, v Value) bool { add(in.inspect(k) + "=>" + in.inspect(v)); return true })
	})
}

func inspectSymbol(s string) string {
	if isOperatorName(s) || utf8.ValidString(s) && plainSymbol().MatchString(s) {
		return ":" + s
	}
	return ":" + inspectString(&String{s: s})
}

// plainSymbol is a symbol that needs no quotes.
var plainSymbol = text.Lazy(`^(?:@{1,2}|\$)[A-Za-z_\x{80}-\x{10ffff}](?:[A-Za-z_\x{80}-\x{10ffff}]|\d)*$|^[A-Za-z_\x{80}-\x{10ffff}](?:[A-Za-z_\x{80}-\x{10ffff}]|\d)*[?!=]?$`)

// inspectEscape gives the escape of a byte that has one.
func inspectEscape(c byte) string {
	if i := strings.IndexByte("\"\\\n\t\r\x1b\a\b\v\f", c); i >= 0 {
		return `\` + string(`"\ntreabvf`[i])
	}
	return ""
}

func inspectString(x *String) string {
	s := x.s
	var b strings.Builder
	b.WriteByte('"')
	for i := 0; i < len(s); {
		r, w := utf8.DecodeRuneInString(s[i:])
		switch {
		case r == utf8.RuneError && w == 1:
			fmt.Fprintf(&b, "\\x%02X", s[i])
			w = 1
		case r == '#':
			if n := strings.TrimPrefix(s[i:], "#"); n != "" && strings.IndexByte("{$@", n[0]) >= 0 {
				b.WriteByte('\\')
			}
			b.WriteByte('#')
		case r < utf8.RuneSelf && inspectEscape(s[i]) != "":
			b.WriteString(inspectEscape(s[i]))
		case unicode.IsGraphic(r) || unicode.Is(unicode.Cf, r) || unicode.Is(unicode.Co, r):
			b.WriteRune(r)
		case r > 0xffff:
			fmt.Fprintf(&b, "\\u{%X}", r)
		default:
			fmt.Fprintf(&b, "\\u%04X", r)
		}
		i += w
	}
	b.WriteByte('"')
	return b.String()
}

// FormatFloat writes a float as Ruby's Float#to_s does.
func FormatFloat(f float64) string {
	if math.IsInf(f, 0) || math.IsNaN(f) {
		return map[string]string{"+Inf": "Infinity", "-Inf": "-Infinity", "NaN": "NaN"}[fmt.Sprint(f)]
	}
	if a := math.Abs(f); f == 0 || a >= 1e-4 && a < 1e15 {
		s := strconv.FormatFloat(f, 'f', -1, 64)
		if !strings.Contains(s, ".") {
			s += ".0"
		}
		return s
	}
	mant, exp, _ := strings.Cut(strconv.FormatFloat(f, 'e', -1, 64), "e")
	if !strings.Contains(mant, ".") {
		mant += ".0"
	}
	return mant + "e" + exp[:1] + fmt.Sprintf("%02s", strings.TrimLeft(exp[1:], "0"))
}

// describe names an object the way NoMethodError does.
func (in *Interp) describe(v Value) string {
	switch x := v.(type) {
	case *Class:
		return x.name + ":" + in.classOf(x).name
	case *HostObject:
		return x.Name
	case nil, bool, int, float64, Symbol, *String, *Array, *Hash, *Range:
		if s := in.inspect(v); len(s) <= 65 {
			return s + ":" + in.classOf(v).name
		}
	}
	if v == any(in.main) {
		return "main:Object"
	}
	return in.anyToS(v)
}
