//go:build !unix

package bootstrap

import (
	"os"
	"time"

	"golang.org/x/term"
)

// watchSize looks at the size of the terminal now and then, since the system
// sends no signal.
func watchSize(f *os.File) (sizes <-chan [2]int, stop func()) {
	out := make(chan [2]int, 1)
	done := make(chan struct{})
	go func() {
		tick := time.NewTicker(500 * time.Millisecond)
		defer tick.Stop()
		w0, h0, _ := term.GetSize(int(f.Fd()))
		for {
			select {
			case <-done:
				return
			case <-tick.C:
				w, h, err := term.GetSize(int(f.Fd()))
				if err != nil || (w == w0 && h == h0) {
					continue
				}
				w0, h0 = w, h
				select {
				case <-out:
				default:
				}
				out <- [2]int{w, h}
			}
		}
	}()
	return out, func() { close(done) }
}
