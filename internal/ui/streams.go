package ui

import (
	"io"
	"os"

	"golang.org/x/term"
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

// Terminal returns the file behind a stream if it is a terminal, else nil.
func Terminal(stream any) *os.File {
	f, ok := stream.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) {
		return nil
	}
	return f
}

// Getenv returns the value of an environment variable, "" when unset.
func (s *Streams) Getenv(name string) string {
	v, _ := s.Env(name)
	return v
}

// Color says whether lines on w are coloured: the person's word if given
// (--color, --no-color), else whether w is a terminal and NO_COLOR is unset.
func (s *Streams) Color(w io.Writer, asked *bool) bool {
	if asked != nil {
		return *asked
	}
	return s.Getenv("NO_COLOR") == "" && s.Getenv("TERM") != "dumb" && Terminal(w) != nil
}
