package ui

import (
	"io"
	"os"
	"unicode/utf8"

	"golang.org/x/term"
)

// The size of a terminal that does not say how large it is.
const (
	defaultWidth  = 80
	defaultHeight = 24
)

// Terminal returns the file behind a stream if it is a terminal, else nil.
func Terminal(stream any) *os.File {
	f, ok := stream.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) {
		return nil
	}
	return f
}

// Width returns how many columns the terminal behind w shows, 0 when w is not
// a terminal.
func Width(w io.Writer) int {
	f := Terminal(w)
	if f == nil {
		return 0
	}
	width, _ := size(f)
	return width
}

func size(f *os.File) (width, height int) {
	width, height, err := term.GetSize(int(f.Fd()))
	if err != nil || width <= 0 || height <= 0 {
		return defaultWidth, defaultHeight
	}
	return width, height
}

// fit cuts a line to width, so that a line that is drawn over itself takes one
// row. It assumes that every character is one column wide. It leaves the last
// column free: some terminals wrap once it is written.
func fit(line string, width int) string {
	if utf8.RuneCountInString(line) < width {
		return line
	}
	r := []rune(line)
	return string(r[:max(width-2, 0)]) + "…"
}
