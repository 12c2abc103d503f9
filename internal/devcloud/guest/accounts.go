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

// at is the real path of the guest's path p.
func (t tree) at(p string) string {
	if t.root == "" {
		return p
	}
	return filepath.Join(t.root, p)
}

func (t tree) read(p string) ([]byte, error) { return os.ReadFile(t.at(p)) }

// write replaces a file, making its directory if needed. The old file is
// removed first: where there is one user it may belong to somebody who is not
// there, and cannot be opened.
func (t tree) write(p string, data []byte, perm fs.FileMode) error {
	if err := os.MkdirAll(t.at(path.Dir(p)), 0o755); err != nil {
		return err
	}
	if err := os.Remove(t.at(p)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return errors.Join(os.WriteFile(t.at(p), data, perm), os.Chmod(t.at(p), perm)) // whatever the umask
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
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
	return fmt.Sprintf("%s:x:%d:%d:%s:%s:%s\n", a.name, a.uid, a.gid, a.gecos, a.home, a.shell)
}

// group is one line of /etc/group.
type group struct {
	name    string
	gid     int
	members []string
}

func (g group) line() string {
	return fmt.Sprintf("%s:x:%d:%s\n", g.name, g.gid, strings.Join(g.members, ","))
}

func parsePasswd(data []byte) []account {
	var out []account
	for _, f := range records(data, 7) {
		uid, err1 := strconv.ParseUint(f[2], 10, 31)
		gid, err2 := strconv.ParseUint(f[3], 10, 31)
		if err1 == nil && err2 == nil {
			out = append(out, account{name: f[0], uid: int(uid), gid: int(gid), gecos: f[4], home: f[5], shell: cmp.Or(f[6], "/bin/sh")})
		}
	}
	return out
}

func parseGroup(data []byte) []group {
	var out []group
	for _, f := range records(data, 4) {
		if gid, err := strconv.ParseUint(f[2], 10, 31); err == nil {
			members := strings.FieldsFunc(f[3], func(r rune) bool { return r == ',' })
			out = append(out, group{name: f[0], gid: int(gid), members: members})
		}
	}
	return out
}

// records splits the lines of a colon-separated file, leaving out those with
// another number of fields or without a name.
func records(data []byte, n int) [][]string {
	var out [][]string
	for line := range strings.Lines(string(data)) {
		if f := strings.Split(strings.TrimRight(line, "\n"), ":"); len(f) == n && f[0] != "" {
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

func (a *accounts) users() []account {
	data, _ := a.read("/etc/passwd")
	return parsePasswd(data)
}

// lookup is the account of a name, or of an ID written "#1000".
func (a *accounts) lookup(name string) (account, error) {
	for _, u := range a.users() {
		if u.name == name || "#"+strconv.Itoa(u.uid) == name {
			return u, nil
		}
	}
	return account{}, fmt.Errorf("unknown user %s", name)
}

func (a *accounts) groups() []group {
	data, _ := a.read("/etc/group")
	return parseGroup(data)
}

// groupID is the ID of a group, by its name or number.
func (a *accounts) groupID(name string) (int, bool) {
	for _, g := range a.groups() {
		if g.name == name || strconv.Itoa(g.gid) == name {
			return g.gid, true
		}
	}
	return 0, false
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
	for _, f := range records(data, 9) {
		if f[0] == name {
			return f[1]
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
	for line := range strings.Lines(string(data)) {
		if !strings.HasPrefix(line, name+":") {
			out.WriteString(line)
		}
	}
	out.WriteString(shadowLine(name, entry))
	return a.write("/etc/shadow", []byte(out.String()), 0o640)
}

func shadowLine(name, entry string) string { return name + ":" + entry + ":19000:0:99999:7:::\n" }

// newUser is what add needs to know.
type newUser struct {
	account
	uidGiven bool
	primary  string   // name of the primary group; "" for one of the user's name
	groups   []string // further groups, made if missing
	system   bool     // without a home directory
}

// add makes a user, its primary group and its home directory. A user that
// exists keeps its groups and gains the groups.
func (a *accounts) add(n newUser) (account, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	n.home, n.shell = cmp.Or(n.home, "/home/"+n.name), cmp.Or(n.shell, defaultShell())
	for _, name := range append([]string{n.name}, n.groups...) {
		if !validName(name) {
			return account{}, fmt.Errorf("%q is not a valid name of a user or group", name)
		}
	}
	if strings.ContainsAny(n.gecos+n.home+n.shell, ":\n") {
		return account{}, fmt.Errorf("user %s: a field has a colon or a line end", n.name)
	}
	users, groups := a.users(), a.groups()
	i := slices.IndexFunc(users, func(u account) bool { return u.name == n.name })
	known := i >= 0
	if !known {
		if !n.uidGiven {
			n.uid = freeID(map[bool]int{true: 900, false: 1000}[n.system], users, func(o account) int { return o.uid })
		}
		var primary int
		groups, primary = a.ensureGroup(groups, cmp.Or(n.primary, n.name), n.uid)
		n.gid = groups[primary].gid
		if a.single {
			n.uid, n.gid = a.uid, a.gid
		}
		i, users = len(users), append(users, n.account)
	}
	for _, name := range n.groups {
		groups = a.join(groups, name, n.name, 1000)
	}
	if err := a.save(users, groups); err != nil || known || n.system {
		return users[i], err
	}
	return users[i], a.makeHome(users[i])
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

// join adds a member to a group, which is made if missing, with the first free
// ID from one on.
func (a *accounts) join(groups []group, name, member string, first int) []group {
	groups, i := a.ensureGroup(groups, name, first)
	if !slices.Contains(groups[i].members, member) {
		groups[i].members = append(groups[i].members, member)
	}
	return groups
}

func (a *accounts) save(users []account, groups []group) error {
	var pw, gr strings.Builder
	for _, u := range users {
		pw.WriteString(u.line())
	}
	for _, g := range groups {
		gr.WriteString(g.line())
	}
	return errors.Join(a.write("/etc/passwd", []byte(pw.String()), 0o644), a.write("/etc/group", []byte(gr.String()), 0o644))
}

func (a *accounts) makeHome(u account) error {
	home := a.at(u.home)
	if err := os.MkdirAll(home, 0o755); err != nil {
		return err
	}
	// The skeleton files are what shells expect to find.
	files, _ := filepath.Glob(filepath.Join(a.at("/etc/skel"), ".[a-z]*"))
	for _, f := range files {
		to := filepath.Join(home, filepath.Base(f))
		if data, err := os.ReadFile(f); err == nil && os.WriteFile(to, data, 0o644) == nil {
			a.chown(to, u)
		}
	}
	a.chown(home, u)
	return os.Chmod(home, 0o750) //nolint:gosec // a home's usual mode
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
	lines := strings.Split(strings.TrimSpace(string(old)), "\n")
	for _, k := range keys {
		if k = strings.TrimSpace(k); !slices.Contains(lines, k) {
			lines = append(lines, k)
		}
	}
	if err := os.MkdirAll(a.at(dir), 0o700); err != nil {
		return err
	}
	a.chown(a.at(dir), u)
	if err := a.write(file, []byte(strings.TrimSpace(strings.Join(lines, "\n"))+"\n"), 0o600); err != nil {
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

// parseEnvironment reads the variables of an EnvironmentFile or of
// /etc/environment.
func parseEnvironment(data []byte) map[string]string {
	out := map[string]string{}
	for line := range strings.Lines(string(data)) {
		name, value, ok := strings.Cut(strings.TrimPrefix(strings.TrimSpace(line), "export "), "=")
		if ok && validVariable(name) {
			out[name] = strings.Trim(value, `"'`)
		}
	}
	return out
}

func validVariable(name string) bool {
	for i, r := range name {
		if r != '_' && (r < 'A' || r > 'Z') && (r < 'a' || r > 'z') && (i == 0 || r < '0' || r > '9') {
			return false
		}
	}
	return name != ""
}

// defaultShell is bash where there is one, as on cloud images.
func defaultShell() string {
	if exists("/bin/bash") {
		return "/bin/bash"
	}
	return "/bin/sh"
}
