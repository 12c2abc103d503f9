package bootstrap

import "io"

// escapeReader looks for ssh's escape at the start of a line: ~. ends the
// session, ~~ is a tilde. Everything else passes.
type escapeReader struct {
	r io.Reader
	// end is called at ~.
	end func()

	start   bool
	pending bool
	// left is what did not fit into the caller's buffer.
	left []byte
}

func newEscapeReader(r io.Reader, end func()) *escapeReader {
	return &escapeReader{r: r, end: end, start: true}
}

func (e *escapeReader) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	for {
		if len(e.left) > 0 {
			n := copy(p, e.left)
			e.left = e.left[n:]
			return n, nil
		}
		n, err := e.r.Read(p)
		for _, c := range p[:n] {
			if e.pending {
				e.pending = false
				switch c {
				case '.':
					e.end()
					return 0, io.EOF
				case '~':
					e.left = append(e.left, '~')
				default:
					e.left = append(e.left, '~', c)
				}
				e.start = c == '\r' || c == '\n'
				continue
			}
			if e.start && c == '~' {
				e.pending = true
				continue
			}
			e.left = append(e.left, c)
			e.start = c == '\r' || c == '\n'
		}
		if len(e.left) == 0 && err == nil {
			continue
		}
		if len(e.left) > 0 {
			m := copy(p, e.left)
			e.left = e.left[m:]
			if len(e.left) == 0 {
				return m, err
			}
			return m, nil
		}
		return 0, err
	}
}
