package bootstrap

import (
	"cmp"
	"os"
	"time"

	"github.com/galleyhq/galley/internal/retry"
	"golang.org/x/term"
)

// LocalTerminal puts the terminal of this process into raw mode, so that every
// key reaches the machine, and returns it for [Client.Shell]. Call restore
// when the session is over, also after a panic. Where in is not a terminal,
// nothing is changed and the Terminal has no Type: the session then gets no
// terminal either, as with ssh.
func LocalTerminal(in, out, errs *os.File, getenv func(string) string) (t Terminal, restore func(), err error) {
	t = Terminal{In: in, Out: out, Err: errs}
	if !term.IsTerminal(int(in.Fd())) {
		return t, func() {}, nil
	}
	state, err := term.MakeRaw(int(in.Fd()))
	if err != nil {
		return t, func() {}, err
	}
	cooked := virtualTerminal(out)
	sizes, stop := watchSize(out)
	t.Resized = sizes
	t.Type = cmp.Or(getenv("TERM"), "xterm-256color")
	t.Width, t.Height, err = term.GetSize(int(out.Fd()))
	if err != nil {
		t.Width, t.Height = 80, 24
	}
	return t, func() {
		stop()
		cooked()
		_ = term.Restore(int(in.Fd()), state)
	}, nil
}

// sizeEvery is how often the size of the terminal is looked at: not every system
// sends a signal when it changes.
const sizeEvery = 200 * time.Millisecond

// watchSize yields the size of the terminal each time it changes.
func watchSize(f *os.File) (sizes <-chan [2]int, stop func()) {
	out := make(chan [2]int, 1)
	last, _ := sizeOf(f)
	stop = retry.Every(sizeEvery, func(time.Time) {
		now, err := sizeOf(f)
		if err != nil || now == last {
			return
		}
		last = now
		// Only the newest size counts.
		select {
		case <-out:
		default:
		}
		out <- now
	})
	return out, stop
}

func sizeOf(f *os.File) ([2]int, error) {
	w, h, err := term.GetSize(int(f.Fd()))
	return [2]int{w, h}, err
}
