//go:build unix

package bootstrap

import (
	"os"
	"os/signal"
	"syscall"

	"golang.org/x/term"
)

func virtualTerminal(*os.File) func() { return func() {} }

// watchSize yields the size of the terminal each time it changes.
func watchSize(f *os.File) (sizes <-chan [2]int, stop func()) {
	out := make(chan [2]int, 1)
	sig := make(chan os.Signal, 1)
	done := make(chan struct{})
	signal.Notify(sig, syscall.SIGWINCH)
	go func() {
		for {
			select {
			case <-done:
				return
			case <-sig:
				w, h, err := term.GetSize(int(f.Fd()))
				if err != nil {
					continue
				}
				// Only the newest size counts.
				select {
				case <-out:
				default:
				}
				out <- [2]int{w, h}
			}
		}
	}()
	return out, func() {
		signal.Stop(sig)
		close(done)
	}
}
