package report

import (
	"fmt"
	"html/template"
	"strings"
	"time"

	"github.com/galleyhq/galley/internal/ui/ansi"
	"github.com/galleyhq/galley/internal/ui/history"
)

// levelClasses are the classes of lines that stand out.
var levelClasses = map[string]string{"warn": "w", "error": "e", "fatal": "e", "unknown": "e"}

// logHTML returns lines as the content of a pre element, each with the time
// since begin. It is the one place where HTML is put together by hand, since
// there may be many thousands of lines.
func logHTML(lines []history.Line, begin time.Time) template.HTML {
	var b strings.Builder
	for _, l := range lines {
		class := levelClasses[l.Level]
		if l.Headline && class == "" {
			class = "h"
		}
		fmt.Fprintf(&b, `<span data-t="%s"`, since(l.Time.Sub(begin)))
		if class != "" {
			fmt.Fprintf(&b, ` class="%s"`, class)
		}
		b.WriteByte('>')
		for _, s := range ansi.Parse(l.Text) {
			writeSpan(&b, s)
		}
		b.WriteString("\n</span>")
	}
	return template.HTML(b.String())
}

func since(d time.Duration) string {
	d = max(0, d)
	if d < time.Minute {
		return fmt.Sprintf("%.1f", d.Seconds())
	}
	return fmt.Sprintf("%d:%02d", int(d.Minutes()), int(d.Seconds())%60)
}

func writeSpan(b *strings.Builder, s ansi.Span) {
	text := template.HTMLEscapeString(s.Text)
	if s.Style == (ansi.Style{}) {
		b.WriteString(text)
		return
	}
	fg, bg := s.Fg, s.Bg
	var classes []string
	var style string
	if s.Reversed {
		fg, bg = bg, fg
		classes = append(classes, "rv")
	}
	for _, c := range []struct {
		colour          int
		class, property string
	}{{fg, "f", "color"}, {bg, "g", "background"}} {
		switch {
		case c.colour&ansi.RGB != 0:
			style += fmt.Sprintf("%s:#%06x;", c.property, c.colour&^ansi.RGB)
		case c.colour != 0:
			classes = append(classes, fmt.Sprintf("%s%d", c.class, c.colour))
		}
	}
	for _, f := range []struct {
		on    bool
		class string
	}{{s.Bold, "bo"}, {s.Dim, "di"}, {s.Italic, "it"}, {s.Underlined, "un"}} {
		if f.on {
			classes = append(classes, f.class)
		}
	}
	b.WriteString("<i")
	if len(classes) > 0 {
		fmt.Fprintf(b, ` class="%s"`, strings.Join(classes, " "))
	}
	if style != "" {
		fmt.Fprintf(b, ` style="%s"`, style)
	}
	b.WriteString(">" + text + "</i>")
}
