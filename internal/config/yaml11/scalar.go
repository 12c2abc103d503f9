package yaml11

import (
	"encoding/base64"
	"errors"
	"math"
	"math/big"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/galleyhq/galley/internal/text"
)

// The forms that Psych's scanner of plain scalars knows (psych 4.0.4,
// ScalarScanner). Ruby's ^ and $ mean lines, so do ours.
var (
	reTime = text.Lazy(`^-?\d{4}-\d{1,2}-\d{1,2}(?:[Tt]|[ \t\r\f\v]+)\d{1,2}:\d\d:\d\d(?:\.\d*)?(?:[ \t\r\f\v]*(?:Z|[-+]\d{1,2}:?(?:\d\d)?))?$`)
	reDate = text.Lazy(`^\d{4}-(?:1[012]|0\d|\d)-(?:[12]\d|3[01]|0\d|\d)$`)
	reSym  = text.Lazy(`^:(?:"(.*)"|'(.*)')`)
	reSex  = text.Lazy(`^[-+]?[0-9][0-9_]*(:[0-5]?[0-9]){1,2}$`)
	reSexF = text.Lazy(`^[-+]?[0-9][0-9_]*(:[0-5]?[0-9]){1,2}\.[0-9_]*$`)
	reFlt  = text.Lazy(`^[-+]?([0-9][0-9_,]*)?\.[0-9]*([eE][-+][0-9]+)?$`)
	// reFloat is what Kernel#Float accepts, but for hexadecimal.
	reFloat = text.Lazy(`^[-+]?\d+(?:_\d+)*(?:\.\d+(?:_\d+)*)?(?:[eE][-+]?\d+(?:_\d+)*)?$`)
	reInt   = text.Lazy(`^[-+]?(?:0b[01_,]+|0[0-7_,]+|(?:0|[1-9](?:[0-9]|,[0-9]|_[0-9])*)|0x[0-9a-fA-F_,]+)$`)
)

// errDate is the refusal of dates and times, which Test Kitchen does not
// permit its YAML to hold.
var errDate = errors.New("a date or time is not allowed here; put it in quotes")

// tokenize gives n the kind and value of a plain scalar.
func (n *Node) tokenize(s string) error {
	n.Kind = String
	n.Str = s
	if s == "" {
		n.Kind = Null
		return nil
	}
	if strings.Contains(s, "\n") || wordLike(s) {
		n.word(s)
		return nil
	}
	if c := s[0]; c >= '0' && c <= '9' && strings.Trim(s, "0123456789") == "" && c != '0' {
		return n.integer(s)
	}
	switch {
	case reTime().MatchString(s), reDate().MatchString(s):
		return errDate
	case strings.EqualFold(s, ".inf"), strings.EqualFold(s, "+.inf"):
		n.setFloat(math.Inf(1))
	case strings.EqualFold(s, "-.inf"):
		n.setFloat(math.Inf(-1))
	case strings.EqualFold(s, ".nan"):
		n.setFloat(math.NaN())
	case s[0] == ':' && len(s) > 1:
		n.Kind = Symbol
		if m := reSym().FindStringSubmatch(s); m != nil {
			n.Str = strings.TrimPrefix(m[1]+m[2], ":")
		} else {
			n.Str = s[1:]
		}
	case reSex().MatchString(s):
		sum := new(big.Int)
		for i, part := range strings.Split(s, ":") {
			v := rubyToI(part)
			sum.Add(sum, v.Mul(v, big.NewInt(sixty(i))))
		}
		n.setInt(sum)
	case reSexF().MatchString(s):
		sum := 0.0
		for i, part := range strings.Split(s, ":") {
			sum += rubyToF(part) * float64(sixty(i))
		}
		n.setFloat(sum)
	case reFlt().MatchString(s):
		if s == "." || s == "+." || s == "-." {
			return nil
		}
		return n.float(s)
	case reInt().MatchString(s):
		return n.integer(s)
	}
	return nil
}

// wordLike is Psych's first question: may there be a letter or a sign among
// the first two characters, so that no number can come of it?
func wordLike(s string) bool {
	c, size := utf8.DecodeRuneInString(s)
	if wordRune(c) {
		return true
	}
	if c >= '0' && c <= '9' || c == '.' || c == ':' || c == '-' || size == len(s) {
		return false
	}
	c, _ = utf8.DecodeRuneInString(s[size:])
	return wordRune(c)
}

func wordRune(c rune) bool {
	if c < utf8.RuneSelf {
		return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || strings.ContainsRune("_ \t\r\n\f\v!@#$%^&*(){}<>|/\\~;=", c)
	}
	return unicode.IsLetter(c) || unicode.Is(unicode.Nl, c) || unicode.Is(unicode.Other_Alphabetic, c)
}

// word tells booleans and null from other text. In text of several lines each
// line counts, for that is what Psych's expressions do.
func (n *Node) word(s string) {
	if len(s) > 5 && utf8.RuneCountInString(s) > 5 {
		return
	}
	lines := strings.Split(s, "\n")
	if lines[len(lines)-1] == "" {
		lines = lines[:len(lines)-1]
	}
	for _, l := range lines {
		// An empty line starts with its own end.
		if l == "" || !strings.ContainsRune("ytonfYTONF~", rune(l[0])) {
			return
		}
	}
	any := func(words ...string) bool {
		for _, l := range lines {
			for _, w := range words {
				if strings.EqualFold(l, w) {
					return true
				}
			}
		}
		return false
	}
	switch {
	case s == "~", any("null"):
		n.Kind = Null
	case any("yes", "true", "on"):
		n.Kind, n.Bool = Bool, true
	case any("no", "false", "off"):
		n.Kind, n.Bool = Bool, false
	}
}

func (n *Node) setFloat(f float64) { n.Kind, n.Float = Float, f }

func (n *Node) setInt(v *big.Int) {
	n.Kind = Int
	if v.IsInt64() {
		n.Int = v.Int64()
	} else {
		n.Big = v
	}
}

// sixty is Psych's weight of the i-th part: hours first, whatever follows.
func sixty(i int) int64 {
	switch i {
	case 0:
		return 3600
	case 1:
		return 60
	}
	return 1
}

func (n *Node) float(s string) error {
	t := ungroup.Replace(s)
	// The dot goes when nothing follows it; [reFlt] leaves only one.
	t = strings.Replace(strings.Replace(t, ".e", "e", 1), ".E", "E", 1)
	t = strings.TrimSuffix(t, ".")
	f, err := strconv.ParseFloat(t, 64)
	if err != nil && !errors.Is(err, strconv.ErrRange) {
		return errors.New("not a number, though it begins like one; put it in quotes")
	}
	n.setFloat(f)
	return nil
}

// ungroup takes out the signs that group digits.
var ungroup = strings.NewReplacer(",", "", "_", "")

func (n *Node) integer(s string) error {
	if s[0] != '0' && len(s) < 18 {
		if i, err := strconv.ParseInt(s, 10, 64); err == nil && s[0] >= '0' {
			n.Kind, n.Int = Int, i
			return nil
		}
	}
	t := ungroup.Replace(s)
	// A long row of digits costs more than it can be worth.
	if len(t) > 4096 {
		return errors.New("a number of too many digits")
	}
	neg := strings.HasPrefix(t, "-")
	t = strings.TrimLeft(t, "+-")
	base := 10
	switch {
	case strings.HasPrefix(t, "0b"):
		t, base = t[2:], 2
	case strings.HasPrefix(t, "0x"):
		t, base = t[2:], 16
	case len(t) > 1 && t[0] == '0':
		t, base = t[1:], 8
	}
	v, ok := new(big.Int).SetString(t, base)
	if !ok {
		return errors.New("not a number, though it begins like one; put it in quotes")
	}
	if neg {
		v.Neg(v)
	}
	n.setInt(v)
	return nil
}

// rubyToI is String#to_i for text of a sign, digits and underscores: a
// doubled or trailing underscore ends the number.
func rubyToI(s string) *big.Int {
	neg := strings.HasPrefix(s, "-")
	s = strings.TrimLeft(s, "+-")
	if i := strings.Index(s, "__"); i >= 0 {
		s = s[:i]
	}
	if len(s) > 4096 {
		s = s[:4096]
	}
	v, ok := new(big.Int).SetString(strings.ReplaceAll(s, "_", ""), 10)
	if !ok {
		return new(big.Int)
	}
	if neg {
		v.Neg(v)
	}
	return v
}

// rubyToF is String#to_f for text of a sign, digits, underscores and a dot.
func rubyToF(s string) float64 {
	if i := strings.Index(s, "__"); i >= 0 {
		s = s[:i]
	}
	whole, frac, dotted := strings.Cut(s, ".")
	if strings.HasSuffix(whole, "_") || strings.HasPrefix(frac, "_") {
		dotted = false
	}
	t := strings.ReplaceAll(whole, "_", "")
	if dotted && frac != "" {
		t += "." + strings.ReplaceAll(frac, "_", "")
	}
	f, err := strconv.ParseFloat(t, 64)
	if err != nil && !errors.Is(err, strconv.ErrRange) {
		return 0
	}
	return f
}

// rubyFloatOf is Kernel#Float for what a tagged scalar may hold.
func rubyFloatOf(n *Node) (float64, bool) {
	switch n.Kind {
	case Int:
		if n.Big != nil {
			f, _ := new(big.Float).SetInt(n.Big).Float64()
			return f, true
		}
		return float64(n.Int), true
	case Float:
		return n.Float, true
	case String:
		t := strings.TrimSpace(n.Str)
		if !reFloat().MatchString(t) {
			return 0, false
		}
		f, err := strconv.ParseFloat(strings.ReplaceAll(t, "_", ""), 64)
		return f, err == nil || errors.Is(err, strconv.ErrRange)
	}
	return 0, false
}

// unbase64 decodes as Ruby's unpack("m"): other characters are skipped.
func unbase64(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		c := s[i]
		switch {
		case c >= 'A' && c <= 'Z', c >= 'a' && c <= 'z', c >= '0' && c <= '9', c == '+', c == '/':
			b.WriteByte(c)
		case c == '=':
			i = len(s)
		}
	}
	t := b.String()
	if len(t)%4 == 1 {
		t = t[:len(t)-1]
	}
	out, err := base64.RawStdEncoding.DecodeString(t)
	if err != nil {
		return ""
	}
	return string(out)
}
