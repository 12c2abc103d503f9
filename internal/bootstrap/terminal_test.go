//go:build linux

package bootstrap

import (
	"fmt"
	"os"
	"testing"

	"golang.org/x/sys/unix"
	"golang.org/x/term"
)

// openTerminal returns both ends of a pseudo terminal.
func openTerminal(t *testing.T) (master, slave *os.File) {
	t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Skipf("needs a pseudo terminal: %v", err)
	}
	t.Cleanup(func() { master.Close() })
	if err := unix.IoctlSetPointerInt(int(master.Fd()), unix.TIOCSPTLCK, 0); err != nil {
		t.Skipf("needs a pseudo terminal: %v", err)
	}
	n, err := unix.IoctlGetInt(int(master.Fd()), unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	if slave, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY, 0); err != nil {
		t.Skipf("needs a pseudo terminal: %v", err)
	}
	t.Cleanup(func() { slave.Close() })
	return master, slave
}

func resize(t *testing.T, f *os.File, columns, rows uint16) {
	t.Helper()
	if err := unix.IoctlSetWinsize(int(f.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Col: columns, Row: rows}); err != nil {
		t.Fatal(err)
	}
}

func TestLocalTerminal(t *testing.T) {
	master, slave := openTerminal(t)
	resize(t, master, 101, 31)
	before, err := term.GetState(int(slave.Fd()))
	if err != nil {
		t.Fatal(err)
	}
	getenv := func(string) string { return "" }
	got, restore, err := LocalTerminal(slave, slave, slave, getenv)
	if err != nil {
		t.Fatal(err)
	}
	if got.Type != "xterm-256color" || got.Width != 101 || got.Height != 31 {
		t.Errorf("%q of %d by %d", got.Type, got.Width, got.Height)
	}
	resize(t, master, 120, 40)
	if size := <-got.Resized; size != [2]int{120, 40} {
		t.Errorf("resized to %v", size)
	}
	restore()
	if after, err := term.GetState(int(slave.Fd())); err != nil || *after != *before {
		t.Errorf("the terminal is not as it was: %v", err)
	}
	// What is not a terminal stays as it is.
	null, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	got, restore, err = LocalTerminal(null, slave, slave, getenv)
	restore()
	if err != nil || got.Type != "" || got.Resized != nil {
		t.Errorf("%+v, %v", got, err)
	}
}
