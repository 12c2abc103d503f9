package guest

import (
	"cmp"
	"errors"
	"os"
	"path/filepath"
	"strings"
)

// rootfs is the place a guest's commands run in.
type rootfs struct {
	tree
	mode     string       // as in bootRequest
	realSudo bool         // the guest has its own sudo
	single   bool         // there is one user ID
	uid, gid int          // that ID, in the guest's own terms
	pidSpace bool         // the guest's process is process 1
	self     string       // this program, as the guest sees it
	store    *memoryStore // of its changes to the system, where they are in memory
	notes    []string     // for the console
	detail   string       // for ModeDetail
}

// plainDirectory is the guest's directory and nothing else: for hosts that allow
// no namespaces.
func plainDirectory(o bootRequest) (*rootfs, error) {
	root := filepath.Join(o.Dir, diskName)
	w := &rootfs{
		tree: tree{root: root}, single: true, uid: os.Getuid(), gid: os.Getgid(),
	}
	var err error
	if w.self, err = os.Executable(); err != nil {
		return nil, err
	}
	if err := errors.Join(os.RemoveAll(w.at("/run")), os.RemoveAll(w.at("/tmp"))); err != nil {
		return nil, err
	}
	for _, d := range []string{"root", "home", "etc", "tmp", "mnt", toolDir, "var/tmp", "var/log"} {
		if err := os.MkdirAll(w.at(d), 0o755); err != nil {
			return nil, err
		}
	}
	w.detail = "a plain directory: commands run on this host, as its user, with HOME in the guest's directory"
	if o.Why != "" {
		w.detail += " (" + o.Why + ")"
	}
	w.notes = []string{
		"This host allows no namespaces: the guest is a plain directory, " + root,
		"What its commands do outside their home, they do to this host",
	}
	return w, nil
}

// hostName is what the guest is called.
func hostName(s Spec) string { return cmp.Or(s.Hostname, s.Name) }

// shortName is a host name without its domain.
func shortName(name string) string {
	short, _, _ := strings.Cut(name, ".")
	return short
}
