package ui

import (
	"io"
	"os"
)

// Streams are the standard streams of one run, so that a test can hand in its
// own.
type Streams struct {
	In  io.Reader
	Out io.Writer
	Err io.Writer
	// Env looks up an environment variable, as os.LookupEnv does.
	Env func(string) (string, bool)
}

// System returns the process's own streams.
func System() *Streams {
	return &Streams{In: os.Stdin, Out: os.Stdout, Err: os.Stderr, Env: os.LookupEnv}
}

// Getenv returns the value of an environment variable, "" when unset.
func (s *Streams) Getenv(name string) string {
	v, _ := s.Env(name)
	return v
}

// Color reports whether lines on w are colored: as asked for by flag
// (--color, --no-color), else if w is a terminal and NO_COLOR is unset.
func (s *Streams) Color(w io.Writer, asked *bool) bool {
	if asked != nil {
		return *asked
	}
	return s.Getenv("NO_COLOR") == "" && s.Getenv("TERM") != "dumb" && Terminal(w) != nil
}
