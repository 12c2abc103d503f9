package ruby

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"syscall"
)

func fileClassMethods() []builtin {
	return []builtin{
		{"expand_path absolute_path", 1, 2, fileExpandPath},
		{"exist? exists? file? directory? executable? symlink? readable?", 1, 1, fileTest},
	}
}

func ioClassMethods() []builtin {
	return []builtin{
		{"read", 1, 1, func(in *Interp, c *call) Value { return in.str(in.readFile(in.argString(c.args[0]))) }},
		{"write binwrite unlink rename symlink link chmod chown truncate utime popen", 0, -1, refuseChange},
	}
}

func dirClassMethods() []builtin {
	return []builtin{
		{"pwd getwd", 0, 0, func(in *Interp, _ *call) Value { return in.str(filepath.ToSlash(in.dir)) }},
		{"home", 0, 0, func(in *Interp, _ *call) Value { return in.str(filepath.ToSlash(in.homeOf(""))) }},
		{"exist? exists?", 1, 1, fileTest},
		{"children", 1, 1, dirChildren},
		{"__match", 2, 2, dirMatch},
		{"tmpdir", 0, 0, func(in *Interp, _ *call) Value { return in.str(filepath.ToSlash(os.TempDir())) }},
		{"chdir mkdir rmdir unlink mktmpdir", 0, -1, refuseChange},
	}
}

func refuseChange(in *Interp, c *call) Value {
	name := c.self.(*Class).name + "." + c.name
	in.refuse(name, name+" is refused: a configuration file can't change files", "")
	return nil
}

// errnoClasses are the Errno exceptions and the operating system's errors.
var errnoClasses = map[string]error{
	"Errno::ENOENT": fs.ErrNotExist, "Errno::EACCES": fs.ErrPermission,
	"Errno::ENOTDIR": syscall.ENOTDIR, "Errno::EISDIR": syscall.EISDIR,
}

// osError raises the Errno exception for an error of the operating system.
func (in *Interp) osError(err error, what, path string) {
	for class, cause := range errnoClasses {
		if errors.Is(err, cause) {
			in.throw(in.newException(class, errnoText(class)+" @ "+what+" - "+path))
		}
	}
	in.raise("IOError", "%v", err)
}

// native turns a path into one for the operating system, against the working
// directory.
func (in *Interp) native(p string) string {
	if filepath.IsAbs(p) {
		return p
	}
	return filepath.Join(in.dir, filepath.FromSlash(p))
}

// expandPath is File.expand_path.
func (in *Interp) expandPath(p string, base Value) string {
	p = filepath.ToSlash(p)
	switch {
	case strings.HasPrefix(p, "~"):
		name, rest, _ := strings.Cut(p[1:], "/")
		return cleanSlash(filepath.ToSlash(in.homeOf(name)) + "/" + rest)
	case isAbsSlash(p):
		return cleanSlash(p)
	}
	dir := filepath.ToSlash(in.dir)
	if base != nil {
		dir = in.expandPath(in.argString(base), nil)
	}
	return cleanSlash(dir + "/" + p)
}

// homeOf is the home directory of a user, "" being the current one.
func (in *Interp) homeOf(name string) string {
	in.unsupportedIf(name != "", "the home directory of a user (~"+name+")")
	in.noteEnv("HOME")
	for _, v := range []string{"HOME", "USERPROFILE"} {
		if home, ok := in.env.Lookup(v); ok {
			in.raiseIf(!filepath.IsAbs(home), "ArgumentError", "non-absolute home")
			return home
		}
	}
	in.raise("ArgumentError", "couldn't find HOME environment -- expanding `~'")
	return ""
}

func isAbsSlash(p string) bool {
	return strings.HasPrefix(p, "/") || filepath.VolumeName(filepath.FromSlash(p)) != ""
}

// cleanSlash resolves . and .. without looking at the disk.
func cleanSlash(p string) string { return filepath.ToSlash(filepath.Clean(filepath.FromSlash(p))) }

// dirOf is __dir__ for a file name.
func (in *Interp) dirOf(file string) string {
	p := in.expandPath(file, nil)
	if r, err := filepath.EvalSymlinks(filepath.FromSlash(p)); err == nil {
		p = filepath.ToSlash(r)
	}
	return path.Dir(p)
}

// readFile reads a regular file, its size counted against the limits.
func (in *Interp) readFile(p string) string {
	if strings.HasPrefix(p, "|") {
		in.refuse("IO.read", "a file name that starts a command is refused", "")
	}
	name := in.native(p)
	st, err := os.Stat(name)
	switch {
	case err != nil:
		in.osError(err, "rb_sysopen", p)
	case st.IsDir():
		in.osError(syscall.EISDIR, "io_fread", p)
	case !st.Mode().IsRegular():
		in.refuse("File.read", "`"+p+"' is not a regular file and is not read", "")
	case st.Size() > int64(in.limits.Memory):
		in.limit("the file " + p + " is too large to be read here")
	}
	in.alloc(int(st.Size()))
	f, err := os.Open(name)
	if err != nil {
		in.osError(err, "rb_sysopen", p)
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, st.Size())) // files of /proc may never end
	if err != nil {
		in.osError(err, "io_fread", p)
	}
	return string(b)
}

func fileExpandPath(in *Interp, c *call) Value {
	p := in.argString(c.args[0])
	if c.name == "absolute_path" && strings.HasPrefix(p, "~") {
		p = "./" + p
	}
	return in.str(in.expandPath(p, c.opt(1)))
}

func fileTest(in *Interp, c *call) Value {
	in.step(20)
	name := in.native(in.argString(c.args[0]))
	if c.name == "symlink?" {
		st, err := os.Lstat(name)
		return err == nil && st.Mode()&fs.ModeSymlink != 0
	}
	st, err := os.Stat(name)
	if err != nil {
		return false
	}
	if c.self == any(in.classes["Dir"]) || c.name == "directory?" {
		return st.IsDir()
	}
	switch c.name {
	case "file?":
		return st.Mode().IsRegular()
	case "executable?":
		return st.Mode()&0o111 != 0
	case "readable?":
		return readable(name, st)
	}
	return true
}

func ioPrint(in *Interp, c *call) Value {
	for _, a := range c.args {
		in.print(in.toS(a))
	}
	return nil
}

func readable(name string, st fs.FileInfo) bool {
	if !st.Mode().IsRegular() && !st.IsDir() {
		return false
	}
	f, err := os.Open(name)
	if err == nil {
		_ = f.Close()
	}
	return err == nil
}

func dirChildren(in *Interp, c *call) Value {
	p := in.argString(c.args[0])
	list, err := os.ReadDir(in.native(p))
	if err != nil {
		in.osError(err, "dir_initialize", p)
	}
	names := in.arr(nil)
	for _, e := range list {
		in.push(names, in.str(e.Name()))
	}
	return names
}

// dirMatch compares a name with one segment of a pattern.
func dirMatch(in *Interp, c *call) Value {
	ok, err := path.Match(strings.ReplaceAll(in.argString(c.args[0]), "[!", "[^"), in.argString(c.args[1]))
	return ok && err == nil
}
