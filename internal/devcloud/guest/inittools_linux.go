package guest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/pflag"
	"golang.org/x/sys/unix"
)

// systemctl and its like in a guest ask process 1, over a socket. Only the
// names listed here do anything: whatever else leads to this program is an
// error, above all not a power-off.

// toolNames are the commands that process 1 answers.
var toolNames = append([]string{"systemctl", "runlevel", "telinit", "journalctl", "hostnamectl", cloudInitName}, powerNames...)

const cloudInitName = "cloud-init"

var powerNames = []string{"reboot", "poweroff", "halt", "shutdown"}

type toolAnswer struct {
	Out, Err string
	Status   int
}

// initSocket is where process 1 answers them. A plain directory's name may be
// too long for a socket: there it has a name without a file.
func (m *machine) initSocket() string {
	if m.fs.pidSpace {
		return toolDir + "/init.sock"
	}
	return "@galley-guest-" + m.o.Spec.ID + "-" + strconv.Itoa(os.Getpid())
}

// initMain is the side of the command: args are the socket, the command's
// name and its arguments.
func initMain(args []string) int {
	if len(args) < 2 {
		return exitFailed
	}
	var a toolAnswer
	c, err := net.Dial("unix", args[0]) //nolint:noctx // ends with the command
	if err == nil {
		defer func() { _ = c.Close() }()
		if err = json.NewEncoder(c).Encode(args[1:]); err == nil {
			err = json.NewDecoder(c).Decode(&a)
		}
		if slices.Contains(powerNames, args[1]) && errors.Is(err, io.EOF) {
			return 0 // it has been done
		}
	}
	if err != nil {
		fmt.Fprintf(os.Stderr, "%s: process 1 of this guest does not answer: %v\n", args[1], err)
		return 1
	}
	_, _ = io.WriteString(os.Stdout, a.Out)
	_, _ = io.WriteString(os.Stderr, a.Err)
	return a.Status
}

// serveTools answers the commands.
func (m *machine) serveTools() error {
	path := m.initSocket()
	_ = os.Remove(path)
	l, err := net.Listen("unix", path) //nolint:noctx // lives as long as the guest
	if err != nil {
		return fmt.Errorf("opening the socket of process 1: %w", err)
	}
	if m.fs.pidSpace {
		if err := os.Chmod(path, 0o666); err != nil { //nolint:gosec // who asks is checked
			return err
		}
	}
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer func() { _ = c.Close() }()
				var args []string
				if json.NewDecoder(io.LimitReader(c, 1<<20)).Decode(&args) != nil || len(args) == 0 {
					return
				}
				t := &tool{m: m, root: m.isRoot(c)}
				t.answer.Status = t.run(args[0], args[1:])
				_ = json.NewEncoder(c).Encode(t.answer)
			}()
		}
	}()
	return nil
}

// isRoot reports whether root of the guest is at the other end.
func (m *machine) isRoot(c net.Conn) (root bool) {
	if raw, err := c.(*net.UnixConn).SyscallConn(); err == nil {
		_ = raw.Control(func(fd uintptr) {
			cred, err := unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED)
			root = err == nil && int(cred.Uid) == m.fs.uid
		})
	}
	return root
}

// tool is one command that process 1 carries out.
type tool struct {
	m      *machine
	root   bool
	answer toolAnswer
}

func (t *tool) printf(format string, args ...any) { t.answer.Out += fmt.Sprintf(format, args...) }

func (t *tool) fail(status int, format string, args ...any) int {
	t.answer.Err += fmt.Sprintf(format, args...) + "\n"
	return status
}

func (t *tool) run(name string, args []string) int {
	switch name {
	case "runlevel":
		t.printf("N 5\n")
		return 0
	case "systemctl":
		return t.systemctl(args)
	case "journalctl":
		return t.journalctl(args)
	case "hostnamectl":
		return t.hostnamectl(args)
	case cloudInitName:
		return t.cloudInit(args)
	case "telinit":
		switch strings.Join(args, " ") {
		case "0":
			return t.power("poweroff", nil)
		case "6":
			return t.power("reboot", nil)
		case "q", "Q", "u", "U", "2", "3", "4", "5":
			return 0
		}
		return t.fail(1, "telinit: run level %q is not possible in this guest", strings.Join(args, " "))
	case "reboot", "poweroff", "halt", "shutdown":
		return t.power(name, args)
	}
	return t.fail(1, "%s: not available in a guest of the embedded cloud", name)
}

// parse reads a command's options; those named in ignored change nothing in a
// guest. It reports false, and says so, when there is one that is not known.
func (t *tool) parse(fs *pflag.FlagSet, args []string, ignored, ignoredValues string) bool {
	fs.Usage = func() {}
	for f := range strings.FieldsSeq(ignored) {
		name, short, _ := strings.Cut(f, ",")
		fs.BoolP(name, short, false, "")
	}
	for f := range strings.FieldsSeq(ignoredValues) {
		name, short, _ := strings.Cut(f, ",")
		fs.StringP(name, short, "", "")
	}
	err := fs.Parse(args)
	if err != nil {
		t.fail(1, "%s: %v in a guest of the embedded cloud", fs.Name(), err)
	}
	return err == nil
}

// power ends or restarts the guest, at once or in some minutes.
func (t *tool) power(name string, args []string) int {
	if !t.root {
		return t.fail(1, "%s: must be superuser.", name)
	}
	fs := pflag.NewFlagSet(name, pflag.ContinueOnError)
	again := fs.BoolP("reboot", "r", name == "reboot", "")
	if !t.parse(fs, args, "halt,H poweroff,P power-off,p h,h force,f no-wall no-wtmp", "") {
		return 1
	}
	status, minutes := exitPowerOff, 0
	if *again {
		status = exitReboot
	}
	if name == "shutdown" && fs.NArg() > 0 && fs.Arg(0) != "now" { // what follows is a message
		var err error
		if minutes, err = strconv.Atoi(fs.Arg(0)); err != nil || fs.Arg(0)[0] != '+' {
			return t.fail(1, "shutdown: the time is now or +MINUTES in this guest, not %s", fs.Arg(0))
		}
		t.printf("Shutdown scheduled in %d minutes.\n", minutes)
	}
	time.AfterFunc(time.Duration(minutes)*time.Minute, func() { t.m.finish(status) })
	return 0
}

func (t *tool) hostnamectl(args []string) int {
	switch {
	case len(args) == 2 && (args[0] == "set-hostname" || args[0] == "hostname") && !t.root:
		return t.fail(1, "Could not set static hostname: Access denied")
	case len(args) == 2 && (args[0] == "set-hostname" || args[0] == "hostname"):
		if err := t.m.setHostName(args[1], args[1], false); err != nil {
			return t.fail(1, "Could not set static hostname: %v", err)
		}
		return 0
	case len(args) > 0 && args[0] != "status":
		return t.fail(1, "hostnamectl: this guest knows: hostnamectl [status | set-hostname NAME]")
	}
	t.printf("   Static hostname: %s\n    Virtualization: kvm\n            Kernel: Linux %s\n", t.m.shortName(), kernelRelease())
	return 0
}

// cloudInit is the part of cloud-init's command that scripts call.
func (t *tool) cloudInit(args []string) int {
	fs := pflag.NewFlagSet(cloudInitName, pflag.ContinueOnError)
	wait, long := fs.BoolP("wait", "w", false, ""), fs.BoolP("long", "l", false, "")
	if !t.parse(fs, args, "", "") {
		return 2
	}
	if fs.NArg() != 1 || fs.Arg(0) != "status" {
		return t.fail(2, "cloud-init: this guest knows only: cloud-init status [--wait] [--long]")
	}
	if *wait {
		<-t.m.booted
	}
	result, err := t.m.fs.read(cloudInitResult)
	status, code := "done", 0
	switch {
	case err != nil:
		status = "running"
	case !bytes.Contains(result, []byte(`"errors": []`)):
		status, code = "error", 1
	}
	t.printf("status: %s\n", status)
	if *long {
		t.printf("%s", result)
	}
	return code
}

// journalctl prints the log of units.
func (t *tool) journalctl(args []string) int {
	fs := pflag.NewFlagSet("journalctl", pflag.ContinueOnError)
	names := fs.StringArrayP("unit", "u", nil, "")
	if !t.parse(fs, args, "no-pager quiet,q all,a boot,b catalog,x pager-end,e full,l", "lines,n output,o since,S until,U") {
		return 1
	}
	if len(*names) == 0 {
		return t.fail(1, "journalctl: this guest has the output of units only: journalctl -u UNIT")
	}
	for _, n := range *names {
		data, err := os.ReadFile(filepath.Join(unitLogDir, filepath.Base(fullUnitName(n))))
		if err != nil {
			data = []byte("-- No entries --\n")
		}
		t.printf("%s", data)
	}
	return 0
}
