package openrc

import (
	"context"
	"errors"
	"regexp"
	"strings"

	"mvdan.cc/sh/v3/expand"
	"mvdan.cc/sh/v3/pattern"
	"mvdan.cc/sh/v3/syntax"
)

// recovered turns a panic of the expander into a refusal: there are scripts
// that it was not made for, and a file must not end the program.
func (r *reader) recovered(at syntax.Node, err *error) {
	if p := recover(); p != nil {
		*err = r.refuse(at, "this expansion")
	}
}

// fields expands a word as the shell does a command's arguments.
func (r *reader) fields(w *syntax.Word) (words []string, err error) {
	defer r.recovered(w, &err)
	if err := r.bound(w); err != nil {
		return nil, err
	}
	for f, err := range expand.FieldsSeq(r.cfg, w) {
		if err != nil {
			return nil, r.located(w, err)
		}
		// {1..99999999} is not written out.
		if words = append(words, f); len(words) > maxSteps {
			return nil, r.errorf(w, "it makes too many words")
		}
	}
	return words, nil
}

// word expands a word to one string, as the shell does the value of a
// variable: nothing is split, and braces and globs stay as they are.
func (r *reader) word(w *syntax.Word) (s string, err error) {
	if w == nil {
		return "", nil
	}
	defer r.recovered(w, &err)
	if err := r.bound(w); err != nil {
		return "", err
	}
	var b strings.Builder
	for i, part := range w.Parts {
		// Not expand.Literal, which leaves backslashes as they are.
		if lit, ok := part.(*syntax.Lit); ok {
			b.WriteString(r.bare(lit.Value, i == 0, i == len(w.Parts)-1))
			continue
		}
		parts := []syntax.WordPart{part}
		if q, ok := part.(*syntax.DblQuoted); ok && !q.Dollar {
			parts = q.Parts
		}
		for _, part := range parts {
			text, err := r.part(part)
			if err != nil {
				return "", r.located(w, err)
			}
			b.WriteString(text)
		}
	}
	return b.String(), nil
}

// part expands a part of a word as within double quotes.
func (r *reader) part(part syntax.WordPart) (string, error) {
	if p, ok := part.(*syntax.ParamExp); ok {
		if text, done, err := r.anchored(p); done {
			return text, err
		}
	}
	if _, ok := part.(*syntax.SglQuoted); !ok {
		part = &syntax.DblQuoted{Parts: []syntax.WordPart{part}}
	}
	return expand.Literal(r.cfg, &syntax.Word{Parts: []syntax.WordPart{part}})
}

// anchored expands ${X/#pattern/with} and ${X/%pattern/with}, which the
// expander does not know.
func (r *reader) anchored(p *syntax.ParamExp) (string, bool, error) {
	if p.Repl == nil || p.Repl.All || p.Repl.Orig == nil || len(p.Repl.Orig.Parts) == 0 || p.Index != nil || p.Excl {
		return "", false, nil
	}
	lit, ok := p.Repl.Orig.Parts[0].(*syntax.Lit)
	if !ok || lit.Value == "" || (lit.Value[0] != '#' && lit.Value[0] != '%') {
		return "", false, nil
	}
	value := environ{r}.Get(p.Param.Value).String()
	pat, err := expand.Pattern(r.cfg, p.Repl.Orig)
	if err != nil {
		return "", true, err
	}
	expr, err := pattern.Regexp(pat[1:], 0)
	if err != nil {
		return "", true, err
	}
	if lit.Value[0] == '#' {
		expr = "^(?:" + expr + ")"
	} else {
		expr = "(?:" + expr + ")$"
	}
	re, err := regexp.Compile(expr)
	if err != nil {
		return value, true, nil
	}
	at := re.FindStringIndex(value)
	if at == nil {
		return value, true, nil
	}
	with, err := r.word(p.Repl.With)
	return value[:at[0]] + with + value[at[1]:], true, err
}

// bare expands text that is not quoted: backslashes take the next character
// as it is, and a tilde at the start or behind a colon is the home directory.
func (r *reader) bare(s string, first, last bool) string {
	var b strings.Builder
	start := first
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] == '\\' && i+1 < len(s):
			i++
			b.WriteByte(s[i])
		case s[i] == '~' && start && (i+1 == len(s) && last || i+1 < len(s) && strings.IndexByte("/:", s[i+1]) >= 0):
			if home := r.vars["HOME"]; home.set {
				b.WriteString(home.value)
			} else {
				b.WriteByte('~')
			}
		default:
			b.WriteByte(s[i])
		}
		start = s[i] == ':'
	}
	return b.String()
}

// document expands the text of a here-document.
func (r *reader) document(w *syntax.Word) (s string, err error) {
	defer r.recovered(w, &err)
	if err := r.bound(w); err != nil {
		return "", err
	}
	s, err = expand.Document(r.cfg, w)
	return s, r.located(w, err)
}

func (r *reader) arithm(at syntax.Node, x syntax.ArithmExpr) (n int, err error) {
	defer r.recovered(at, &err)
	if err := r.bound(x); err != nil {
		return 0, err
	}
	n, err = expand.Arithm(r.cfg, x)
	return n, r.located(at, err)
}

// matches says whether a glob pattern fits a whole string.
func (r *reader) matches(p *syntax.Word, s string) (fits bool, err error) {
	defer r.recovered(p, &err)
	if err := r.bound(p); err != nil {
		return false, err
	}
	pat, err := expand.Pattern(r.cfg, p)
	if err != nil {
		return false, r.located(p, err)
	}
	expr, err := pattern.Regexp(pat, pattern.EntireString)
	if err != nil {
		return false, r.errorf(p, "the pattern %q: %v", pat, err)
	}
	re, err := regexp.Compile(expr)
	return err == nil && re.MatchString(s), nil
}

// found says whether a regular expression fits part of a string, for =~.
// Quoted parts of it stand for themselves.
func (r *reader) found(w *syntax.Word, s string) (bool, error) {
	var b strings.Builder
	for _, part := range w.Parts {
		if lit, ok := part.(*syntax.Lit); ok {
			b.WriteString(lit.Value)
			continue
		}
		text, err := r.word(&syntax.Word{Parts: []syntax.WordPart{part}})
		if err != nil {
			return false, err
		}
		if _, ok := part.(*syntax.ParamExp); !ok {
			text = regexp.QuoteMeta(text)
		}
		b.WriteString(text)
	}
	re, err := regexp.CompilePOSIX(b.String())
	if err != nil {
		return false, r.refuse(w, "this regular expression")
	}
	return re.MatchString(s), nil
}

// bound refuses expansions that could grow beyond all bounds, before they are
// tried: the expander itself has no limits.
func (r *reader) bound(n syntax.Node) error {
	var bad error
	syntax.Walk(n, func(n syntax.Node) bool {
		switch n := n.(type) {
		case *syntax.CmdSubst:
			// Its statements are bounded when they are carried out.
			return false
		case *syntax.ProcSubst:
			bad = r.refuse(n, "a process substitution")
		case *syntax.BinaryArithm:
			if n.Op == syntax.Pow || n.Op == syntax.Shl || n.Op == syntax.ShlAssgn {
				bad = r.refuse(n, "an exponent or a shift")
			}
		}
		return bad == nil
	})
	if bad != nil {
		return bad
	}
	if r.most(n, 0) > 2*maxValue {
		return r.errorf(n, "what it expands to is longer than any RC file's value")
	}
	return nil
}

// huge stands for any size that is too much.
const huge = 1 << 40

// most is an upper bound on the length that a node expands to.
func (r *reader) most(n syntax.Node, depth int) int {
	if depth > 50 {
		return huge
	}
	sum := func(parts []syntax.WordPart) int {
		total := 0
		for _, p := range parts {
			total = min(total+r.most(p, depth+1), huge)
		}
		return total
	}
	switch n := n.(type) {
	case *syntax.Word:
		if n == nil {
			return 0
		}
		return sum(n.Parts)
	case *syntax.Lit:
		if strings.HasPrefix(n.Value, "~") {
			return len(n.Value) + len(r.vars["HOME"].value)
		}
		return len(n.Value)
	case *syntax.SglQuoted:
		return len(n.Value)
	case *syntax.DblQuoted:
		return sum(n.Parts)
	case *syntax.CmdSubst:
		return maxSubst
	case *syntax.ParamExp:
		return r.mostParam(n, depth)
	}
	return 100 // a number
}

func (r *reader) mostParam(n *syntax.ParamExp, depth int) int {
	if n.Param == nil {
		return huge
	}
	value := len(r.vars[n.Param.Value].value)
	switch n.Param.Value {
	case "@", "*":
		for _, p := range r.params {
			value += len(p) + 1
		}
	case "BASH_SOURCE", "0":
		value = len(r.name) + 10
	default:
		if v := (environ{r}).Get(n.Param.Value); v.Set {
			value = max(value, len(v.Str))
		}
	}
	switch {
	case n.Names != 0:
		total := 0
		for name := range r.vars {
			total += len(name) + 1
		}
		return total
	case n.Excl:
		// The value of the variable that the value names.
		return maxValue
	case n.Length:
		return 20
	case n.Repl != nil:
		with := 0
		if n.Repl.With != nil {
			with = r.most(n.Repl.With, depth+1)
		}
		return min((value+1)*(with+1), huge)
	case n.Exp != nil:
		if n.Exp.Op == syntax.OtherParamOps {
			// ${X@Q} quotes each character at worst.
			return 8*value + 10
		}
		if n.Exp.Word != nil {
			return max(value, r.most(n.Exp.Word, depth+1))
		}
	}
	return value
}

// located gives an expander's error its place.
func (r *reader) located(at syntax.Node, err error) error {
	var own *Error
	if err == nil || errors.As(err, &own) || control(err) {
		return err
	}
	if r.ctx.Err() != nil {
		return context.Cause(r.ctx)
	}
	var unset expand.UnsetParameterError
	if errors.As(err, &unset) {
		// ${X:?message}
		e := r.errorf(at, "%s: %s", unset.Node.Param.Value, unset.Message)
		e.Advice = "set " + unset.Node.Param.Value + " in the environment"
		return e
	}
	return r.errorf(at, "%v", err)
}
