package cli

import (
	"bufio"
	"fmt"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// shed lets go of the pages of the program's own file that its start has
// touched: a fetch needs few of them, and those come back from the page cache.
// It is a matter of a few MiB, no more; nothing depends on it.
func shed() {
	exe, err := os.Readlink("/proc/self/exe")
	if err != nil {
		return
	}
	f, err := os.Open("/proc/self/smaps")
	if err != nil {
		return
	}
	defer f.Close()
	var from, to uintptr
	ours := false
	for s := bufio.NewScanner(f); s.Scan(); {
		line := s.Text()
		if head, ok := strings.CutSuffix(line, " "+exe); ok {
			var perm string
			n, _ := fmt.Sscanf(head, "%x-%x %s", &from, &to, &perm)
			ours = n == 3 && (perm == "r-xp" || perm == "r--p")
			continue
		}
		if first, _, _ := strings.Cut(line, " "); !strings.HasSuffix(first, ":") {
			ours = false // another mapping begins
		}
		// What was written to, as by the linker, is not in the file: it must
		// stay.
		if kb, ok := strings.CutPrefix(line, "Anonymous:"); ok && ours {
			if strings.TrimSpace(kb) == "0 kB" {
				_, _, _ = unix.Syscall(unix.SYS_MADVISE, from, to-from, unix.MADV_DONTNEED)
			}
			ours = false
		}
	}
}
