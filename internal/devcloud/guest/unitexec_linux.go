package guest

import (
	"cmp"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// runAll runs commands one after the other to their end.
func (um *unitManager) runAll(u *unitFile, commands []commandLine, env map[string]string) error {
	for _, c := range commands {
		ch, err := um.exec(u, c, env)
		if err != nil {
			if c.ignore {
				continue
			}
			return err
		}
		select {
		case st := <-ch.exit:
			if !c.ignore && (st.Signaled() || st.ExitStatus() != 0) {
				return fmt.Errorf("%s %s", c.argv[0], howEnded(st))
			}
		case <-time.After(u.timeout("Service.TimeoutStartSec", startTimeout)):
			_ = syscall.Kill(-ch.pid, syscall.SIGKILL)
			return fmt.Errorf("%s: a timeout was exceeded", c.argv[0])
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
	program := cmp.Or(findProgram(c.argv[0], systemPath), c.argv[0])
	if err := os.MkdirAll(unitLogDir, 0o755); err != nil {
		return nil, err
	}
	log, err := os.OpenFile(filepath.Join(unitLogDir, u.name), os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o640)
	if err != nil {
		return nil, err
	}
	defer func() { _ = log.Close() }()
	null, err := os.Open(os.DevNull)
	if err != nil {
		return nil, err
	}
	defer func() { _ = null.Close() }()
	list := []string{"USER=" + user.name, "LOGNAME=" + user.name, "HOME=" + user.home, "SHELL=" + shellOf(user)}
	for k, v := range env {
		list = append(list, k+"="+v)
	}
	dir := "/"
	if d := strings.TrimPrefix(u.get("Service.WorkingDirectory"), "-"); filepath.IsAbs(d) && exists(d) {
		dir = d
	}
	attr := &syscall.ProcAttr{
		Dir: dir, Env: list, Files: []uintptr{null.Fd(), log.Fd(), log.Fd()}, Sys: attributesFor(um.m.fs, user, groups, false),
	}
	ch, err := um.m.children.start(program, c.argv, attr)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", program, err)
	}
	return ch, nil
}

// user is whom a unit's processes run as.
func (um *unitManager) user(u *unitFile, asRoot bool) (account, []int, error) {
	name := u.get("Service.User")
	if name == "" || asRoot {
		name = "root"
	}
	a, err := um.m.accounts.target(name)
	if err != nil && u.truth("Service.DynamicUser") {
		a, err = um.m.accounts.target("nobody")
	}
	if err != nil {
		return a, nil, fmt.Errorf("%s: User=%s: %w", u.name, name, err)
	}
	groups := um.m.accounts.memberships(a)
	if g := u.get("Service.Group"); g != "" && !asRoot {
		for _, have := range um.m.accounts.groups() {
			if have.name == g || strconv.Itoa(have.gid) == g {
				a.gid = have.gid
				groups = append([]int{have.gid}, groups...)
			}
		}
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
		mode := uint64(0o755)
		if n, err := strconv.ParseUint(u.get("Service."+key+"DirectoryMode"), 8, 32); err == nil {
			mode = n
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

func (um *unitManager) killAll(name string, sig syscall.Signal) {
	for _, pid := range unitProcesses(name) {
		_ = syscall.Kill(pid, sig)
	}
}

// log writes a line of the manager's own into a unit's log.
func (um *unitManager) log(name, text string) {
	f, err := os.OpenFile(filepath.Join(unitLogDir, name), os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o640)
	if err != nil {
		return
	}
	_, _ = io.WriteString(f, "systemd: "+text+"\n")
	_ = f.Close()
}
