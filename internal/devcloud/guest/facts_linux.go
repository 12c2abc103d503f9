package guest

import (
	"os"
	"path/filepath"
	"strings"
)

// facts gathers what the guest's process is to know of the host.
func facts(dir string) hostFacts {
	h := hostFacts{UID: os.Getuid(), GID: os.Getgid()}
	if resolv, err := os.ReadFile("/etc/resolv.conf"); err == nil {
		h.Resolv = string(resolv)
	}
	// Hidden is the directory that holds this guest and its like, and the
	// user's home; but never a top of the system's own tree.
	hide := []string{filepath.Dir(dir)}
	if home, err := os.UserHomeDir(); err == nil {
		hide = append(hide, home)
	}
	for _, d := range hide {
		if real, err := filepath.EvalSymlinks(d); err == nil {
			d = real
		}
		if strings.Count(filepath.Clean(d), "/") >= 2 {
			h.Hide = append(h.Hide, filepath.Clean(d))
		}
	}
	if len(h.Hide) == 0 || h.Hide[0] != filepath.Dir(dir) {
		h.Hide = append(h.Hide, dir)
	}
	return h
}
