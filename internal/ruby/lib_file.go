package ruby

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sort"
	"strings"
)

const pathListSeparator = string(os.PathListSeparator)

func (in *Interp) errno(class, what string) *Exception {
	return in.newException(class, errnoText[class]+" @ "+what)
}

// osError raises the Errno exception for an error of the operating system.
func (in *Interp) osError(err error, what, path string) {
	class := ""
	switch {
	case errors.Is(err, fs.ErrNotExist):
		class = "Errno::ENOENT"
	case errors.Is(err, fs.ErrPermission):
		class = "Errno::EACCES"
	case isErrno(err, "ENOTDIR"):
		class = "Errno::ENOTDIR"
	case isErrno(err, "EISDIR"):
		class = "Errno::EISDIR"
	default:
		in.raise("IOError", "%v", err)
	}
	in.throw(in.errno(class, what+" - "+path))
}

// pathArg gives a path argument as it was written.
func (in *Interp) pathArg(v Value) string {
	if o, ok := v.(*Object); ok && in.respondTo(o, "to_path") {
		v = in.send(o, "to_path")
	}
	if f, ok := v.(*Object); ok {
		if s, ok := f.data.(*fileData); ok {
			return s.path
		}
	}
	p := in.argString(v)
	if strings.IndexByte(p, 0) >= 0 {
		in.raise("ArgumentError", "string contains null byte")
	}
	return p
}

// native turns a path into one for the operating system, against the working directory.
func (in *Interp) native(p string) string {
	if filepath.IsAbs(p) {
		return p
	}
	return filepath.Join(in.dir, filepath.FromSlash(p))
}

// expand is File.expand_path.
func (in *Interp) expandPath(p string, base Value) string {
	p = filepath.ToSlash(p)
	if strings.HasPrefix(p, "~") {
		user, rest, _ := strings.Cut(p[1:], "/")
		home := ""
		if user == "" {
			in.noteEnv("HOME")
			var ok bool
			if home, ok = in.env.Lookup("HOME"); !ok {
				if home, ok = in.env.Lookup("USERPROFILE"); !ok {
					in.raise("ArgumentError", "couldn't find HOME environment -- expanding `~'")
				}
			}
			if !filepath.IsAbs(home) && !strings.HasPrefix(home, "/") {
				in.raise("ArgumentError", "non-absolute home")
			}
		} else {
			h, ok := homeOf(user)
			if !ok {
				in.raise("ArgumentError", "user %s doesn't exist", user)
			}
			home = h
		}
		return cleanSlash(filepath.ToSlash(home) + "/" + rest)
	}
	if isAbsSlash(p) {
		return cleanSlash(p)
	}
	dir := filepath.ToSlash(in.dir)
	if base != nil {
		dir = in.expandPath(in.pathArg(base), nil)
	}
	return cleanSlash(dir + "/" + p)
}

func isAbsSlash(p string) bool {
	return strings.HasPrefix(p, "/") || filepath.VolumeName(filepath.FromSlash(p)) != ""
}

// cleanSlash resolves . and .. without looking at the disk; unlike path.Clean it keeps a name's trailing dots.
func cleanSlash(p string) string {
	vol := filepath.VolumeName(filepath.FromSlash(p))
	p = filepath.ToSlash(p[len(vol):])
	var out []string
	for _, s := range strings.Split(p, "/") {
		switch s {
		case "", ".":
		case "..":
			if len(out) > 0 {
				out = out[:len(out)-1]
			}
		default:
			out = append(out, s)
		}
	}
	return filepath.ToSlash(vol) + "/" + strings.Join(out, "/")
}

func dirnameOf(p string) string {
	t := strings.TrimRight(p, "/")
	if t == "" {
		if p == "" {
			return "."
		}
		return "/"
	}
	i := strings.LastIndexByte(t, '/')
	if i < 0 {
		return "."
	}
	t = strings.TrimRight(t[:i], "/")
	if t == "" {
		return "/"
	}
	return t
}

func basenameOf(p, suffix string) string {
	t := strings.TrimRight(p, "/")
	if t == "" {
		if p == "" {
			return ""
		}
		return "/"
	}
	t = t[strings.LastIndexByte(t, '/')+1:]
	switch suffix {
	case "":
	case ".*":
		if e := extOf(t); e != "" {
			t = t[:len(t)-len(e)]
		}
	default:
		if t != suffix && strings.HasSuffix(t, suffix) {
			t = t[:len(t)-len(suffix)]
		}
	}
	return t
}

func extOf(p string) string {
	t := p[strings.LastIndexByte(p, '/')+1:]
	lead := len(t) - len(strings.TrimLeft(t, "."))
	i := strings.LastIndexByte(t, '.')
	if i <= 0 || i < lead {
		return ""
	}
	return t[i:]
}

// dirOf is __dir__ for a file name.
func (in *Interp) dirOf(file string) string {
	p := in.expandPath(file, nil)
	if r, err := filepath.EvalSymlinks(filepath.FromSlash(p)); err == nil {
		p = filepath.ToSlash(r)
	}
	return dirnameOf(p)
}

// fileData is an open File.
type fileData struct {
	path string
	text string
	pos  int
}

// readFile reads a regular file, its size counted against the limits.
func (in *Interp) readFile(p string) string {
	name := in.native(p)
	st, err := os.Stat(name)
	if err != nil {
		in.osError(err, "rb_sysopen", p)
	}
	if st.IsDir() {
		in.throw(in.errno("Errno::EISDIR", "io_fread - "+p))
	}
	if !st.Mode().IsRegular() {
		in.refuse("File.read", "`"+p+"' is not a regular file; it is not read", "")
	}
	if st.Size() > int64(in.limits.Memory) {
		in.limit("the file " + p + " is too large to be read here")
	}
	in.alloc(int(st.Size()))
	// not blocking, for what only looks like a regular file
	f, err := os.OpenFile(name, os.O_RDONLY|openNonBlock, 0)
	if err != nil {
		in.osError(err, "rb_sysopen", p)
	}
	defer f.Close()
	_ = f.SetReadDeadline(in.deadline)
	b, err := io.ReadAll(io.LimitReader(f, int64(in.limits.Memory-in.bytes)+1))
	if err != nil {
		in.osError(err, "io_fread", p)
	}
	in.alloc(max(0, len(b)-int(st.Size())))
	return string(b)
}

func (in *Interp) stat(v Value) (fs.FileInfo, error) {
	in.step(20)
	return os.Stat(in.native(in.pathArg(v)))
}

func defFile(l *library) {
	l.module("File::Constants")
	io := l.class("IO", "Object", "Enumerable")
	d := l.class("File", "IO")
	l.class("File::Stat", "Object")
	dir := l.class("Dir", "Object", "Enumerable")
	l.module("FileTest")

	str1 := func(name string, f func(p string) string) {
		d.sdef(name, 1, 1, func(in *Interp, c *call) Value { return in.str(f(in.pathArg(c.args[0]))) })
	}
	str1("extname", extOf)
	str1("path", func(p string) string { return p })
	d.sdef("dirname", 1, 2, func(in *Interp, c *call) Value {
		p := in.pathArg(c.args[0])
		n := 1
		if len(c.args) > 1 {
			if n = in.argInt(c.args[1]); n < 0 {
				in.raise("ArgumentError", "negative level: %d", n)
			}
			if n > 1000 {
				n = 1000
			}
		}
		for ; n > 0; n-- {
			p = dirnameOf(p)
		}
		return in.str(p)
	})
	d.sdef("basename", 1, 2, func(in *Interp, c *call) Value {
		suffix := ""
		if len(c.args) > 1 {
			suffix = in.argString(c.args[1])
		}
		return in.str(basenameOf(in.pathArg(c.args[0]), suffix))
	})
	d.sdef("split", 1, 1, func(in *Interp, c *call) Value {
		p := in.pathArg(c.args[0])
		return in.arr([]Value{in.str(dirnameOf(p)), in.str(basenameOf(p, ""))})
	})
	d.sdef("join", 0, -1, func(in *Interp, c *call) Value { return in.str(in.joinPath(c.args)) })
	d.sdef("expand_path absolute_path", 1, 2, func(in *Interp, c *call) Value {
		p := in.pathArg(c.args[0])
		if c.name == "absolute_path" && strings.HasPrefix(p, "~") {
			p = "./" + p
		}
		return in.str(in.expandPath(p, c.opt(1)))
	})
	d.sdef("absolute_path?", 1, 1, func(in *Interp, c *call) Value { return isAbsSlash(in.pathArg(c.args[0])) })
	d.sdef("realpath realdirpath", 1, 2, func(in *Interp, c *call) Value {
		p := in.expandPath(in.pathArg(c.args[0]), c.opt(1))
		r, err := filepath.EvalSymlinks(filepath.FromSlash(p))
		if err != nil {
			if c.name == "realdirpath" {
				return in.str(p)
			}
			in.osError(err, "rb_realpath_internal", p)
		}
		return in.str(filepath.ToSlash(r))
	})
	test := func(names string, ok func(fs.FileInfo) bool) {
		d.sdef(names, 1, 1, func(in *Interp, c *call) Value {
			st, err := in.stat(c.args[0])
			return err == nil && ok(st)
		})
		for _, n := range strings.Fields(names) {
			l.byName["FileTest"].smethods[n] = d.smethods[n]
		}
	}
	test("exist?", func(fs.FileInfo) bool { return true })
	test("file?", func(st fs.FileInfo) bool { return st.Mode().IsRegular() })
	test("directory?", func(st fs.FileInfo) bool { return st.IsDir() })
	test("zero? empty?", func(st fs.FileInfo) bool { return st.Size() == 0 })
	test("executable? executable_real?", func(st fs.FileInfo) bool { return st.Mode()&0o111 != 0 })
	test("pipe?", func(st fs.FileInfo) bool { return st.Mode()&fs.ModeNamedPipe != 0 })
	test("socket?", func(st fs.FileInfo) bool { return st.Mode()&fs.ModeSocket != 0 })
	d.sdef("exists?", 1, 1, d.smethods["exist?"].bi)
	d.sdef("readable? readable_real?", 1, 1, func(in *Interp, c *call) Value {
		p := in.native(in.pathArg(c.args[0]))
		st, err := os.Stat(p)
		if err != nil {
			return false
		}
		if !st.Mode().IsRegular() && !st.IsDir() {
			return st.Mode()&0o444 != 0
		}
		f, err := os.Open(p)
		if err == nil {
			_ = f.Close()
		}
		return err == nil
	})
	d.sdef("writable? writable_real?", 1, 1, func(in *Interp, c *call) Value { return writable(in.native(in.pathArg(c.args[0]))) })
	d.sdef("symlink?", 1, 1, func(in *Interp, c *call) Value {
		st, err := os.Lstat(in.native(in.pathArg(c.args[0])))
		return err == nil && st.Mode()&fs.ModeSymlink != 0
	})
	d.sdef("readlink", 1, 1, func(in *Interp, c *call) Value {
		p := in.pathArg(c.args[0])
		t, err := os.Readlink(in.native(p))
		if err != nil {
			in.osError(err, "rb_readlink", p)
		}
		return in.str(t)
	})
	d.sdef("size", 1, 1, func(in *Interp, c *call) Value {
		st, err := in.stat(c.args[0])
		if err != nil {
			in.osError(err, "rb_file_s_size", in.pathArg(c.args[0]))
		}
		return int(st.Size())
	})
	d.sdef("size?", 1, 1, func(in *Interp, c *call) Value {
		st, err := in.stat(c.args[0])
		if err != nil || st.Size() == 0 {
			return nil
		}
		return int(st.Size())
	})
	d.sdef("mtime ctime atime birthtime", 1, 1, func(in *Interp, c *call) Value {
		if c.name != "mtime" {
			in.unsupported("File." + c.name)
		}
		st, err := in.stat(c.args[0])
		if err != nil {
			in.osError(err, "rb_file_s_mtime", in.pathArg(c.args[0]))
		}
		return &timeValue{t: st.ModTime()}
	})
	d.sdef("identical?", 2, 2, func(in *Interp, c *call) Value {
		a, err1 := in.stat(c.args[0])
		b, err2 := in.stat(c.args[1])
		return err1 == nil && err2 == nil && os.SameFile(a, b)
	})
	d.sdef("fnmatch fnmatch?", 2, 3, func(in *Interp, c *call) Value {
		flags := 0
		if len(c.args) > 2 {
			flags = in.argInt(c.args[2])
		}
		in.step(len(in.argString(c.args[0])))
		return in.fnmatch(in.argString(c.args[0]), in.pathArg(c.args[1]), flags)
	})
	for _, s := range []*classSpec{io, d} {
		s.sdef("read binread", 1, -1, func(in *Interp, c *call) Value {
			c.kwargs()
			p := in.pathArg(c.args[0])
			in.noPipe(p)
			t := in.readFile(p)
			if len(c.args) > 1 && c.args[1] != nil {
				off := 0
				if len(c.args) > 2 && c.args[2] != nil {
					off = in.argInt(c.args[2])
				}
				n := in.argInt(c.args[1])
				if off < 0 || n < 0 {
					in.raise("ArgumentError", "negative length %d given", n)
				}
				if off >= len(t) {
					return nil
				}
				t = t[off:min(len(t), off+n)]
			}
			s := in.str(t)
			s.binary = c.name == "binread"
			return s
		})
		s.sdef("readlines foreach", 1, -1, func(in *Interp, c *call) Value {
			kw := c.kwargs()
			chompIt := false
			if kw != nil {
				v, _ := kw.Get(Symbol("chomp"))
				chompIt = truthy(v)
			}
			p := in.pathArg(c.args[0])
			in.noPipe(p)
			t := in.readFile(p)
			sep := "\n"
			if len(c.args) > 1 && c.args[1] != nil {
				if _, ok := c.args[1].(int); ok {
					in.unsupported("readlines with a limit")
				}
				sep = in.argString(c.args[1])
			}
			var out []Value
			for _, ln := range in.splitLines(t, sep, chompIt) {
				out = append(out, in.str(ln))
			}
			if c.name == "foreach" {
				if c.blk == nil {
					return &enumerator{recv: in.arr(out), meth: "each"}
				}
				for _, x := range out {
					in.yield(c.blk, x)
				}
				return nil
			}
			return in.arr(out)
		})
	}
	d.sdef("open new", 1, -1, func(in *Interp, c *call) Value {
		c.kwargs()
		p := in.pathArg(c.args[0])
		mode := "r"
		if m, ok := c.opt(1).(*String); ok {
			mode = m.s
		}
		if strings.ContainsAny(mode, "wa+") {
			in.refuse("File.open", "a template can't write files (File.open with mode "+mode+")", "")
		}
		f := &Object{class: in.classes["File"], data: &fileData{path: p, text: in.readFile(p)}}
		if c.blk != nil {
			return in.yield(c.blk, f)
		}
		return f
	})
	for _, n := range strings.Fields("write binwrite delete unlink rename symlink link chmod chown lchmod truncate utime mkfifo copy_stream popen sysopen pipe") {
		n := n
		refuse := func(in *Interp, c *call) Value {
			in.refuse("File."+n, "File."+n+" is refused: a configuration file can't change files", "")
			return nil
		}
		d.sdef(n, 0, -1, refuse)
		io.sdef(n, 0, -1, refuse)
	}
	d.sdef("stat lstat umask ftype world_readable? world_writable? owned? grpowned? setuid? setgid? sticky? blockdev? chardev?", 0, -1, func(in *Interp, c *call) Value {
		in.unsupported("File." + c.name)
		return nil
	})

	data := func(in *Interp, c *call) *fileData {
		if f, ok := c.self.(*Object).data.(*fileData); ok {
			return f
		}
		if c.name == "read" || c.name == "gets" || c.name == "readlines" || c.name == "each_line" || c.name == "each" {
			return &fileData{}
		}
		in.unsupported("IO#" + c.name)
		return nil
	}
	io.def("read", 0, 2, func(in *Interp, c *call) Value {
		f := data(in, c)
		t := f.text[f.pos:]
		if len(c.args) > 0 && c.args[0] != nil {
			n := in.argInt(c.args[0])
			if n > 0 && t == "" {
				return nil
			}
			t = t[:min(len(t), max(0, n))]
		}
		f.pos += len(t)
		return in.str(t)
	})
	io.def("gets readline", 0, -1, func(in *Interp, c *call) Value {
		f := data(in, c)
		if f.pos >= len(f.text) {
			if c.name == "readline" {
				in.raise("EOFError", "end of file reached")
			}
			return nil
		}
		i := strings.IndexByte(f.text[f.pos:], '\n')
		end := len(f.text)
		if i >= 0 {
			end = f.pos + i + 1
		}
		s := f.text[f.pos:end]
		f.pos = end
		return in.str(s)
	})
	io.def("each_line each readlines each_with_index", 0, -1, func(in *Interp, c *call) Value {
		kw := c.kwargs()
		chompIt := false
		if kw != nil {
			v, _ := kw.Get(Symbol("chomp"))
			chompIt = truthy(v)
		}
		f := data(in, c)
		var out []Value
		for i, ln := range in.splitLines(f.text[f.pos:], "\n", chompIt) {
			switch {
			case c.name == "readlines" || c.blk == nil:
				out = append(out, in.str(ln))
			case c.name == "each_with_index":
				in.yield(c.blk, in.str(ln), i)
			default:
				in.yield(c.blk, in.str(ln))
			}
		}
		f.pos = len(f.text)
		if c.name == "readlines" {
			return in.arr(out)
		}
		if c.blk == nil {
			return &enumerator{recv: in.arr(out), meth: "each"}
		}
		return c.self
	})
	io.def("eof? eof", 0, 0, func(in *Interp, c *call) Value { f := data(in, c); return f.pos >= len(f.text) })
	io.def("rewind", 0, 0, func(in *Interp, c *call) Value { data(in, c).pos = 0; return 0 })
	io.def("close", 0, 0, func(in *Interp, c *call) Value { return nil })
	io.def("closed?", 0, 0, func(in *Interp, c *call) Value { return false })
	io.def("path to_path", 0, 0, func(in *Interp, c *call) Value { return in.str(data(in, c).path) })
	io.def("size", 0, 0, func(in *Interp, c *call) Value { return len(data(in, c).text) })
	io.def("tty? isatty", 0, 0, func(in *Interp, c *call) Value { return false })
	io.def("sync", 0, 0, func(in *Interp, c *call) Value { return false })
	io.def("sync= fsync flush set_encoding binmode fileno", 0, -1, func(in *Interp, c *call) Value {
		if c.name == "fileno" {
			return 1
		}
		if c.name == "sync=" && len(c.args) > 0 {
			return c.args[0]
		}
		return c.self
	})
	io.def("puts", 0, -1, func(in *Interp, c *call) Value { in.puts(c.args); return nil })
	io.def("print write << printf", 0, -1, func(in *Interp, c *call) Value {
		n := 0
		if c.name == "printf" && len(c.args) > 0 {
			in.print(in.sprintf(in.argString(c.args[0]), c.args[1:]))
			return nil
		}
		for _, a := range c.args {
			s := in.toS(a)
			n += len(s)
			in.print(s)
		}
		switch c.name {
		case "<<":
			return c.self
		case "print":
			return nil
		}
		return n
	})
	io.def("inspect", 0, 0, func(in *Interp, c *call) Value {
		switch x := c.self.(*Object).data.(type) {
		case string:
			return in.str("#<IO:<" + x + ">>")
		case *fileData:
			return in.str("#<File:" + x.path + ">")
		}
		return in.str("#<IO>")
	})

	dir.sdef("pwd getwd", 0, 0, func(in *Interp, c *call) Value { return in.str(filepath.ToSlash(in.dir)) })
	dir.sdef("home", 0, 1, func(in *Interp, c *call) Value {
		if len(c.args) > 0 && c.args[0] != nil {
			return in.str(in.expandPath("~"+in.argString(c.args[0]), nil))
		}
		return in.str(in.expandPath("~", nil))
	})
	dir.sdef("exist? exists?", 1, 1, d.smethods["directory?"].bi)
	dir.sdef("empty?", 1, 1, func(in *Interp, c *call) Value {
		e, err := os.ReadDir(in.native(in.pathArg(c.args[0])))
		return err == nil && len(e) == 0
	})
	dir.sdef("entries children each_child foreach", 1, -1, func(in *Interp, c *call) Value {
		c.kwargs()
		p := in.pathArg(c.args[0])
		es, err := os.ReadDir(in.native(p))
		if err != nil {
			in.osError(err, "dir_initialize", p)
		}
		var out []Value
		if c.name == "entries" || c.name == "foreach" {
			out = append(out, in.str("."), in.str(".."))
		}
		in.alloc(64 * len(es))
		for _, e := range es {
			out = append(out, in.str(e.Name()))
		}
		if c.blk != nil {
			for _, x := range out {
				in.yield(c.blk, x)
			}
			return nil
		}
		return in.arr(out)
	})
	dir.sdef("glob []", 1, -1, func(in *Interp, c *call) Value {
		kw := c.kwargs()
		base := ""
		flags := 0
		if kw != nil {
			if v, ok := kw.Get(Symbol("base")); ok && v != nil {
				base = in.pathArg(v)
			}
			if v, ok := kw.Get(Symbol("flags")); ok {
				flags = in.argInt(v)
			}
		}
		var pats []string
		for _, a := range c.args {
			switch x := a.(type) {
			case *Array:
				for _, y := range x.a {
					pats = append(pats, in.pathArg(y))
				}
			case int:
				flags = x
			default:
				pats = append(pats, in.pathArg(x))
			}
		}
		var out []Value
		for _, p := range pats {
			for _, m := range in.glob(p, base, flags) {
				out = append(out, in.str(m))
			}
		}
		if c.blk != nil {
			for _, x := range out {
				in.yield(c.blk, x)
			}
			return nil
		}
		return in.arr(out)
	})
	dir.sdef("chdir mkdir rmdir delete unlink mktmpdir tmpdir new open chroot", 0, -1, func(in *Interp, c *call) Value {
		switch c.name {
		case "tmpdir":
			for _, n := range []string{"TMPDIR", "TMP", "TEMP"} {
				if v, ok := in.env.Lookup(n); ok && v != "" {
					return in.str(v)
				}
			}
			return in.str("/tmp")
		case "chdir":
			if c.blk != nil && len(c.args) == 1 {
				p := in.expandPath(in.pathArg(c.args[0]), nil)
				st, err := os.Stat(filepath.FromSlash(p))
				if err != nil {
					in.osError(err, "dir_s_chdir", in.pathArg(c.args[0]))
				}
				if !st.IsDir() {
					in.throw(in.errno("Errno::ENOTDIR", "dir_s_chdir - "+in.pathArg(c.args[0])))
				}
				saved := in.dir
				in.dir = filepath.FromSlash(p)
				defer func() { in.dir = saved }()
				return in.yield(c.blk, in.str(p))
			}
			in.unsupported("Dir.chdir without a block")
		case "new", "open":
			in.unsupported("Dir." + c.name)
		}
		in.refuse("Dir."+c.name, "Dir."+c.name+" is refused: a configuration file can't change directories", "")
		return nil
	})
	fu := l.module("FileUtils")
	for _, n := range strings.Fields("mkdir mkdir_p makedirs rm rm_f rm_r rm_rf cp cp_r mv ln ln_s ln_sf touch chmod chmod_R chown chown_R install rmdir remove copy cd chdir") {
		n := n
		fu.sdef(n, 0, -1, func(in *Interp, c *call) Value {
			in.refuse("FileUtils."+n, "FileUtils."+n+" is refused: a configuration file can't change files", "")
			return nil
		})
	}
}

// noPipe refuses "|command" names, which Ruby would run.
func (in *Interp) noPipe(p string) {
	if strings.HasPrefix(p, "|") {
		in.refuse("IO.read", "a file name that starts a command is refused", "")
	}
}

// joinPath is File.join.
func (in *Interp) joinPath(args []Value) string {
	var parts []string
	for _, a := range args {
		if x, ok := a.(*Array); ok {
			if !in.enter(x) {
				in.raise("ArgumentError", "recursive array")
			}
			parts = append(parts, in.joinPath(x.a))
			in.leave(x)
			continue
		}
		parts = append(parts, in.pathArg(a))
	}
	var b strings.Builder
	for i, p := range parts {
		in.alloc(len(p))
		if i == 0 {
			b.WriteString(p)
			continue
		}
		s := b.String()
		switch {
		case strings.HasPrefix(p, "/"):
			t := strings.TrimRight(s, "/")
			b.Reset()
			b.WriteString(t)
			b.WriteString(p)
		case strings.HasSuffix(s, "/"):
			b.WriteString(p)
		default:
			b.WriteByte('/')
			b.WriteString(p)
		}
	}
	return b.String()
}

// expandBraces spells out {a,b}.
func (in *Interp) expandBraces(p string, out []string) []string {
	in.step(1)
	in.alloc(len(p))
	open := -1
	for i := 0; i < len(p); i++ {
		if p[i] == '\\' {
			i++
		} else if p[i] == '{' {
			open = i
			break
		}
	}
	if open < 0 {
		return append(out, p)
	}
	depth, last := 0, open+1
	var alts []string
	for i := open; i < len(p); i++ {
		switch p[i] {
		case '\\':
			i++
		case '{':
			depth++
		case ',':
			if depth == 1 {
				alts = append(alts, p[last:i])
				last = i + 1
			}
		case '}':
			depth--
			if depth == 0 {
				alts = append(alts, p[last:i])
				for _, a := range alts {
					out = in.expandBraces(p[:open]+a+p[i+1:], out)
					if len(out) > 10_000 {
						in.limit("a pattern has too many alternatives")
					}
				}
				return out
			}
		}
	}
	return append(out, p)
}

func (in *Interp) fnmatch(pat, name string, flags int) bool {
	pats := []string{pat}
	if flags&16 != 0 {
		pats = in.expandBraces(pat, nil)
	}
	for _, p := range pats {
		if flags&8 != 0 {
			p, name = strings.ToLower(p), strings.ToLower(name)
		}
		if flags&2 != 0 {
			if in.matchSegments(strings.Split(p, "/"), strings.Split(name, "/"), flags) {
				return true
			}
			continue
		}
		if in.matchOne(p, name, flags, false) {
			return true
		}
	}
	return false
}

func (in *Interp) matchSegments(p, n []string, flags int) bool {
	in.step(1)
	if len(p) == 0 {
		return len(n) == 0
	}
	if p[0] == "**" && len(p) > 1 {
		for i := 0; i <= len(n); i++ {
			if in.matchSegments(p[1:], n[i:], flags) {
				return true
			}
			if i < len(n) && strings.HasPrefix(n[i], ".") && flags&4 == 0 {
				return false
			}
		}
		return false
	}
	return len(n) > 0 && in.matchOne(p[0], n[0], flags, true) && in.matchSegments(p[1:], n[1:], flags)
}

// matchOne matches a pattern with *, ?, [] against one name.
func (in *Interp) matchOne(p, s string, flags int, segment bool) bool {
	if strings.HasPrefix(s, ".") && flags&4 == 0 && !strings.HasPrefix(p, ".") && p != "" && strings.IndexByte("*?[", p[0]) >= 0 {
		return false
	}
	star, mark := -1, 0
	i, j := 0, 0
	for j < len(s) {
		in.step(1)
		if i < len(p) {
			switch p[i] {
			case '*':
				star, mark = i, j
				i++
				continue
			case '?':
				_, w := decodeRune(s[j:])
				i++
				j += w
				continue
			case '[':
				if ok, w := matchBracket(p[i:], s[j]); w > 0 && ok {
					i += w
					j++
					continue
				}
			case '\\':
				if flags&1 == 0 && i+1 < len(p) && p[i+1] == s[j] {
					i += 2
					j++
					continue
				}
			default:
				if p[i] == s[j] {
					i++
					j++
					continue
				}
			}
		}
		if star < 0 {
			return false
		}
		mark++
		i, j = star+1, mark
	}
	for i < len(p) && p[i] == '*' {
		i++
	}
	return i == len(p)
}

func matchBracket(p string, c byte) (ok bool, width int) {
	i := 1
	neg := i < len(p) && (p[i] == '^' || p[i] == '!')
	if neg {
		i++
	}
	for first := true; i < len(p) && (p[i] != ']' || first); first = false {
		lo := p[i]
		if lo == '\\' && i+1 < len(p) {
			i++
			lo = p[i]
		}
		hi := lo
		if i+2 < len(p) && p[i+1] == '-' && p[i+2] != ']' {
			hi = p[i+2]
			i += 2
		}
		i++
		if c >= lo && c <= hi {
			ok = true
		}
	}
	if i >= len(p) {
		return false, 0
	}
	return ok != neg, i + 1
}

// glob is Dir.glob.
func (in *Interp) glob(pat, base string, flags int) []string {
	var out []string
	for _, p := range in.expandBraces(pat, nil) {
		root := ""
		rest := p
		if isAbsSlash(p) {
			root, rest = "/", strings.TrimLeft(p, "/")
		}
		dirOnly := strings.HasSuffix(rest, "/")
		segs := strings.Split(strings.TrimRight(rest, "/"), "/")
		var found []string
		in.walkGlob(root, segs, base, flags, &found, 0)
		for _, f := range found {
			if dirOnly {
				if st, err := os.Stat(in.native(join2(base, f))); err != nil || !st.IsDir() {
					continue
				}
				f += "/"
			}
			out = append(out, f)
		}
	}
	return out
}

func join2(a, b string) string {
	if a == "" || isAbsSlash(b) {
		return b
	}
	return a + "/" + b
}

func (in *Interp) walkGlob(prefix string, segs []string, base string, flags int, out *[]string, depth int) {
	in.step(10)
	if depth > 64 {
		return
	}
	if len(segs) == 0 {
		in.alloc(len(prefix) + 32)
		*out = append(*out, prefix)
		return
	}
	seg := segs[0]
	at := func(name string) string {
		if prefix == "" || strings.HasSuffix(prefix, "/") {
			return prefix + name
		}
		return prefix + "/" + name
	}
	if !strings.ContainsAny(seg, "*?[\\") {
		p := at(seg)
		if seg == "" {
			p = prefix
		}
		if _, err := os.Lstat(in.native(join2(base, p))); err == nil {
			in.walkGlob(p, segs[1:], base, flags, out, depth+1)
		}
		return
	}
	d := join2(base, prefix)
	if d == "" {
		d = "."
	}
	es, err := os.ReadDir(in.native(d))
	if err != nil {
		return
	}
	in.step(len(es))
	sort.Slice(es, func(i, j int) bool { return es[i].Name() < es[j].Name() })
	if seg == "**" && len(segs) > 1 {
		in.walkGlob(prefix, segs[1:], base, flags, out, depth+1)
		for _, e := range es {
			if e.IsDir() && (flags&4 != 0 || !strings.HasPrefix(e.Name(), ".")) {
				in.walkGlob(at(e.Name()), segs, base, flags, out, depth+1)
			}
		}
		return
	}
	for _, e := range es {
		if in.matchOne(seg, e.Name(), flags, true) {
			in.walkGlob(at(e.Name()), segs[1:], base, flags, out, depth+1)
		}
	}
}
