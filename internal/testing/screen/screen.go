// Package screen is a small terminal for tests: what a program writes to it
// becomes the lines that its user sees, those that have scrolled away included.
package screen

import (
	"fmt"
	"strconv"
	"strings"
	"sync"
	"unicode/utf8"
)

// Screen is a terminal that begins a new line at each line feed, as one in its
// normal mode does. Every character is one column wide. It is safe for
// concurrent use.
type Screen struct {
	mu            sync.Mutex
	width, height int
	// lines are all lines, row and col the place of the cursor in them, and
	// top is the first line that has not scrolled away.
	lines         [][]rune
	row, col, top int
	rest          []byte // a sequence or character whose end is still to come
	unknown       []string
}

// New returns an empty screen.
func New(width, height int) *Screen {
	return &Screen{width: width, height: height, lines: [][]rune{nil}}
}

// Size returns the columns and rows.
func (s *Screen) Size() (width, height int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.width, s.height
}

// Lines returns the lines from the first that was written to the last that
// is not empty, without the blanks at their ends.
func (s *Screen) Lines() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := make([]string, len(s.lines))
	last := 0
	for i, l := range s.lines {
		if out[i] = strings.TrimRight(string(l), " "); out[i] != "" {
			last = i + 1
		}
	}
	return out[:last]
}

// Unknown returns the control sequences that the screen did not understand.
func (s *Screen) Unknown() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.unknown
}

// Narrow makes the screen narrower, which wraps the longer lines.
func (s *Screen) Narrow(width int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var wrapped [][]rune
	for i, l := range s.lines {
		for len(l) > width {
			wrapped, l = append(wrapped, l[:width:width]), l[width:]
		}
		if wrapped = append(wrapped, l); i == s.row {
			s.row = len(wrapped) - 1
		}
	}
	s.width, s.lines, s.col = width, wrapped, s.col%width
	s.top = max(0, s.row-s.height+1)
}

// Write implements io.Writer.
func (s *Screen) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	data := append(s.rest, p...)
	for len(data) > 0 {
		n := s.step(data)
		if n == 0 {
			break
		}
		data = data[n:]
	}
	s.rest = data
	return len(p), nil
}

// step draws what data begins with, and returns its length; 0 means that more
// is needed.
func (s *Screen) step(data []byte) int {
	if data[0] == 0x1b {
		return s.escape(data)
	}
	if !utf8.FullRune(data) {
		return 0
	}
	r, n := utf8.DecodeRune(data)
	switch r {
	case '\n':
		s.lineFeed()
	case '\r':
		s.col = 0
	case '\a':
	default:
		if s.col == s.width {
			s.lineFeed()
		}
		line := s.lines[s.row]
		for len(line) <= s.col {
			line = append(line, ' ')
		}
		line[s.col] = r
		s.lines[s.row] = line
		s.col++
	}
	return n
}

func (s *Screen) lineFeed() {
	s.row, s.col = s.row+1, 0
	for len(s.lines) <= s.row {
		s.lines = append(s.lines, nil)
	}
	s.top = max(s.top, s.row-s.height+1)
}

// escape executes a control sequence: ESC [ parameters letter.
func (s *Screen) escape(data []byte) int {
	if len(data) < 2 {
		return 0
	}
	if data[1] != '[' {
		s.unknown = append(s.unknown, fmt.Sprintf("%q", data[:2]))
		return 2
	}
	end := 2
	for end < len(data) && (data[end] < 0x40 || data[end] > 0x7e) {
		end++
	}
	if end == len(data) {
		return 0
	}
	n, err := strconv.Atoi(string(data[2:end]))
	switch letter := data[end]; {
	case letter == 'm': // colors
	case letter == 'A':
		if err != nil {
			n = 1
		}
		s.row = max(s.top, s.row-n)
	case letter == 'K' && n == 2:
		s.lines[s.row] = nil
	default: // J too: lines that it erases from the top of the screen stay in tmux's scroll-back
		s.unknown = append(s.unknown, fmt.Sprintf("%q", data[:end+1]))
	}
	return end + 1
}
