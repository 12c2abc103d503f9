package fetch

import (
	"bytes"
)

// lineWriter writes the elements of an array one per line. Line breaks within
// an element can only stand between its tokens: they go, with the blanks that
// follow them.
type lineWriter struct {
	to    func([]byte) error
	count func()
	skip  bool
}

func (l *lineWriter) reset() { l.skip = false }

var newline = []byte{'\n'}

func (l *lineWriter) item(p []byte, last bool) error {
	for len(p) > 0 {
		if l.skip {
			i := 0
			for i < len(p) && (p[i] == ' ' || p[i] == '\t' || p[i] == '\n' || p[i] == '\r') {
				i++
			}
			p = p[i:]
			if len(p) == 0 {
				break
			}
			l.skip = false
		}
		i := indexBreak(p)
		piece := p
		if i >= 0 {
			piece, p = p[:i], p[i:]
			l.skip = true
		} else {
			p = nil
		}
		if len(piece) > 0 {
			if err := l.to(piece); err != nil {
				return err
			}
		}
	}
	if last {
		l.skip = false
		l.count()
		return l.to(newline)
	}
	return nil
}

// indexBreak returns the index of the first line break in p, or -1.
func indexBreak(p []byte) int {
	i := bytes.IndexByte(p, '\n')
	if i >= 0 {
		p = p[:i]
	}
	if j := bytes.IndexByte(p, '\r'); j >= 0 {
		return j
	}
	return i
}
