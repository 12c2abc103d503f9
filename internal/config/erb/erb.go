package erb

import (
	"context"
	"errors"
	"sort"
	"strings"
	"unicode/utf8"

	"github.com/galleyhq/galley/internal/ruby"
)

// Line tells where one rendered line comes from.
type Line struct {
	// Template is the line of the template (counted from 1) that the rendered line begins in.
	Template int
	// Code is true when code, not only the template's own text, wrote into this line.
	Code bool
	// Env names the variables of the environment that were read while <%= %> tags wrote into this line, in order and
	// each once. What an earlier tag put into a local variable does not count; see Result.Tags.
	Env []string
}

// Tag is a code tag (<% %>) that read the environment.
type Tag struct {
	// Line is the template's line in which the tag, or the last of several in a row, begins.
	Line int
	// Env names the variables that were read, in order and each once.
	Env []string
}

// Result is a rendered template.
type Result struct {
	// Text is exactly what Ruby's ERB gives.
	Text string
	// Lines has one entry for each line of Text; the last line counts even when nothing follows its line break, so
	// there are as many as strings.Split(Text, "\n") gives.
	Lines []Line
	// Tags are the code tags that read the environment, in the order in which they ran.
	Tags []Tag
}

// TemplateLine translates a line of the text (counted from 1) into one of the template.
func (r *Result) TemplateLine(line int) int {
	if len(r.Lines) == 0 {
		return line
	}
	if line < 1 {
		line = 1
	}
	if line > len(r.Lines) {
		line = len(r.Lines)
	}
	return r.Lines[line-1].Template
}

// Render renders a template with an interpreter. file names the template in messages and as __FILE__. The error is a
// *ruby.Error whose position is the template's.
//
// What the template writes to ENV, and its globals, constants and methods, stay in the interpreter for the next
// template; its local variables do not.
func Render(ctx context.Context, src, file string, in *ruby.Interp) (Result, error) {
	c := compile(src)
	prog, err := ruby.Parse(c.code.String(), ruby.Options{File: file, Position: c.position, Locals: []string{outVar}})
	if err != nil {
		return Result{}, c.explain(err)
	}
	m := &lineMap{c: c, cur: Line{}}
	text, err := in.RunTemplate(ctx, prog, ruby.Template{Local: outVar, Append: m.append, Reset: m.reset})
	if err != nil {
		return Result{}, err
	}
	return Result{Text: text, Lines: m.finish(text), Tags: m.tags}, nil
}

// outVar is the variable in which ERB's code collects the text.
const outVar = "_erbout"

type segKind uint8

const (
	segText segKind = iota
	segCode
	segInsert
)

// segment maps a piece of the generated code to the template.
type segment struct {
	gen  int // offset in the generated code
	src  int // offset in the template
	n    int // length of the text copied verbatim; 0 for text, which is quoted
	kind segKind
}

type compiler struct {
	src   string
	code  strings.Builder
	segs  []segment
	lines []int // offsets of the template's line starts
	first bool  // nothing on the current line of generated code yet
}

// compile translates a template as ERB::Compiler does.
func compile(src string) *compiler {
	c := &compiler{src: src, first: true}
	c.lines = append(c.lines, 0)
	for i := 0; i < len(src); i++ {
		if src[i] == '\n' {
			c.lines = append(c.lines, i+1)
		}
	}
	pos := 0
	stag := ""
	var text strings.Builder // content collected so far
	start := 0               // where it begins in the template
	add := func(from, to int) {
		if text.Len() == 0 {
			start = from
		}
		text.WriteString(src[from:to])
	}
	for pos < len(src) {
		if stag == "" {
			i := strings.Index(src[pos:], "<%")
			if i < 0 {
				add(pos, len(src))
				break
			}
			add(pos, pos+i)
			pos += i
			if strings.HasPrefix(src[pos:], "<%%") {
				if text.Len() == 0 {
					start = pos
				}
				text.WriteString("<%")
				pos += 3
				continue
			}
			if text.Len() > 0 {
				c.put(text.String(), start)
				text.Reset()
			}
			stag = "<%"
			if pos+2 < len(src) && (src[pos+2] == '=' || src[pos+2] == '#') {
				stag = src[pos : pos+3]
			}
			pos += len(stag)
			start = pos
			continue
		}
		i := strings.Index(src[pos:], "%>")
		if i < 0 {
			add(pos, len(src))
			break
		}
		if i > 0 && src[pos+i-1] == '%' {
			// %%> means %> and does not end the tag
			add(pos, pos+i-1)
			if text.Len() == 0 {
				start = pos + i - 1
			}
			text.WriteString("%>")
			pos += i + 2
			continue
		}
		add(pos, pos+i)
		pos += i + 2
		content := text.String()
		switch stag {
		case "<%":
			if strings.HasSuffix(content, "\n") {
				c.push(content[:len(content)-1], start, segCode, "", "")
				c.cr()
			} else {
				c.push(content, start, segCode, "", "")
			}
		case "<%=":
			c.push(content, start, segInsert, outVar+".<<((", ").to_s)")
		}
		text.Reset()
		stag = ""
	}
	// the rest of an unclosed tag counts as text
	if text.Len() > 0 {
		c.put(text.String(), start)
	}
	c.push(outVar, len(src), segCode, "", "")
	return c
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
	c.sep()
	c.segs = append(c.segs, segment{gen: c.code.Len(), src: at, kind: segText})
	c.code.WriteString(outVar + ".<< ")
	quote(&c.code, s)
	c.code.WriteString(".freeze")
	for n := strings.Count(s, "\n"); n > 0; n-- {
		c.code.WriteByte('\n')
	}
}

// push adds a command to the current line of code.
func (c *compiler) push(s string, at int, kind segKind, before, after string) {
	c.sep()
	// the call itself belongs to the tag
	c.segs = append(c.segs, segment{gen: c.code.Len(), src: at, kind: kind})
	c.code.WriteString(before)
	c.segs = append(c.segs, segment{gen: c.code.Len(), src: at, n: len(s), kind: kind})
	c.code.WriteString(s)
	if after != "" {
		c.segs = append(c.segs, segment{gen: c.code.Len(), src: at + len(s), kind: kind})
		c.code.WriteString(after)
	}
}

func (c *compiler) sep() {
	if !c.first {
		c.code.WriteString("; ")
	}
	c.first = false
}

func (c *compiler) cr() {
	c.code.WriteByte('\n')
	c.first = true
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

// source translates an offset of the generated code into one of the template.
func (c *compiler) source(gen int) int {
	s := c.find(gen)
	d := gen - s.gen
	if d > s.n {
		d = s.n
	}
	if s.src+d > len(c.src) {
		return len(c.src)
	}
	return s.src + d
}

// position is what messages show.
func (c *compiler) position(gen int) (line, col int) {
	return c.lineCol(c.source(gen))
}

func (c *compiler) lineCol(src int) (line, col int) {
	i := sort.SearchInts(c.lines, src+1) - 1
	return i + 1, utf8.RuneCountInString(c.src[c.lines[i]:src]) + 1
}

// lineMap follows the text as it grows.
type lineMap struct {
	c    *compiler
	done []Line
	cur  Line
	has  bool // the current line has begun
	tags []Tag
	code int // template line of the last piece, for appends from elsewhere
}

func (m *lineMap) append(gen int, text string, env []string) {
	line := m.code
	kind := segInsert
	if gen >= 0 {
		s := m.c.find(gen)
		kind = s.kind
		line, _ = m.c.lineCol(m.c.source(gen))
		m.code = line
	}
	if kind == segText && len(env) > 0 {
		m.tags = append(m.tags, Tag{Line: line, Env: uniq(nil, env)})
		env = nil
	}
	for {
		if !m.has && text != "" {
			m.cur.Template, m.has = line, true
		}
		i := strings.IndexByte(text, '\n')
		if kind != segText && text != "" {
			m.cur.Code = true
		}
		if len(env) > 0 {
			// an empty value, too, came from the environment
			m.cur.Env = uniq(m.cur.Env, env)
			m.cur.Code = true
			m.cur.Template, m.has = firstOf(m.cur.Template, m.has, line), true
		}
		if i < 0 {
			return
		}
		m.done = append(m.done, m.cur)
		m.cur, m.has = Line{}, false
		text = text[i+1:]
		if kind == segText {
			line++
		}
		if text == "" {
			m.cur.Template = line
			return
		}
	}
}

func firstOf(line int, has bool, other int) int {
	if has {
		return line
	}
	return other
}

func (m *lineMap) reset(text string) {
	m.done, m.cur, m.has = nil, Line{Template: m.code}, false
	m.append(-1, text, nil)
}

// finish gives one entry for each line of the text.
func (m *lineMap) finish(text string) []Line {
	n := strings.Count(text, "\n") + 1
	lines := append(m.done, m.cur)
	for len(lines) < n {
		lines = append(lines, Line{})
	}
	lines = lines[:n]
	last := 1
	for i := range lines {
		if lines[i].Template == 0 {
			lines[i].Template = last
		}
		last = lines[i].Template
	}
	return lines
}

func uniq(have, more []string) []string {
	for _, s := range more {
		found := false
		for _, h := range have {
			if h == s {
				found = true
				break
			}
		}
		if !found {
			have = append(have, s)
		}
	}
	return have
}
