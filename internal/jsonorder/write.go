package jsonorder

import (
	"fmt"
	"math/big"
	"strconv"
	"strings"
)

// Marshal writes a value as yajl does with beautify on: two spaces a level,
// empty arrays and objects over two lines, a line feed at the end.
func Marshal(v any) []byte {
	var w writer
	w.value(v, 0)
	return append(w.out, '\n')
}

type writer struct{ out []byte }

func (w *writer) line(depth int) {
	w.out = append(w.out, '\n')
	for range depth {
		w.out = append(w.out, "  "...)
	}
}

func (w *writer) value(v any, depth int) {
	switch v := v.(type) {
	case nil:
		w.out = append(w.out, "null"...)
	case bool:
		w.out = strconv.AppendBool(w.out, v)
	case int:
		w.out = strconv.AppendInt(w.out, int64(v), 10)
	case int64:
		w.out = strconv.AppendInt(w.out, v, 10)
	case *big.Int:
		w.out = v.Append(w.out, 10)
	case float64:
		w.out = append(w.out, FormatFloat(v)...)
	case string:
		w.string(v)
	case []string:
		list := make([]any, len(v))
		for i, s := range v {
			list[i] = s
		}
		w.value(list, depth)
	case []any:
		w.out = append(w.out, '[')
		w.items(len(v), depth, func(i int) { w.value(v[i], depth+1) })
		w.out = append(w.out, ']')
	case *Object:
		keys := v.Keys()
		w.out = append(w.out, '{')
		w.items(len(keys), depth, func(i int) {
			w.string(keys[i])
			w.out = append(w.out, ": "...)
			w.value(v.values[keys[i]], depth+1)
		})
		w.out = append(w.out, '}')
	default:
		panic(fmt.Sprintf("jsonorder: a value of type %T", v))
	}
}

// items writes the content of brackets.
func (w *writer) items(n, depth int, item func(i int)) {
	for i := range n {
		if i > 0 {
			w.out = append(w.out, ',')
		}
		w.line(depth + 1)
		item(i)
	}
	if n == 0 {
		w.out = append(w.out, '\n')
	}
	w.line(depth)
}

func (w *writer) string(s string) {
	w.out = append(w.out, '"')
	for _, c := range []byte(s) {
		switch c {
		case '"':
			w.out = append(w.out, `\"`...)
		case '\\':
			w.out = append(w.out, `\\`...)
		case '\b':
			w.out = append(w.out, `\b`...)
		case '\f':
			w.out = append(w.out, `\f`...)
		case '\n':
			w.out = append(w.out, `\n`...)
		case '\r':
			w.out = append(w.out, `\r`...)
		case '\t':
			w.out = append(w.out, `\t`...)
		default:
			if c < ' ' {
				w.out = fmt.Appendf(w.out, `\u%04X`, c)
			} else {
				w.out = append(w.out, c)
			}
		}
	}
	w.out = append(w.out, '"')
}

// FormatFloat writes a number as Ruby does: the shortest text that reads back
// as the same number, always with a point, with an exponent beyond 16 digits
// before and four zeros after the point.
func FormatFloat(f float64) string {
	s := strconv.FormatFloat(f, 'e', -1, 64)
	mantissa, exponent, _ := strings.Cut(s, "e")
	exp, err := strconv.Atoi(exponent)
	switch {
	case err != nil: // not a number or infinite: not JSON, and refused before
		return s
	case exp >= -4 && exp < 16:
		s = strconv.FormatFloat(f, 'f', -1, 64)
		if !strings.Contains(s, ".") {
			s += ".0"
		}
		return s
	}
	if !strings.Contains(mantissa, ".") {
		mantissa += ".0"
	}
	return fmt.Sprintf("%se%+03d", mantissa, exp)
}

// compareScalars compares numbers by value, as Ruby does, and the rest as is.
func compareScalars(a, b any) bool {
	x, xNumber := toFloat(a)
	y, yNumber := toFloat(b)
	if xNumber && yNumber {
		return x.Cmp(y) == 0
	}
	return a == b
}

func toFloat(v any) (*big.Float, bool) {
	switch v := v.(type) {
	case int64:
		return new(big.Float).SetInt64(v), true
	case *big.Int:
		return new(big.Float).SetInt(v), true
	case float64:
		if v != v {
			return nil, false
		}
		return new(big.Float).SetFloat64(v), true
	}
	return nil, false
}
