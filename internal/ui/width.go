package ui

import (
	"os"
	"unicode/utf8"

	"golang.org/x/term"
)

// Fit cuts a line to what the terminal f shows of it, so that a line that is
// drawn over itself takes one row and no more. It takes every character to be
// one column wide. f may be nil: then the line is returned as it is.
func Fit(line string, f *os.File) string {
	if f == nil {
		return line
	}
	width, _, err := term.GetSize(int(f.Fd()))
	if err != nil || width <= 0 {
		width = 80
	}
	return fit(line, width)
}

// fit leaves the last column free: some terminals wrap once it is written.
func fit(line string, width int) string {
	if utf8.RuneCountInString(line) < width {
		return line
	}
	r := []rune(line)
	return string(r[:max(width-2, 0)]) + "…"
}
