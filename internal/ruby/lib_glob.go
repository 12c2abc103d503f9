package ruby

import (
	"os"
	"path"
	"strings"
)

// fnmDotmatch is File::FNM_DOTMATCH.
const fnmDotmatch = 4

// matchName matches one name; a leading dot wants a dot in the pattern.
func matchName(pattern, name string, dots bool) bool {
	if strings.HasPrefix(name, ".") && !dots && !strings.HasPrefix(pattern, ".") {
		return false
	}
	ok, err := path.Match(strings.ReplaceAll(pattern, "[!", "[^"), name)
	return ok && err == nil
}

// expandBraces spells out {a,b}.
func (in *Interp) expandBraces(p string, out []string) []string {
	in.step(1)
	in.alloc(len(p))
	open := strings.IndexByte(p, '{')
	if open < 0 {
		return append(out, p)
	}
	depth, last := 0, open+1
	var alts []string
	for i := open; i < len(p); i++ {
		switch p[i] {
		case '{':
			depth++
		case ',':
			if depth == 1 {
				alts, last = append(alts, p[last:i]), i+1
			}
		case '}':
			if depth--; depth > 0 {
				continue
			}
			for _, a := range append(alts, p[last:i]) {
				if out = in.expandBraces(p[:open]+a+p[i+1:], out); len(out) > 10_000 {
					in.limit("a pattern has too many alternatives")
				}
			}
			return out
		}
	}
	return append(out, p)
}

func dirGlob(in *Interp, c *call) Value {
	g := &globber{in: in}
	if kw := c.kwargs(); kw != nil {
		base, ok := kw.Get(Symbol("base"))
		if !ok || kw.live > 1 {
			in.unsupported("an option of Dir.glob other than base")
		}
		g.base = in.pathArg(base)
	}
	if n, ok := c.args[len(c.args)-1].(int); ok {
		if n != fnmDotmatch {
			in.unsupported("a flag of Dir.glob other than File::FNM_DOTMATCH")
		}
		g.dots, c.args = true, c.args[:len(c.args)-1]
	}
	for _, a := range in.flatten(nil, NewArray(c.args...), -1) {
		for _, p := range in.expandBraces(in.pathArg(a), nil) {
			root, rest := "", p
			if isAbsSlash(p) {
				root, rest = "/", strings.TrimLeft(p, "/")
			}
			g.dirsOnly = strings.HasSuffix(rest, "/")
			g.walk(root, strings.Split(strings.TrimRight(rest, "/"), "/"), 0)
		}
	}
	if c.blk == nil {
		return in.strs(g.out)
	}
	for _, name := range g.out {
		in.yield(c.blk, in.str(name))
	}
	return nil
}

// globber is the state of one Dir.glob.
type globber struct {
	in       *Interp
	base     string
	dots     bool // names that begin with a dot are found, too
	dirsOnly bool
	out      []string
}

func (g *globber) native(p string) string {
	if g.base != "" && !isAbsSlash(p) {
		p = g.base + "/" + p
	}
	return g.in.native(p)
}

// walk finds what matches the segments below a prefix.
func (g *globber) walk(prefix string, segs []string, depth int) {
	g.in.step(10)
	if depth > 64 {
		return
	}
	if len(segs) == 0 {
		g.in.alloc(len(prefix) + 32)
		if g.dirsOnly {
			if st, err := os.Stat(g.native(prefix)); err != nil || !st.IsDir() {
				return
			}
			prefix += "/"
		}
		g.out = append(g.out, prefix)
		return
	}
	under := func(name string) string {
		if prefix == "" || strings.HasSuffix(prefix, "/") {
			return prefix + name
		}
		return prefix + "/" + name
	}
	seg := segs[0]
	if !strings.ContainsAny(seg, "*?[\\") {
		if _, err := os.Lstat(g.native(under(seg))); err == nil {
			g.walk(under(seg), segs[1:], depth+1)
		}
		return
	}
	list, err := os.ReadDir(g.native(prefix))
	if err != nil {
		return
	}
	g.in.step(len(list))
	if seg == "**" && len(segs) > 1 {
		g.walk(prefix, segs[1:], depth+1)
		for _, e := range list {
			if e.IsDir() && (g.dots || !strings.HasPrefix(e.Name(), ".")) {
				g.walk(under(e.Name()), segs, depth+1)
			}
		}
		return
	}
	if g.dots && seg == "*" {
		g.walk(under("."), segs[1:], depth+1)
	}
	for _, e := range list {
		if matchName(seg, e.Name(), g.dots) {
			g.walk(under(e.Name()), segs[1:], depth+1)
		}
	}
}
