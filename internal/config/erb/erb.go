package erb

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"sort"
	"strings"
	"unicode/utf8"

	"github.com/galleyhq/galley/internal/ruby"
	"github.com/galleyhq/galley/internal/text"
)

// Line tells where one rendered line comes from.
type Line struct {
	// Template is the line of the template (counted from 1) that the rendered line begins in.
	Template int
	// Code is true when that line of the template has code, or code that reads the environment wrote into this one.
	Code bool
	// Env names the variables of the environment that were read while <%= %> tags wrote into this line, in order and
	// each once. What an earlier tag put into a local variable does not count.
	Env []string
}

// Result is a rendered template.
type Result struct {
	// Text is exactly what Ruby's ERB gives.
	Text string
	// Lines has one entry for each line of Text; the last line counts even when nothing follows its line break, so
	// there are as many as strings.Split(Text, "\n") gives.
	Lines []Line
}

// Render renders a template with an interpreter. file names the template in messages and as __FILE__. The error is a
// *ruby.Error whose position is the template's.
//
// What the template writes to ENV, and its globals, constants and methods, stay in the interpreter for the next
// template; its local variables do not.
func Render(ctx context.Context, src, file string, in *ruby.Interp) (Result, error) {
	c := compile(src)
	prog, err := ruby.Parse(c.code.String(), ruby.Options{File: file, Position: c.position})
	if err != nil {
		return Result{}, c.explain(err)
	}
	m := &lineMap{c: c}
	out := &ruby.HostObject{Name: outVar, Host: m}
	in.SetConst(outConst, out)
	in.TakeReads()
	switch v, err := in.Run(ctx, prog); {
	case err != nil:
		return Result{}, err
	case v != any(out):
		return Result{}, &ruby.Error{Kind: ruby.Refused, File: file, Message: "the template replaces " + outVar + ", which is not supported"}
	}
	return m.result(), nil
}

// maxText bounds a rendered text.
const maxText = 16 << 20

// outVar is the variable in which ERB's code collects the text, outConst what it is set to: an object that << appends
// the template's text to, and concat what its code makes.
const (
	outVar   = "_erbout"
	outConst = "GALLEY_TEXT"
)

// segment maps a piece of the generated code to the template.
type segment struct {
	gen int // offset in the generated code
	src int // offset in the template
	n   int // length of the text copied verbatim; 0 for text, which is quoted
}

type compiler struct {
	src   string
	code  strings.Builder
	segs  []segment
	lines []int // offsets of the template's line starts
	// tagged are the template's lines with a tag, or a part of one.
	tagged map[int]bool
	first  bool // nothing on the current line of generated code yet
}

// opening and closing are what a template's text and a tag are searched for.
var (
	opening = text.Lazy(`<%[%=#]?`)
	closing = text.Lazy(`%%?>`)
)

// compile translates a template as ERB::Compiler does.
func compile(src string) *compiler {
	c := &compiler{src: src, lines: []int{0}, tagged: map[int]bool{}, first: true}
	for i := range src {
		if src[i] == '\n' {
			c.lines = append(c.lines, i+1)
		}
	}
	c.code.WriteString(outVar + " = " + outConst + "; ")
	tag, content := "", "" // the tag that is open, and the text so far
	start, pos := 0, 0     // where the text begins in the template, and the rest
	for {
		mark := opening()
		if tag != "" {
			mark = closing()
		}
		if content == "" {
			start = pos
		}
		m := mark.FindStringIndex(src[pos:])
		if m == nil {
			break
		}
		content += src[pos : pos+m[0]]
		found := src[pos+m[0] : pos+m[1]]
		begin := pos + m[0]
		pos += m[1]
		switch {
		case found == "<%%" || found == "%%>":
			if content == "" {
				start = begin
			}
			content += strings.Replace(found, "%%", "%", 1)
			continue
		case tag == "":
			c.put(content, start)
			tag = found
		default:
			c.tag(tag, content, start)
			tag = ""
		}
		content = ""
	}
	// The rest of a tag that is not closed counts as text.
	c.put(content+src[pos:], start)
	c.push(outVar, len(src), "", "")
	return c
}

// tag makes the code of a tag.
func (c *compiler) tag(tag, content string, at int) {
	first := c.line(at)
	for n := range strings.Count(content, "\n") + 1 {
		c.tagged[first+n] = true
	}
	switch line, ended := strings.CutSuffix(content, "\n"); {
	case tag == "<%=":
		c.push(content, at, outVar+".concat((", ").to_s)")
	case tag == "<%":
		c.push(line, at, "", "")
		if ended {
			c.code.WriteByte('\n')
			c.first = true
		}
	}
}

// explain makes the message of a syntax error at the end of a tag speak of the template, not of the code made from it.
func (c *compiler) explain(err error) error {
	var e *ruby.Error
	if !errors.As(err, &e) || e.Kind != ruby.SyntaxError || e.Line < 1 || e.Line > len(c.lines) {
		return err
	}
	at := c.lines[e.Line-1]
	for n := 1; n < e.Col && at < len(c.src); n++ {
		_, w := utf8.DecodeRuneInString(c.src[at:])
		at += w
	}
	if !strings.HasPrefix(c.src[at:], "%>") {
		return err
	}
	e.Message = "syntax error: the tag ends within an expression"
	if at > 0 && c.src[at-1] == '-' {
		e.SetHint("Test Kitchen renders without trim mode, in which `-%>` means nothing; write `%>`")
	}
	return e
}

// put makes the code that appends literal text.
func (c *compiler) put(s string, at int) {
	if s == "" {
		return
	}
	c.sep()
	c.segs = append(c.segs, segment{gen: c.code.Len(), src: at})
	c.code.WriteString(outVar + ".<< ")
	quote(&c.code, s)
	c.code.WriteString(".freeze")
	for n := strings.Count(s, "\n"); n > 0; n-- {
		c.code.WriteByte('\n')
	}
}

// push adds a command to the current line of code.
func (c *compiler) push(s string, at int, before, after string) {
	c.sep()
	// the call itself belongs to the tag
	c.segs = append(c.segs, segment{gen: c.code.Len(), src: at})
	c.code.WriteString(before)
	c.segs = append(c.segs, segment{gen: c.code.Len(), src: at, n: len(s)})
	c.code.WriteString(s)
	if after != "" {
		c.segs = append(c.segs, segment{gen: c.code.Len(), src: at + len(s)})
		c.code.WriteString(after)
	}
}

func (c *compiler) sep() {
	if !c.first {
		c.code.WriteString("; ")
	}
	c.first = false
}

func quote(b *strings.Builder, s string) {
	b.WriteByte('"')
	for i := 0; i < len(s); i++ {
		switch ch := s[i]; ch {
		case '"', '\\', '#':
			b.WriteByte('\\')
			b.WriteByte(ch)
		case '\n':
			b.WriteString(`\n`)
		case '\r':
			b.WriteString(`\r`)
		case 0:
			b.WriteString(`\x00`)
		default:
			b.WriteByte(ch)
		}
	}
	b.WriteByte('"')
}

// find gives the segment of an offset in the generated code.
func (c *compiler) find(gen int) segment {
	i := sort.Search(len(c.segs), func(i int) bool { return c.segs[i].gen > gen })
	if i == 0 {
		return segment{}
	}
	return c.segs[i-1]
}

// position translates an offset of the generated code into a place of the template.
func (c *compiler) position(gen int) (line, col int) {
	s := c.find(gen)
	src := min(s.src+min(gen-s.gen, s.n), len(c.src))
	line = c.line(src)
	return line, utf8.RuneCountInString(c.src[c.lines[line-1]:src]) + 1
}

// line returns the line of an offset of the template, from 1.
func (c *compiler) line(src int) int { return sort.SearchInts(c.lines, src+1) }

// lineMap follows the text as it grows.
type lineMap struct {
	c    *compiler
	text strings.Builder
	done []Line
	cur  Line
	// begun tells that text of the current line is there.
	begun bool
}

// Call implements [ruby.Host].
func (m *lineMap) Call(c *ruby.Call) (ruby.Value, bool, error) {
	if c.Name != "<<" && c.Name != "concat" || len(c.Args) != 1 {
		return nil, false, nil
	}
	s, ok := c.Args[0].(*ruby.String)
	if !ok {
		return nil, true, c.Raise("TypeError", "no implicit conversion into String")
	}
	if m.text.Len()+len(s.String()) > maxText {
		return nil, true, errors.New("the template makes too much text")
	}
	m.append(c.Line, c.Name == "<<", s.String(), c.Interp().TakeReads())
	return c.Self, true, nil
}

// append takes a piece of text that a line of the template makes, literal or by code.
func (m *lineMap) append(line int, literal bool, text string, env []string) {
	if literal {
		env = nil // read by a tag that wrote nothing
	}
	m.text.WriteString(text)
	parts := strings.Split(text, "\n")
	for i, s := range parts {
		if i > 0 {
			if literal {
				line++
			}
			m.done = append(m.done, m.cur)
			m.cur, m.begun = Line{Template: line}, false
			if i == len(parts)-1 && s == "" {
				break
			}
		}
		if !m.begun && (text != "" || len(env) > 0) {
			m.cur.Template, m.begun = line, true
		}
		for _, name := range env {
			// An empty value, too, came from the environment.
			if !slices.Contains(m.cur.Env, name) {
				m.cur.Env = append(m.cur.Env, name)
			}
		}
	}
}

// result gives one entry for each line of the text.
func (m *lineMap) result() Result {
	lines := append(m.done, m.cur)
	last := 1
	for i := range lines {
		l := &lines[i]
		l.Template = cmp.Or(l.Template, last)
		l.Code = m.c.tagged[l.Template] || len(l.Env) > 0
		last = l.Template
	}
	return Result{Text: m.text.String(), Lines: lines}
}
