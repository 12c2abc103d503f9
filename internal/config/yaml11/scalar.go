package yaml11

import (
	"errors"
	"math"
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
	reInt  = text.Lazy(`^[-+]?(?:0b[01_,]+|0[0-7_,]+|(?:0|[1-9](?:[0-9]|,[0-9]|_[0-9])*)|0x[0-9a-fA-F_,]+)$`)
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
		return n.baseSixty(s)
	case reSexF().MatchString(s):
		return errSixty
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

var (
	errSixty = errors.New("a number in base 60 of this form is not supported; put it in quotes")
	errLarge = errors.New("an integer of more than 64 bits is not supported; put it in quotes")
)

// baseSixty reads 1:30 and 1:30:15, hours first, whatever follows.
func (n *Node) baseSixty(s string) error {
	weight := []int64{3600, 60, 1}
	n.Kind, n.Int = Int, 0
	for i, part := range strings.Split(s, ":") {
		v, err := strconv.ParseInt(part, 10, 32)
		if err != nil {
			return errSixty
		}
		n.Int += v * weight[i]
	}
	return nil
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
	t := ungroup.Replace(s)
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
	if neg {
		t = "-" + t
	}
	v, err := strconv.ParseInt(t, base, 64)
	switch {
	case errors.Is(err, strconv.ErrRange):
		return errLarge
	case err != nil:
		return errors.New("not a number, though it begins like one; put it in quotes")
	}
	n.Kind, n.Int = Int, v
	return nil
}
