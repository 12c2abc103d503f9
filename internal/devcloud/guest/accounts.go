package guest

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// tree is the guest's file system as its init sees it: below root, which is
// "" once the process has moved into it.
type tree struct{ root string }

// at is where the guest's path p lies.
func (t tree) at(p string) string {
	if t.root == "" {
		return p
	}
	return filepath.Join(t.root, p)
}

func (t tree) read(p string) ([]byte, error) { return os.ReadFile(t.at(p)) }

// write replaces a file, making its directory if needed. The old file is
// removed first: in a single-user world it may belong to somebody who is not
// there, and cannot be opened.
func (t tree) write(p string, data []byte, perm fs.FileMode) error {
	if err := os.MkdirAll(t.at(path.Dir(p)), 0o755); err != nil {
		return err
	}
	if err := os.Remove(t.at(p)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := os.WriteFile(t.at(p), data, perm); err != nil {
		return err
	}
	return os.Chmod(t.at(p), perm) // whatever the umask
}

// account is one line of /etc/passwd.
type account struct {
	name     string
	uid, gid int
	gecos    string
	home     string
	shell    string
}

func (a account) line() string {
	return fmt.Sprintf("%s:x:%d:%d:%s:%s:%s", a.name, a.uid, a.gid, a.gecos, a.home, a.shell)
}

// group is one line of /etc/group.
type group struct {
	name    string
	gid     int
	members []string
}

func (g group) line() string {
	return fmt.Sprintf("%s:x:%d:%s", g.name, g.gid, strings.Join(g.members, ","))
}

func parsePasswd(data []byte) []account {
	var out []account
	for _, f := range records(data, 7) {
		uid, err1 := strconv.Atoi(f[2])
		gid, err2 := strconv.Atoi(f[3])
		if err1 == nil && err2 == nil && f[0] != "" && uid >= 0 && gid >= 0 {
			out = append(out, account{name: f[0], uid: uid, gid: gid, gecos: f[4], home: f[5], shell: f[6]})
		}
	}
	return out
}

func parseGroup(data []byte) []group {
	var out []group
	for _, f := range records(data, 4) {
		gid, err := strconv.Atoi(f[2])
		if err != nil || f[0] == "" || gid < 0 {
			continue
		}
		g := group{name: f[0], gid: gid}
		if f[3] != "" {
			g.members = strings.Split(f[3], ",")
		}
		out = append(out, g)
	}
	return out
}

// records splits the lines of a colon-separated file, leaving out those with
// another number of fields.
func records(data []byte, n int) [][]string {
	var out [][]string
	for line := range strings.Lines(string(data)) {
		if f := strings.Split(strings.TrimRight(line, "\n"), ":"); len(f) == n {
			out = append(out, f)
		}
	}
	return out
}

// accounts reads and changes the guest's users. The files are the truth: what
// useradd or chpasswd does in the guest counts.
type accounts struct {
	tree
	mu     sync.Mutex
	single bool // one user ID: every login is 0, or the host's own
	uid    int  // that ID
	gid    int
}

func (a *accounts) lookup(name string) (account, bool) {
	data, _ := a.read("/etc/passwd")
	for _, u := range parsePasswd(data) {
		if u.name == name {
			return u, true
		}
	}
	return account{}, false
}

func (a *accounts) groups() []group {
	data, _ := a.read("/etc/group")
	return parseGroup(data)
}

// memberships are the IDs of all groups a user is in, the primary one first.
func (a *accounts) memberships(u account) []int {
	ids := []int{u.gid}
	for _, g := range a.groups() {
		if slices.Contains(g.members, u.name) && !slices.Contains(ids, g.gid) {
			ids = append(ids, g.gid)
		}
	}
	return ids
}

// shadow returns a user's entry; "" when there is none.
func (a *accounts) shadow(name string) string {
	data, _ := a.read("/etc/shadow")
	for line := range strings.Lines(string(data)) {
		if rest, ok := strings.CutPrefix(line, name+":"); ok {
			entry, _, _ := strings.Cut(rest, ":")
			return entry
		}
	}
	return ""
}

// setShadow sets a user's entry, adding the line if there is none.
func (a *accounts) setShadow(name, entry string) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	data, err := a.read("/etc/shadow")
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	var out strings.Builder
	found := false
	for line := range strings.Lines(string(data)) {
		if rest, ok := strings.CutPrefix(line, name+":"); ok {
			_, tail, _ := strings.Cut(rest, ":")
			line, found = name+":"+entry+":"+tail, true
		}
		out.WriteString(line)
	}
	if !found {
		out.WriteString(shadowLine(name, entry))
	}
	return a.write("/etc/shadow", []byte(out.String()), 0o640)
}

func shadowLine(name, entry string) string { return name + ":" + entry + ":19000:0:99999:7:::\n" }

// newUser is what add needs to know.
type newUser struct {
	account
	uidGiven bool
	primary  string   // name of the primary group; "" for one of the user's name
	groups   []string // further groups, made if missing
	noHome   bool
	system   bool
}

// add makes a user, its primary group and its home directory. A user that
// exists keeps its groups and gains the groups.
func (a *accounts) add(n newUser) (account, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, name := range append([]string{n.name}, n.groups...) {
		if !validName(name) {
			return account{}, fmt.Errorf("%q is not a valid name of a user or group", name)
		}
	}
	pw, err := a.read("/etc/passwd")
	if err != nil {
		return account{}, err
	}
	users, groups := parsePasswd(pw), a.groups()
	i := slices.IndexFunc(users, func(u account) bool { return u.name == n.name })
	u := n.account
	if i >= 0 {
		u = users[i]
	} else {
		u.home, u.shell = cmp.Or(u.home, "/home/"+u.name), cmp.Or(u.shell, defaultShell())
		if strings.ContainsAny(u.gecos+u.home+u.shell, ":\n") {
			return account{}, fmt.Errorf("user %s: a field has a colon or a line end", u.name)
		}
		if !n.uidGiven {
			first := 1000
			if n.system {
				first = 900
			}
			u.uid = freeID(first, users, func(o account) int { return o.uid })
		}
		var primary int
		groups, primary = a.ensureGroup(groups, cmp.Or(n.primary, n.name), u.uid)
		u.gid = groups[primary].gid
		if a.single {
			u.uid, u.gid = a.uid, a.gid
		}
		users = append(users, u)
	}
	for _, name := range n.groups {
		groups = a.join(groups, name, u.name)
	}
	if err := a.save(users, groups); err != nil {
		return account{}, err
	}
	if i >= 0 || n.noHome {
		return u, nil
	}
	return u, a.makeHome(u)
}

// ensureGroup finds a group or adds one with a free ID, and returns its index.
func (a *accounts) ensureGroup(groups []group, name string, first int) ([]group, int) {
	if i := slices.IndexFunc(groups, func(g group) bool { return g.name == name }); i >= 0 {
		return groups, i
	}
	id := a.gid
	if !a.single {
		id = freeID(first, groups, func(g group) int { return g.gid })
	}
	return append(groups, group{name: name, gid: id}), len(groups)
}

// join adds members to a group, which is made if missing.
func (a *accounts) join(groups []group, name string, members ...string) []group {
	groups, i := a.ensureGroup(groups, name, 1000)
	for _, m := range members {
		if validName(m) && !slices.Contains(groups[i].members, m) {
			groups[i].members = append(groups[i].members, m)
		}
	}
	return groups
}

// addGroup makes a group, or adds members to it.
func (a *accounts) addGroup(name string, members []string) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if !validName(name) {
		return fmt.Errorf("%q is not a valid group name", name)
	}
	pw, err := a.read("/etc/passwd")
	if err != nil {
		return err
	}
	return a.save(parsePasswd(pw), a.join(a.groups(), name, members...))
}

func (a *accounts) save(users []account, groups []group) error {
	var pw, gr strings.Builder
	for _, u := range users {
		pw.WriteString(u.line() + "\n")
	}
	for _, g := range groups {
		gr.WriteString(g.line() + "\n")
	}
	if err := a.write("/etc/passwd", []byte(pw.String()), 0o644); err != nil {
		return err
	}
	return a.write("/etc/group", []byte(gr.String()), 0o644)
}

func (a *accounts) makeHome(u account) error {
	home := a.at(u.home)
	if err := os.MkdirAll(home, 0o755); err != nil {
		return err
	}
	// The host's skeleton files are what its shells expect to find.
	entries, _ := os.ReadDir(a.at("/etc/skel"))
	for _, e := range entries {
		data, err := os.ReadFile(filepath.Join(a.at("/etc/skel"), e.Name()))
		if err != nil {
			continue
		}
		f := filepath.Join(home, e.Name())
		if os.WriteFile(f, data, 0o644) == nil {
			a.chown(f, u)
		}
	}
	if err := os.Chmod(home, 0o750); err != nil { //nolint:gosec // a home's usual mode
		return err
	}
	a.chown(home, u)
	return nil
}

// chown gives a file (by its real path) to a user, where there is more than
// one user to give it to.
func (a *accounts) chown(real string, u account) {
	if !a.single {
		_ = os.Lchown(real, u.uid, u.gid)
	}
}

// addKeys appends to missing keys to a user's authorized_keys.
func (a *accounts) addKeys(u account, keys []string) error {
	if len(keys) == 0 {
		return nil
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	dir := path.Join(u.home, ".ssh")
	file := path.Join(dir, "authorized_keys")
	old, err := a.read(file)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	text := string(old)
	for _, k := range keys {
		k = strings.TrimSpace(k)
		if k == "" || slices.Contains(strings.Split(text, "\n"), k) {
			continue
		}
		if text != "" && !strings.HasSuffix(text, "\n") {
			text += "\n"
		}
		text += k + "\n"
	}
	if err := os.MkdirAll(a.at(dir), 0o700); err != nil {
		return err
	}
	a.chown(a.at(dir), u)
	if err := a.write(file, []byte(text), 0o600); err != nil {
		return err
	}
	a.chown(a.at(file), u)
	return nil
}

// freeID is the first ID that none of a list has.
func freeID[T any](id int, taken []T, of func(T) int) int {
	for slices.ContainsFunc(taken, func(t T) bool { return of(t) == id }) {
		id++
	}
	return id
}

func validName(name string) bool {
	const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_"
	return name != "" && len(name) <= 32 && strings.Contains(letters, name[:1]) && strings.Trim(name, letters+"0123456789-.$") == ""
}

// defaultShell is bash where there is one, as on cloud images.
func defaultShell() string {
	if _, err := os.Stat("/bin/bash"); err == nil {
		return "/bin/bash"
	}
	return "/bin/sh"
}
