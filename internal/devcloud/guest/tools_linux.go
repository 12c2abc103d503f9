package guest

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"strings"

	"al.essio.dev/pkg/shellescape"
)

// installTools puts sudo, reboot and their like where the guest finds them.
// They are small scripts that call this program: sudo does its work there, the
// others ask process 1.
func (m *machine) installTools() error {
	t := m.fs.tree
	self := m.fs.self
	program := shellescape.QuoteCommand(append([]string{self}, m.o.Spec.Executable[1:]...))
	scripts := map[string]string{}
	if m.fs.realSudo = m.hasSudo(); !m.fs.realSudo {
		scripts["/bin/sudo"] = toolHead + program + " sudo \"$@\"\n"
	}
	for _, name := range toolNames {
		dir, ctl := "/sbin/", strings.HasSuffix(name, "ctl")
		switch {
		case ctl && m.units == nil && m.fs.pidSpace, name == cloudInitName && m.hasCloudInit():
			continue
		case ctl || name == cloudInitName:
			dir = "/bin/"
		}
		scripts[dir+name] = toolHead + program + " init " + shellescape.Quote(m.initSocket()) + " " + name + " \"$@\"\n"
	}
	if m.fs.root != "" {
		// Without namespaces the host's name is the host's.
		scripts["/bin/hostname"] = "#!/bin/sh\nexec cat " + shellescape.Quote(t.at("/etc/hostname")) + "\n"
	}
	if m.fs.pidSpace && !exists("/sbin/init") {
		// invoke-rc.d starts nothing without an init.
		scripts["/sbin/init"] = scripts["/sbin/telinit"]
	}
	if err := m.divertTools(scripts); err != nil {
		return err
	}
	for name, text := range scripts {
		dest := path.Join("/usr", name)
		if m.fs.root != "" {
			dest = path.Join(toolBin, path.Base(name))
		}
		if old, err := t.read(dest); err == nil && string(old) == text {
			continue
		}
		if err := t.write(dest, []byte(text), 0o755); err != nil {
			return fmt.Errorf("installing %s: %w", path.Base(name), err)
		}
	}
	return nil
}

// divertTools makes dpkg put a package's own systemctl and the like beside the
// tools here, as `dpkg-divert --local` does.
func (m *machine) divertTools(scripts map[string]string) error {
	const file = "/var/lib/dpkg/diversions"
	if !m.fs.pidSpace || !exists("/var/lib/dpkg/status") {
		return nil
	}
	old, err := m.fs.read(file)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	var b strings.Builder
	b.Write(old)
	for name := range scripts {
		for _, p := range []string{name, "/usr" + name} { // packages name either
			if !bytes.Contains(old, []byte(p+"\n")) {
				fmt.Fprintf(&b, "%s\n%s.distrib\n:\n", p, p)
			}
		}
	}
	return m.fs.write(file, []byte(b.String()), 0o644)
}

// hasSystemd reports whether the guest's image is one of systemd's.
func hasSystemd() bool { return exists("/usr/lib/systemd") || exists("/lib/systemd") }

// hasSudo reports whether the guest has its own working sudo: a setuid
// program does in a user namespace with its own IDs.
func (m *machine) hasSudo() bool {
	st, err := os.Lstat("/usr/bin/sudo")
	return err == nil && m.fs.mode == ModeNamespaces && st.Mode().IsRegular() && st.Mode()&os.ModeSetuid != 0
}

// toolHead begins every tool.
const toolHead = "#!/bin/sh\nexec "
