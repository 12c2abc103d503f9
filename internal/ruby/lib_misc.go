package ruby

import (
	"crypto/md5"
	crand "crypto/rand"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"hash"
	"math"
	"math/rand/v2"
	"net/url"
	"os"
	"os/user"
	"runtime"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

func decodeRune(s string) (rune, int) { return utf8.DecodeRuneInString(s) }

func rubyPlatform() string {
	arch := map[string]string{"amd64": "x86_64", "arm64": "aarch64", "386": "i686"}[runtime.GOARCH]
	if arch == "" {
		arch = runtime.GOARCH
	}
	switch runtime.GOOS {
	case "darwin":
		if arch == "aarch64" {
			arch = "arm64"
		}
		return arch + "-darwin23"
	case "windows":
		return "x64-mingw-ucrt"
	}
	return arch + "-" + runtime.GOOS
}

func (in *Interp) rbConfig() *Hash {
	h := NewHash()
	set := func(k, v string) { h.Set(NewString(k), NewString(v)) }
	osName := map[string]string{"darwin": "darwin23", "windows": "mingw32"}[runtime.GOOS]
	if osName == "" {
		osName = runtime.GOOS
	}
	cpu, _, _ := strings.Cut(rubyPlatform(), "-")
	set("host_os", osName)
	set("target_os", strings.TrimRight(osName, "0123456789"))
	set("host_cpu", cpu)
	set("target_cpu", cpu)
	set("arch", rubyPlatform())
	set("ruby_version", "3.1.0")
	set("RUBY_PROGRAM_VERSION", "3.1.7")
	set("MAJOR", "3")
	set("MINOR", "1")
	set("TEENY", "7")
	set("ruby_install_name", "ruby")
	set("EXEEXT", map[bool]string{true: ".exe"}[runtime.GOOS == "windows"])
	return h
}

func homeOf(name string) (string, bool) {
	u, err := user.Lookup(name)
	if err != nil {
		return "", false
	}
	return u.HomeDir, true
}

// rng is a source of random numbers; it is not Ruby's generator, so seeded sequences differ.
type rng struct{ r *rand.Rand }

func (r *rng) seed(n uint64)  { r.r = rand.New(rand.NewPCG(n, 0x9e3779b97f4a7c15)) }
func (r *rng) intn(n int) int { return r.r.IntN(n) }
func (r *rng) float() float64 { return r.r.Float64() }
func (in *Interp) random() *rng {
	if in.rnd == nil {
		var b [8]byte
		_, _ = crand.Read(b[:])
		in.rnd = &rng{}
		in.rnd.seed(binary.LittleEndian.Uint64(b[:]))
	}
	return in.rnd
}

func (in *Interp) rand(v Value) Value {
	switch x := v.(type) {
	case nil:
		return in.random().float()
	case int:
		if x < 0 {
			x = -x
		}
		if x == 0 {
			return in.random().float()
		}
		return in.random().intn(x)
	case float64:
		return in.random().float() * math.Max(1, math.Abs(x))
	case *Range:
		lo, ok := x.Lo.(int)
		hi, ok2 := x.Hi.(int)
		if !ok || !ok2 {
			a, b := in.toFloat(x.Lo), in.toFloat(x.Hi)
			return a + in.random().float()*(b-a)
		}
		if x.Excl {
			hi--
		}
		if hi < lo {
			return nil
		}
		if hi-lo+1 <= 0 {
			in.limit("a random range is too large")
		}
		return lo + in.random().intn(hi-lo+1)
	}
	return in.random().intn(max(1, in.argInt(v)))
}

// sleep waits, within the limit of time.
func (in *Interp) sleep(sec float64) {
	d := time.Duration(math.Min(sec, 1e6) * 1e9)
	if left := time.Until(in.deadline); d > left {
		in.limit("sleep is longer than the time the program may take")
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-in.ctx.Done():
		panic(in.ctxError(in.ctx.Err()))
	}
}

func base64Encode(s string, lines bool) string {
	e := base64.StdEncoding.EncodeToString([]byte(s))
	if !lines {
		return e
	}
	var b strings.Builder
	for len(e) > 60 {
		b.WriteString(e[:60] + "\n")
		e = e[60:]
	}
	if e != "" {
		b.WriteString(e + "\n")
	}
	return b.String()
}

func (in *Interp) base64Decode(s string, strict bool) Value {
	if strict {
		b, err := base64.StdEncoding.DecodeString(s)
		if err != nil || strings.ContainsAny(s, "\r\n") {
			in.raise("ArgumentError", "invalid base64")
		}
		r := in.str(string(b))
		r.binary = true
		return r
	}
	clean := strings.Map(func(r rune) rune {
		switch {
		case r >= 'A' && r <= 'Z', r >= 'a' && r <= 'z', r >= '0' && r <= '9', r == '+', r == '/':
			return r
		}
		return -1
	}, strings.SplitN(s, "=", 2)[0])
	if len(clean)%4 == 1 {
		clean = clean[:len(clean)-1]
	}
	b, _ := base64.RawStdEncoding.DecodeString(clean)
	r := in.str(string(b))
	r.binary = true
	return r
}

func defMisc(l *library) {
	defExec(l)
	defJSON(l)
	defYAML(l)
	defStruct(l)
	enc := l.class("Encoding", "Object")
	enc.def("to_s name", 0, 0, func(in *Interp, c *call) Value { return in.str(c.self.(*Object).data.(string)) })
	enc.def("inspect", 0, 0, func(in *Interp, c *call) Value { return in.str("#<Encoding:" + c.self.(*Object).data.(string) + ">") })
	enc.sdef("default_external default_internal", 0, 0, func(in *Interp, c *call) Value {
		if c.name == "default_internal" {
			return nil
		}
		v, _ := in.classConst(in.classes["Encoding"], "UTF_8")
		return v
	})
	enc.sdef("default_external= default_internal=", 1, 1, func(in *Interp, c *call) Value { return c.args[0] })

	l.module("RbConfig")
	gc := l.module("GC")
	gc.sdef("start stress disable enable", 0, -1, func(in *Interp, c *call) Value { return nil })
	l.module("ObjectSpace")
	l.class("Thread", "Object")
	l.byName["Thread"].sdef("new start fork current", 0, -1, func(in *Interp, c *call) Value { in.unsupported("Thread." + c.name); return nil })

	e := l.module("Etc")
	e.sdef("getlogin", 0, 0, func(in *Interp, c *call) Value {
		if u, err := user.Current(); err == nil {
			return in.str(u.Username)
		}
		return nil
	})
	e.sdef("nprocessors", 0, 0, func(in *Interp, c *call) Value { return runtime.NumCPU() })
	e.sdef("systmpdir", 0, 0, func(in *Interp, c *call) Value { return in.str("/tmp") })
	e.sdef("getpwuid getpwnam", 0, 1, func(in *Interp, c *call) Value {
		var u *user.User
		var err error
		switch x := c.opt(0).(type) {
		case nil:
			u, err = user.Current()
		case *String:
			u, err = user.Lookup(x.s)
		default:
			u, err = user.LookupId(in.toS(x))
		}
		if err != nil {
			in.raise("ArgumentError", "can't find user for %s", in.toS(c.opt(0)))
		}
		h := NewHash()
		uid, _ := strconv.Atoi(u.Uid)
		gid, _ := strconv.Atoi(u.Gid)
		for _, p := range []struct {
			k string
			v Value
		}{{"name", in.str(u.Username)}, {"uid", uid}, {"gid", gid}, {"gecos", in.str(u.Name)}, {"dir", in.str(u.HomeDir)}} {
			h.Set(Symbol(p.k), p.v)
		}
		return &Object{class: in.classes["Etc::Passwd"], data: h}
	})
	e.sdef("getgrgid getgrnam getpwent passwd group uname sysconfdir", 0, -1, func(in *Interp, c *call) Value {
		in.unsupported("Etc." + c.name)
		return nil
	})
	pw := l.class("Etc::Passwd", "Object")
	pw.def("name uid gid gecos dir", 0, 0, func(in *Interp, c *call) Value {
		v, _ := c.self.(*Object).data.(*Hash).Get(Symbol(c.name))
		return v
	})
	so := l.class("Socket", "Object")
	so.sdef("gethostname", 0, 0, func(in *Interp, c *call) Value {
		h, err := os.Hostname()
		if err != nil {
			in.raise("SocketError", "%v", err)
		}
		return in.str(h)
	})
	so.sdef("ip_address_list getaddrinfo gethostbyname getifaddrs tcp udp_server_sockets new", 0, -1, func(in *Interp, c *call) Value {
		in.unsupported("Socket." + c.name)
		return nil
	})

	sr := l.module("SecureRandom")
	bytesOf := func(in *Interp, c *call, def int) []byte {
		n := def
		if len(c.args) > 0 && c.args[0] != nil {
			n = in.argInt(c.args[0])
		}
		if n < 0 {
			in.raise("ArgumentError", "negative string size (or size too big)")
		}
		in.alloc(n)
		b := make([]byte, n)
		_, _ = crand.Read(b)
		return b
	}
	sr.sdef("hex", 0, 1, func(in *Interp, c *call) Value { return in.str(hex.EncodeToString(bytesOf(in, c, 16))) })
	sr.sdef("base64", 0, 1, func(in *Interp, c *call) Value {
		return in.str(base64.StdEncoding.EncodeToString(bytesOf(in, c, 16)))
	})
	sr.sdef("urlsafe_base64", 0, 2, func(in *Interp, c *call) Value {
		return in.str(base64.RawURLEncoding.EncodeToString(bytesOf(in, c, 16)))
	})
	sr.sdef("random_bytes bytes", 0, 1, func(in *Interp, c *call) Value {
		s := in.str(string(bytesOf(in, c, 16)))
		s.binary = true
		return s
	})
	sr.sdef("uuid", 0, 0, func(in *Interp, c *call) Value {
		b := make([]byte, 16)
		_, _ = crand.Read(b)
		b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
		return in.str(fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:]))
	})
	sr.sdef("alphanumeric", 0, 1, func(in *Interp, c *call) Value {
		const abc = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
		b := bytesOf(in, c, 16)
		for i := range b {
			var x [2]byte
			_, _ = crand.Read(x[:])
			b[i] = abc[int(binary.LittleEndian.Uint16(x[:]))%len(abc)]
		}
		return in.str(string(b))
	})
	sr.sdef("random_number rand", 0, 1, func(in *Interp, c *call) Value { return in.rand(c.opt(0)) })
	rd := l.class("Random", "Object")
	rd.sdef("rand random_number", 0, 1, func(in *Interp, c *call) Value { return in.rand(c.opt(0)) })
	rd.sdef("new", 0, 1, func(in *Interp, c *call) Value {
		r := &rng{}
		n := in.random().r.Uint64()
		if len(c.args) > 0 {
			n = uint64(in.argInt(c.args[0]))
		}
		r.seed(n)
		return &Object{class: in.classes["Random"], data: r}
	})
	rd.sdef("new_seed seed", 0, 0, func(in *Interp, c *call) Value { return in.random().intn(math.MaxInt) })
	rd.def("rand", 0, 1, func(in *Interp, c *call) Value {
		saved := in.rnd
		in.rnd = c.self.(*Object).data.(*rng)
		defer func() { in.rnd = saved }()
		return in.rand(c.opt(0))
	})

	l.module("Digest")
	for name, mk := range map[string]func() hash.Hash{"MD5": md5.New, "SHA1": sha1.New, "SHA256": sha256.New, "SHA384": sha512.New384, "SHA512": sha512.New} {
		mk := mk
		k := l.class("Digest::"+name, "Object")
		sum := func(s string) []byte { h := mk(); _, _ = h.Write([]byte(s)); return h.Sum(nil) }
		k.sdef("hexdigest digest base64digest", 1, 1, func(in *Interp, c *call) Value {
			s := in.argString(c.args[0])
			in.step(len(s) / 64)
			return in.digest(sum(s), c.name)
		})
		k.sdef("file", 1, 1, func(in *Interp, c *call) Value {
			return &Object{class: c.self.(*Class), ivars: map[string]Value{"@data": NewString(in.readFile(in.pathArg(c.args[0])))}}
		})
		k.sdef("new", 0, 0, func(in *Interp, c *call) Value {
			return &Object{class: c.self.(*Class), ivars: map[string]Value{"@data": NewString("")}}
		})
		k.def("<< update", 1, 1, func(in *Interp, c *call) Value {
			s := in.argString(c.args[0])
			in.alloc(len(s))
			c.self.(*Object).ivars["@data"].(*String).add(s)
			return c.self
		})
		k.def("hexdigest digest base64digest to_s", 0, 0, func(in *Interp, c *call) Value {
			return in.digest(sum(c.self.(*Object).ivars["@data"].(*String).s), c.name)
		})
	}

	b := l.module("Base64")
	b.sdef("encode64", 1, 1, func(in *Interp, c *call) Value { return in.str(base64Encode(in.argString(c.args[0]), true)) })
	b.sdef("strict_encode64", 1, 1, func(in *Interp, c *call) Value { return in.str(base64Encode(in.argString(c.args[0]), false)) })
	b.sdef("urlsafe_encode64", 1, 2, func(in *Interp, c *call) Value {
		kw := c.kwargs()
		s := base64.URLEncoding.EncodeToString([]byte(in.argString(c.args[0])))
		if kw != nil && isFalse(kw, "padding") {
			s = strings.TrimRight(s, "=")
		}
		return in.str(s)
	})
	b.sdef("decode64", 1, 1, func(in *Interp, c *call) Value { return in.base64Decode(in.argString(c.args[0]), false) })
	b.sdef("strict_decode64", 1, 1, func(in *Interp, c *call) Value { return in.base64Decode(in.argString(c.args[0]), true) })
	b.sdef("urlsafe_decode64", 1, 1, func(in *Interp, c *call) Value {
		s := strings.NewReplacer("-", "+", "_", "/").Replace(in.argString(c.args[0]))
		for len(s)%4 != 0 {
			s += "="
		}
		return in.base64Decode(s, true)
	})

	sh := l.module("Shellwords")
	sh.sdef("escape shellescape", 1, 1, func(in *Interp, c *call) Value { return in.str(shellEscape(in.argString(c.args[0]))) })
	sh.sdef("split shellsplit shellwords", 1, 1, func(in *Interp, c *call) Value { return in.shellSplit(in.argString(c.args[0])) })
	sh.sdef("join shelljoin", 1, 1, func(in *Interp, c *call) Value { return in.shellJoin(in.argArray(c.args[0])) })
	lib := func(cls, meth, req string, fn builtinFunc) {
		l.byName[cls].def(meth, 0, -1, func(in *Interp, c *call) Value {
			if !in.required[req] {
				in.raiseName("NoMethodError", meth, c.self, "undefined method `%s' for %s", meth, in.describe(c.self))
			}
			return fn(in, c)
		})
	}
	lib("String", "shellescape", "shellwords", func(in *Interp, c *call) Value { return in.str(shellEscape(c.self.(*String).s)) })
	lib("String", "shellsplit", "shellwords", func(in *Interp, c *call) Value { return in.shellSplit(c.self.(*String).s) })
	lib("Array", "shelljoin", "shellwords", func(in *Interp, c *call) Value { return in.shellJoin(c.self.(*Array)) })

	defURI(l)
}

func (in *Interp) digest(b []byte, how string) Value {
	switch how {
	case "digest":
		s := in.str(string(b))
		s.binary = true
		return s
	case "base64digest":
		return in.str(base64.StdEncoding.EncodeToString(b))
	}
	return in.str(hex.EncodeToString(b))
}

func shellEscape(s string) string {
	if s == "" {
		return "''"
	}
	var b strings.Builder
	for _, r := range s {
		switch {
		case r == '\n':
			b.WriteString("'\n'")
			continue
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', strings.ContainsRune("_-.,:+/@", r):
		default:
			b.WriteByte('\\')
		}
		b.WriteRune(r)
	}
	return b.String()
}

func (in *Interp) shellJoin(a *Array) Value {
	var parts []string
	for _, x := range a.a {
		parts = append(parts, shellEscape(in.toS(x)))
	}
	return in.str(strings.Join(parts, " "))
}

func (in *Interp) shellSplit(s string) Value {
	var out []Value
	var cur strings.Builder
	word := false
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case isSpace(c):
			if word {
				out = append(out, in.str(cur.String()))
				cur.Reset()
				word = false
			}
		case c == '\'':
			j := strings.IndexByte(s[i+1:], '\'')
			if j < 0 {
				in.raise("ArgumentError", "Unmatched quote: %s", s)
			}
			cur.WriteString(s[i+1 : i+1+j])
			i += j + 1
			word = true
		case c == '"':
			word = true
			i++
			for ; i < len(s) && s[i] != '"'; i++ {
				if s[i] == '\\' && i+1 < len(s) && strings.IndexByte("$`\"\\\n", s[i+1]) >= 0 {
					i++
				}
				cur.WriteByte(s[i])
			}
			if i >= len(s) {
				in.raise("ArgumentError", "Unmatched quote: %s", s)
			}
		case c == '\\' && i+1 < len(s):
			i++
			cur.WriteByte(s[i])
			word = true
		default:
			cur.WriteByte(c)
			word = true
		}
	}
	if word {
		out = append(out, in.str(cur.String()))
	}
	return in.arr(out)
}

// uriData is a parsed URI.
type uriData struct{ u *url.URL }

var uriPorts = map[string]int{"http": 80, "https": 443, "ftp": 21, "ldap": 389, "ldaps": 636, "ws": 80, "wss": 443}

func defURI(l *library) {
	m := l.module("URI")
	g := l.class("URI::Generic", "Object")
	for n, p := range map[string]string{"HTTP": "URI::Generic", "HTTPS": "URI::HTTP", "FTP": "URI::Generic", "File": "URI::Generic", "MailTo": "URI::Generic", "LDAP": "URI::Generic"} {
		l.class("URI::"+n, p)
	}
	parse := func(in *Interp, c *call) Value {
		s := in.argString(c.args[len(c.args)-1])
		if strings.ContainsAny(s, " \t\n<>\"{}|\\^`") || !isASCII(s) {
			in.raise("URI::InvalidURIError", "bad URI(is not URI?): %s", in.inspect(NewString(s)))
		}
		u, err := url.Parse(s)
		if err != nil {
			in.raise("URI::InvalidURIError", "bad URI(is not URI?): %s", in.inspect(NewString(s)))
		}
		in.alloc(400)
		cls := map[string]string{"http": "HTTP", "https": "HTTPS", "ftp": "FTP", "file": "File", "mailto": "MailTo", "ldap": "LDAP"}[u.Scheme]
		if cls == "" {
			cls = "Generic"
		}
		return &Object{class: in.classes["URI::"+cls], data: &uriData{u}}
	}
	m.sdef("parse", 1, 1, parse)
	l.byName["Kernel"].priv("URI", 1, 1, parse)
	m.sdef("join", 1, -1, func(in *Interp, c *call) Value {
		base, err := url.Parse(in.argString(c.args[0]))
		for _, a := range c.args[1:] {
			if err == nil {
				base, err = base.Parse(in.argString(a))
			}
		}
		if err != nil {
			in.raise("URI::InvalidURIError", "bad URI")
		}
		cc := *c
		cc.args = []Value{NewString(base.String())}
		return parse(in, &cc)
	})
	m.sdef("encode_www_form_component", 1, 2, func(in *Interp, c *call) Value {
		s := url.QueryEscape(in.toS(c.args[0]))
		return in.str(strings.NewReplacer("~", "%7E", "%2A", "*").Replace(s))
	})
	m.sdef("decode_www_form_component decode_uri_component", 1, 2, func(in *Interp, c *call) Value {
		s, err := url.QueryUnescape(in.argString(c.args[0]))
		if err != nil {
			in.raise("ArgumentError", "invalid %%-encoding (%s)", in.argString(c.args[0]))
		}
		return in.str(s)
	})
	m.sdef("encode_www_form", 1, 2, func(in *Interp, c *call) Value {
		var parts []string
		esc := func(v Value) string {
			return strings.NewReplacer("~", "%7E", "%2A", "*").Replace(url.QueryEscape(in.toS(v)))
		}
		in.each(c.args[0], func(p Value) bool {
			a := in.argArray(p)
			k, v := in.arrAt(a, 0), in.arrAt(a, 1)
			switch x := v.(type) {
			case nil:
				parts = append(parts, esc(k))
			case *Array:
				for _, y := range x.a {
					parts = append(parts, esc(k)+"="+esc(y))
				}
			default:
				parts = append(parts, esc(k)+"="+esc(v))
			}
			return true
		})
		return in.str(strings.Join(parts, "&"))
	})
	m.sdef("regexp extract split escape unescape open decode_www_form", 0, -1, func(in *Interp, c *call) Value {
		in.unsupported("URI." + c.name)
		return nil
	})
	strOrNil := func(in *Interp, s string) Value {
		if s == "" {
			return nil
		}
		return in.str(s)
	}
	get := func(names string, f func(in *Interp, u *url.URL) Value) {
		g.def(names, 0, 0, func(in *Interp, c *call) Value { return f(in, c.self.(*Object).data.(*uriData).u) })
	}
	get("scheme", func(in *Interp, u *url.URL) Value { return strOrNil(in, u.Scheme) })
	get("host", func(in *Interp, u *url.URL) Value {
		h := u.Hostname()
		if strings.Contains(h, ":") {
			h = "[" + h + "]"
		}
		return strOrNil(in, h)
	})
	get("hostname", func(in *Interp, u *url.URL) Value { return strOrNil(in, u.Hostname()) })
	get("port", func(in *Interp, u *url.URL) Value {
		if p, err := strconv.Atoi(u.Port()); err == nil {
			return p
		}
		if p, ok := uriPorts[u.Scheme]; ok {
			return p
		}
		return nil
	})
	get("default_port", func(in *Interp, u *url.URL) Value {
		if p, ok := uriPorts[u.Scheme]; ok {
			return p
		}
		return nil
	})
	get("path", func(in *Interp, u *url.URL) Value {
		if u.Opaque != "" {
			return nil
		}
		return in.str(u.EscapedPath())
	})
	get("opaque", func(in *Interp, u *url.URL) Value { return strOrNil(in, u.Opaque) })
	get("query", func(in *Interp, u *url.URL) Value {
		if u.RawQuery == "" && !u.ForceQuery {
			return nil
		}
		return in.str(u.RawQuery)
	})
	get("fragment", func(in *Interp, u *url.URL) Value { return strOrNil(in, u.EscapedFragment()) })
	get("userinfo", func(in *Interp, u *url.URL) Value {
		if u.User == nil {
			return nil
		}
		return in.str(u.User.String())
	})
	get("user", func(in *Interp, u *url.URL) Value {
		if u.User == nil {
			return nil
		}
		return in.str(u.User.Username())
	})
	get("password", func(in *Interp, u *url.URL) Value {
		if u.User == nil {
			return nil
		}
		p, ok := u.User.Password()
		if !ok {
			return nil
		}
		return in.str(p)
	})
	get("request_uri", func(in *Interp, u *url.URL) Value { return in.str(u.RequestURI()) })
	get("to_s", func(in *Interp, u *url.URL) Value { return in.str(u.String()) })
	get("absolute?", func(in *Interp, u *url.URL) Value { return u.IsAbs() })
	get("relative?", func(in *Interp, u *url.URL) Value { return !u.IsAbs() })
	g.def("inspect", 0, 0, func(in *Interp, c *call) Value {
		return in.str("#<" + c.self.(*Object).class.name + " " + c.self.(*Object).data.(*uriData).u.String() + ">")
	})
	set := func(name string, f func(in *Interp, u *url.URL, v Value)) {
		g.def(name+"=", 1, 1, func(in *Interp, c *call) Value {
			o := c.self.(*Object)
			u := *o.data.(*uriData).u
			f(in, &u, c.args[0])
			o.data = &uriData{&u}
			return c.args[0]
		})
	}
	set("scheme", func(in *Interp, u *url.URL, v Value) { u.Scheme = in.argString(v) })
	set("host", func(in *Interp, u *url.URL, v Value) {
		h := in.argString(v)
		if p := u.Port(); p != "" {
			h += ":" + p
		}
		u.Host = h
	})
	set("port", func(in *Interp, u *url.URL, v Value) {
		h := u.Hostname()
		if v != nil {
			h += ":" + in.toS(v)
		}
		u.Host = h
	})
	set("path", func(in *Interp, u *url.URL, v Value) { u.Path, u.RawPath = in.argString(v), "" })
	set("query", func(in *Interp, u *url.URL, v Value) {
		u.RawQuery = ""
		if v != nil {
			u.RawQuery = in.argString(v)
		}
	})
	set("fragment", func(in *Interp, u *url.URL, v Value) {
		u.Fragment, u.RawFragment = "", ""
		if v != nil {
			u.Fragment = in.argString(v)
		}
	})
	set("user", func(in *Interp, u *url.URL, v Value) { u.User = url.User(in.argString(v)) })
	g.def("==", 1, 1, func(in *Interp, c *call) Value {
		o, ok := c.args[0].(*Object)
		if !ok {
			return false
		}
		d, ok := o.data.(*uriData)
		return ok && d.u.String() == c.self.(*Object).data.(*uriData).u.String()
	})
	g.def("merge + route_to normalize", 0, -1, func(in *Interp, c *call) Value { in.unsupported("URI#" + c.name); return nil })
}
