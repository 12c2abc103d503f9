package guest

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// runAll runs the commands of an Exec option one after the other to their end.
func (um *unitManager) runAll(u *unitFile, key string, env map[string]string) error {
	commands, err := u.commands(key, env)
	if err != nil {
		return err
	}
	for _, c := range commands {
		ch, err := um.exec(u, c, env)
		if err == nil {
			select {
			case st := <-ch.exit:
				if st.Signaled() || st.ExitStatus() != 0 {
					err = fmt.Errorf("%s %s", c.argv[0], howEnded(st))
				}
			case <-time.After(u.timeout("Service.TimeoutStartSec", startTimeout)):
				_ = syscall.Kill(-ch.pid, syscall.SIGKILL)
				return fmt.Errorf("%s: a timeout was exceeded", c.argv[0])
			}
		}
		if err != nil && !c.ignore {
			return err
		}
	}
	return nil
}

// exec starts one command of a unit, as its user, with its output in the log.
func (um *unitManager) exec(u *unitFile, c commandLine, env map[string]string) (*child, error) {
	user, groups, err := um.user(u, c.asRoot)
	if err != nil {
		return nil, err
	}
	log, err := openUnitLog(u.name)
	if err != nil {
		return nil, err
	}
	defer func() { _ = log.Close() }()
	list := []string{"USER=" + user.name, "LOGNAME=" + user.name, "HOME=" + user.home, "SHELL=" + user.shell}
	for k, v := range env {
		list = append(list, k+"="+v)
	}
	dir := strings.TrimPrefix(u.get("Service.WorkingDirectory"), "-")
	if !filepath.IsAbs(dir) || !exists(dir) {
		dir = "/"
	}
	return um.m.spawn(c.argv, &syscall.ProcAttr{Dir: dir, Env: list, Sys: attributesFor(um.m.fs, user, groups, false)}, log)
}

// user is whom a unit's processes run as.
func (um *unitManager) user(u *unitFile, asRoot bool) (account, []int, error) {
	name, group := u.get("Service.User"), u.get("Service.Group")
	if name == "" || asRoot {
		name = "root"
	}
	acc := um.m.accounts
	a, err := acc.lookup(name)
	if err != nil && u.truth("Service.DynamicUser") {
		a, err = acc.lookup("nobody")
	}
	if err != nil {
		return a, nil, fmt.Errorf("%s: User=%s: %w", u.name, name, err)
	}
	groups := acc.memberships(a)
	if id, ok := acc.groupID(group); ok && !asRoot {
		a.gid = id
		groups = slices.Insert(groups, 0, id)
	}
	return a, groups, nil
}

// directories makes RuntimeDirectory= and its like.
func (um *unitManager) directories(u *unitFile) error {
	user, _, err := um.user(u, false)
	if err != nil {
		return err
	}
	for key, base := range map[string]string{
		"Runtime": "/run", "State": "/var/lib", "Cache": "/var/cache", "Logs": "/var/log", "Configuration": "/etc",
	} {
		mode, err := strconv.ParseUint(u.get("Service."+key+"DirectoryMode"), 8, 32)
		if err != nil {
			mode = 0o755
		}
		for _, name := range u.words("Service." + key + "Directory") {
			dir := filepath.Join(base, name)
			if err := os.MkdirAll(dir, 0o755); err != nil {
				return err
			}
			if err := syscall.Chmod(dir, uint32(mode)); err != nil {
				return err
			}
			if key != "Configuration" {
				um.m.accounts.chown(dir, user)
			}
		}
	}
	return nil
}

// unitProcesses are those of a unit, by the variable in their environment.
func unitProcesses(name string) []int { return processesWith(unitVariable + "=" + name) }

func signalEach(pids []int, sig syscall.Signal) {
	for _, pid := range pids {
		_ = syscall.Kill(pid, sig)
	}
}

func (um *unitManager) killAll(name string, sig syscall.Signal) { signalEach(unitProcesses(name), sig) }

func openUnitLog(name string) (*os.File, error) {
	if err := os.MkdirAll(unitLogDir, 0o755); err != nil {
		return nil, err
	}
	return os.OpenFile(filepath.Join(unitLogDir, name), os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o640)
}

// log writes a line of the manager's own into a unit's log.
func (um *unitManager) log(name, text string) {
	if f, err := openUnitLog(name); err == nil {
		_, _ = io.WriteString(f, "systemd: "+text+"\n")
		_ = f.Close()
	}
}
