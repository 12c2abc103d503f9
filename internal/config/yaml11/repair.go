package yaml11

import (
	"bytes"
	"strings"
	"unicode/utf8"
)

// yaml.v3's scanner is libyaml's with a few changes. Where a change makes it
// refuse or read otherwise what Psych reads, the text is altered before it
// and the alteration undone in the result.

// repaired is a text for yaml.v3, and how to get the original scalars back.
type repaired struct {
	text []byte
	// mark stands for a question mark within a word, 0 when there is none.
	mark rune
}

// repair prepares src.
func repair(src []byte) repaired {
	r := repaired{text: src}
	if bytes.HasPrefix(r.text, []byte("\uFEFF")) {
		// Psych says that the text is UTF-8, so that libyaml does not look for
		// a byte order mark, and takes it for a blank that indents the line.
		r.text = append([]byte{' '}, r.text[len("\uFEFF"):]...)
	}
	r.questions()
	return r
}

// questions hides the question marks that are part of a word. Within brackets
// yaml.v3 takes each of them for the mark of a complex key.
func (r *repaired) questions() {
	if !bytes.ContainsAny(r.text, "[{") || bytes.IndexByte(r.text, '?') < 0 {
		return
	}
	mark := rune(0xE03F)
	for bytes.ContainsRune(r.text, mark) {
		mark++
	}
	out := make([]byte, 0, len(r.text)+16)
	inTag := false
	for i, c := range r.text {
		switch c {
		case ' ', '\t', '\n', '\r':
			inTag = false
		case '!':
			inTag = inTag || i == 0 || strings.IndexByte(" \t\n[{,", r.text[i-1]) >= 0
		case '?':
			if !inTag && r.within(i) {
				r.mark = mark
				out = utf8.AppendRune(out, mark)
				continue
			}
		}
		out = append(out, c)
	}
	if r.mark != 0 {
		r.text = out
	}
}

// within says whether the sign at i has text before it that it belongs to.
func (r *repaired) within(i int) bool {
	for i--; i >= 0; i-- {
		switch c := r.text[i]; {
		case c == ' ' || c == '\t':
		case strings.IndexByte("\r\n,[]{}?", c) >= 0:
			return false
		case c == ':' || c == '-':
			// An indicator when a blank follows; else a part of the word.
			return r.text[i+1] != ' ' && r.text[i+1] != '\t'
		default:
			return true
		}
	}
	return false
}

// restore undoes the alteration in a scalar or a message.
func (r *repaired) restore(s string) string {
	if r.mark == 0 {
		return s
	}
	return strings.ReplaceAll(s, string(r.mark), "?")
}
