package ui

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/term"
)

// Prompter asks the user at the terminal.
type Prompter struct {
	in  *os.File
	out io.Writer
}

// Prompter returns a prompter on the streams, nil without a terminal to
// ask on: a run in CI must fail rather than wait for an answer.
func (s *Streams) Prompter() *Prompter {
	in := Terminal(s.In)
	if in == nil || Terminal(s.Err) == nil {
		return nil
	}
	return &Prompter{in: in, out: s.Err}
}

// Prompt shows question and returns the line typed, without its end. With
// echo false the line is not shown.
func (p *Prompter) Prompt(ctx context.Context, question string, echo bool) (string, error) {
	fmt.Fprintf(p.out, "%s ", strings.TrimSpace(question))
	type reply struct {
		line string
		err  error
	}
	before, err := term.GetState(int(p.in.Fd()))
	if err != nil {
		return "", fmt.Errorf("asking on the terminal: %w", err)
	}
	ch := make(chan reply, 1)
	go func() {
		if echo {
			line, err := bufio.NewReader(p.in).ReadString('\n')
			ch <- reply{strings.TrimRight(line, "\r\n"), err}
			return
		}
		line, err := term.ReadPassword(int(p.in.Fd()))
		fmt.Fprintln(p.out)
		ch <- reply{string(line), err}
	}()
	select {
	case r := <-ch:
		return r.line, r.err
	case <-ctx.Done():
		// The read goes on until the process ends; the terminal must not stay
		// without echo.
		_ = term.Restore(int(p.in.Fd()), before)
		fmt.Fprintln(p.out)
		return "", context.Cause(ctx)
	}
}
