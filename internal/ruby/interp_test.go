package ruby

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/galleyhq/galley/internal/env"
)

func eval(t *testing.T, cfg Config, src string) (any, error) {
	t.Helper()
	in := New(cfg)
	v, err := in.Eval(context.Background(), src, "t.rb")
	return ToGo(v), err
}

func TestEnvIsACopy(t *testing.T) {
	t.Setenv("GALLEY_TEST_VAR", "process")
	own := env.New(os.Environ())
	if _, err := eval(t, Config{Env: own}, `ENV["GALLEY_TEST_VAR"] = "changed"; ENV.delete("PATH")`); err != nil {
		t.Fatal(err)
	}
	if os.Getenv("GALLEY_TEST_VAR") != "process" || os.Getenv("PATH") == "" || own.Get("GALLEY_TEST_VAR") != "changed" {
		t.Error("the process's environment was touched, or the copy was not")
	}
}

func TestErrors(t *testing.T) {
	tests := []struct {
		src       string
		kind      Kind
		class     string
		line, col int
		text      string
	}{
		{"1 +", SyntaxError, "SyntaxError", 1, 4, "unexpected end-of-input"},
		{"x = [1,\n 2", SyntaxError, "SyntaxError", 2, 3, "expecting ']'"},
		{"foo(", SyntaxError, "SyntaxError", 1, 5, "unexpected"},
		{"\"abc", SyntaxError, "SyntaxError", 1, 1, "unterminated string"},
		{"a\n%w(b", SyntaxError, "SyntaxError", 2, 3, "unterminated"},
		{"nil = 1", SyntaxError, "SyntaxError", 1, 1, "Can't assign to nil"},
		{"break", SyntaxError, "SyntaxError", 1, 1, "Invalid break"},
		{"1 == 2 == 3", SyntaxError, "SyntaxError", 1, 8, "unexpected"},
		{"x = 1\ny = x.foo", Raised, "NoMethodError", 2, 7, "undefined method `foo' for 1:Integer"},
		{"é = 'ü'; foo", Raised, "NameError", 1, 10, "undefined local variable or method `foo' for main:Object"},
		{"ENV['A'] || opscode-ubuntu-12.04", Raised, "NameError", 1, 13, "opscode"},
		{"def f\n  raise ArgumentError, 'bad'\nend\nf", Raised, "ArgumentError", 2, 3, "bad"},
		{"ENV.fetch('NOPE')", Raised, "KeyError", 1, 5, `key not found: "NOPE"`},
		{"require 'kitchen-sync'", Raised, "LoadError", 1, 1, "kitchen-sync"},
		{"File.read('/nonexistent/x')", Raised, "Errno::ENOENT", 1, 6, "No such file"},
		{"`ls`", Refused, "", 1, 1, "command `ls'"},
		{"x = %x(git rev-parse HEAD)", Refused, "", 1, 5, "git rev-parse HEAD"},
		{"require 'open3'\nOpen3.capture2('ls')", Unsupported, "", 2, 1, "Open3"},
		{"`ls` rescue 1", Refused, "", 1, 1, "not allowed"},
		{"require_relative 'x'", Refused, "", 1, 1, "require_relative"},
		{"File.write('x', 'y')", Refused, "", 1, 6, "can't change files"},
		{"exit 1", Refused, "SystemExit", 1, 1, "exit"},
		{"abort 'gone'", Refused, "SystemExit", 1, 1, "gone"},
		{"a = 1\nredo", Unsupported, "NotImplementedError", 2, 1, "redo"},
		{"eval('1', binding)", Unsupported, "NotImplementedError", 1, 11, "binding"},
		{"eval('x +')", Raised, "SyntaxError", 1, 1, "(eval)"},
		{"instance_eval('nope', 'shared.rb', 7)", Raised, "NameError", 7, 1, "nope"},
		{"require 'net/http'\nNet::HTTP.get('x')", Unsupported, "NotImplementedError", 2, 1, "Net"},
		{"Set.new", Unsupported, "NotImplementedError", 1, 1, "Set"},
		{"case 1\nin 1 then 2\nend", Unsupported, "NotImplementedError", 2, 1, "pattern matching"},
		{"'x'.encode('UTF-16')", Unsupported, "NotImplementedError", 1, 5, "encode"},
		{"1.5.to_r rescue 2", Unsupported, "NotImplementedError", 1, 5, "to_r"},
		{"x = 3r", Unsupported, "NotImplementedError", 1, 5, "3r"},
		{"loop {}", LimitExceeded, "", 1, 0, "steps"},
		{"'x' * 10**9", LimitExceeded, "", 1, 5, "MiB"},
		{"throw :x", Unsupported, "NotImplementedError", 1, 1, "throw"},
	}
	for _, tt := range tests {
		_, err := eval(t, Config{Limits: Limits{Steps: 200_000}}, tt.src)
		var e *Error
		if !errors.As(err, &e) {
			t.Errorf("%q: %v", tt.src, err)
			continue
		}
		if e.Kind != tt.kind || e.Line != tt.line || tt.col != 0 && e.Col != tt.col || !strings.Contains(e.Message, tt.text) || tt.class != "" && e.Class != tt.class {
			t.Errorf("%q: %v %s %v, want %v %s %d:%d %q", tt.src, e.Kind, e.Class, e, tt.kind, tt.class, tt.line, tt.col, tt.text)
		}
	}
	_, err := eval(t, Config{}, "`x`")
	var h interface{ Hint() string }
	if !errors.As(err, &h) || !strings.Contains(h.Hint(), "--allow-exec") {
		t.Errorf("hint %v", err)
	}
	if got := err.Error(); !strings.HasPrefix(got, "t.rb:1:1: ") {
		t.Errorf("error text %q", got)
	}
}

// What Ruby has and we lack is never taken for an error of the program, nor can the program rescue it.
func TestLackIsNotRescued(t *testing.T) {
	for _, src := range []string{"begin; 'x'.unpack('q*'); rescue Exception; end", "'x'.respond_to?(:encode!)", "(`ls` rescue 'none')", "begin; loop {}; ensure; $x = 1; end", "defined?(1) && [].pack('q')"} {
		_, err := eval(t, Config{Limits: Limits{Steps: 100_000}}, src)
		var e *Error
		if !errors.As(err, &e) || e.Kind == Raised {
			t.Errorf("%s: %v", src, err)
		}
	}
}

func TestExec(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("the commands are those of a Unix shell")
	}
	dir := t.TempDir()
	if r, err := filepath.EvalSymlinks(dir); err == nil {
		dir = r
	}
	cfg := Config{AllowExec: Always, Dir: dir, Env: env.New([]string{"PATH=/usr/bin:/bin", "V=val"})}
	tests := map[string]any{
		"`echo hi`":                   "hi\n",
		"%x(printf %s $V).upcase":     "VAL",
		"`pwd`.chomp":                 dir,
		"`exit 3`; $?.exitstatus":     int64(3),
		"`true`; $?.success?":         true,
		"ENV['W'] = 'w'; `printf $W`": "w",
		"begin; `no-such-command-x`; rescue Errno::ENOENT; 'none'; end": "none",
	}
	for src, want := range tests {
		if got, err := eval(t, cfg, src); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: got %#v, %v, want %#v", src, got, err, want)
		}
	}
	cfg.Limits.Time = 200 * time.Millisecond
	start := time.Now()
	_, err := eval(t, cfg, "`sleep 30 | cat`")
	var e *Error
	if !errors.As(err, &e) || e.Kind != LimitExceeded || time.Since(start) > 10*time.Second {
		t.Errorf("a command that hangs: %v after %v", err, time.Since(start))
	}
	cfg.Limits = Limits{}
	if _, err := eval(t, cfg, "`yes | head -c 100000000`"); !errors.As(err, &e) || e.Kind != LimitExceeded {
		t.Errorf("a command that says too much: %v", err)
	}
}

func TestFiles(t *testing.T) {
	dir := t.TempDir()
	if r, err := filepath.EvalSymlinks(dir); err == nil {
		dir = r
	}
	for name, text := range map[string]string{"a.txt": "l1\nl2\n", "c.yml": "k: [1, yes]\n", "d.json": `{"a": 1}`, "sub/b.rb": "x", "sub/.hid": "h"} {
		p := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(p, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	tests := map[string]any{
		"File.read('a.txt')":                             "l1\nl2\n",
		"File.readlines('a.txt').map(&:chomp).join(',')": "l1,l2",
		"IO.readlines('a.txt', chomp: true).last":        "l2",
		"File.foreach('a.txt').to_a.size":                int64(2),
		"File.open('a.txt') { |f| f.read }":              "l1\nl2\n",
		"File.open('a.txt', &:readlines).size":           int64(2),
		"File.exist?('a.txt') && !File.exist?('zz')":     true,
		"YAML.load_file('c.yml')['k'].inspect":           "[1, true]",
		"JSON.parse(File.read('d.json'))['a']":           int64(1),
		"Dir.pwd":                                        filepath.ToSlash(dir),
		"Dir.glob('*').join(' ')":                        "a.txt c.yml d.json sub",
		"Dir.glob('**/*.{rb,txt}').join(' ')":            "sub/b.rb a.txt",
		"Dir['sub/*'].join":                              "sub/b.rb",
		"Dir.children('sub').sort.join(' ')":             ".hid b.rb",
		"File.expand_path('x')":                          filepath.ToSlash(dir) + "/x",
		"File.expand_path('~/x')":                        "/home/me/x",
		"File.directory?('sub')":                         true,
		"__dir__":                                        filepath.ToSlash(dir),
		"Dir.home":                                       "/home/me",
	}
	for src, want := range tests {
		if got, err := eval(t, Config{Dir: dir, Env: env.New([]string{"HOME=/home/me"})}, src); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: got %#v, %v, want %#v", src, got, err, want)
		}
	}
}

func TestRequireHook(t *testing.T) {
	cfg := Config{Require: func(name string) bool { return strings.HasPrefix(name, "kitchen-") }}
	if v, err := eval(t, cfg, "require 'kitchen-sync'"); err != nil || v != true {
		t.Errorf("got %v, %v", v, err)
	}
	if _, err := eval(t, cfg, "require 'other'"); err == nil {
		t.Error("a gem was required")
	}
	if v, err := eval(t, Config{}, "begin; require 'other'; rescue LoadError => e; e.message; end"); err != nil || v != "cannot load such file -- other" {
		t.Errorf("got %v, %v", v, err)
	}
	if v, err := eval(t, Config{}, "[require('json'), require('json')].inspect"); err != nil || v != "[true, false]" {
		t.Errorf("got %v, %v", v, err)
	}
}

func TestGoData(t *testing.T) {
	v, err := eval(t, Config{}, `{b: [1, 2.5, nil, true], "a" => :s, 3 => {"x" => "y"}, nil => String}`)
	if err != nil {
		t.Fatal(err)
	}
	m := v.(Map)
	if len(m) != 4 || m[0].Key != Symbol("b") || !reflect.DeepEqual(m[0].Value, []any{int64(1), 2.5, nil, true}) || m[1].Key != "a" || m[1].Value != Symbol("s") ||
		m[2].Key != int64(3) || !reflect.DeepEqual(m[2].Value, Map{{"x", "y"}}) || m[3].Value != "String" {
		t.Errorf("got %#v", m)
	}
	in := New(Config{})
	back := FromGo(map[string]any{"b": []any{int64(1), "x"}, "a": Map{{Symbol("k"), nil}}, "c": []string{"y"}})
	if got := in.Inspect(back); got != `{"a"=>{:k=>nil}, "b"=>[1, "x"], "c"=>["y"]}` {
		t.Errorf("got %s", got)
	}
	// what refers to itself ends somewhere
	if v, err := eval(t, Config{}, "a = []; a << a; a"); err != nil || v == nil {
		t.Errorf("got %v, %v", v, err)
	}
}

func TestOutput(t *testing.T) {
	var b strings.Builder
	if _, err := eval(t, Config{Stdout: &b}, `puts "a", [1, [nil]]; print "b"; p :c; pp({d: 1}); $stdout.puts "e"; warn "f"`); err != nil {
		t.Fatal(err)
	}
	if got := b.String(); got != "a\n1\n\nb:c\n{:d=>1}\ne\nf\n" {
		t.Errorf("got %q", got)
	}
}

func TestClock(t *testing.T) {
	cfg := Config{Now: func() time.Time { return time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC) }, Env: env.New([]string{"TZ=UTC"})}
	if v, err := eval(t, cfg, `[Time.now.strftime("%F %T"), Time.now.to_i].inspect`); err != nil || v != `["2026-01-02 03:04:05", 1767323045]` {
		t.Errorf("got %v, %v", v, err)
	}
}

func TestCallProc(t *testing.T) {
	in := New(Config{})
	v, err := in.Eval(context.Background(), "n = 1; ->(x) { n += x }", "t.rb")
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []int{3, 5} {
		got, err := in.CallProc(context.Background(), v.(*Proc), 2)
		if err != nil || got != want {
			t.Errorf("call %d: %v, %v", i, got, err)
		}
	}
	if _, err := in.CallProc(context.Background(), v.(*Proc)); err == nil {
		t.Error("a lambda took too few arguments")
	}
}

func TestProgramRunsAgain(t *testing.T) {
	p, err := Parse("x ||= 0; x += 1; $n = ($n || 0) + x; $n", Options{File: "p.rb", Line: 10})
	if err != nil {
		t.Fatal(err)
	}
	in := New(Config{})
	for want := 1; want <= 3; want++ {
		if v, err := in.Run(context.Background(), p); err != nil || v != want {
			t.Errorf("got %v, %v, want %d", v, err, want)
		}
	}
	p, err = Parse("\nfoo", Options{File: "p.rb", Line: 10})
	if err != nil {
		t.Fatal(err)
	}
	var e *Error
	if _, err := in.Run(context.Background(), p); !errors.As(err, &e) || e.Line != 11 {
		t.Errorf("got %v", err)
	}
}

func TestCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := New(Config{}).Eval(ctx, "1", "t.rb"); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

func ExampleInterp_Eval() {
	in := New(Config{Env: env.New([]string{"OS_AUTH_URL=http://cloud"}), Stdout: os.Stdout})
	_, _ = in.Eval(context.Background(), `puts "#{ENV['OS_AUTH_URL']}/tokens"`, "knife.rb")
	// Output: http://cloud/tokens
}
