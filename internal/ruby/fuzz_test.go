package ruby

import (
	"context"
	"errors"
	"runtime"
	"runtime/metrics"
	"strings"
	"testing"
	"time"

	"github.com/galleyhq/galley/internal/env"
)

// seeds gives every target the programs of testdata.
func seeds(f *testing.F) {
	for _, file := range []string{"testdata/lines.txt", "testdata/programs.txt"} {
		for _, p := range programs(f, file) {
			if strings.HasSuffix(file, "lines.txt") {
				for _, ln := range strings.Split(p, "\n") {
					f.Add(ln)
				}
				continue
			}
			f.Add(p)
		}
	}
}

// FuzzLexer: any text comes apart into tokens that lie within it, in order, or is refused.
func FuzzLexer(f *testing.F) {
	seeds(f)
	f.Fuzz(func(t *testing.T, src string) {
		if len(src) > 1<<16 {
			return
		}
		p := &parser{src: src, prog: &Program{src: src}, sc: &scope{fn: &funcNode{}}}
		defer func() {
			if r := recover(); r != nil {
				if _, ok := r.(syntaxErr); !ok {
					panic(r)
				}
			}
		}()
		last := 0
		for {
			p.advance()
			if p.tok.kind == tEOF {
				return
			}
			if p.tok.pos < last || p.tok.end < p.tok.pos || p.tok.end > len(src) {
				t.Fatalf("token %q at %d..%d after %d", p.tok.s, p.tok.pos, p.tok.end, last)
			}
			last = p.tok.pos
		}
	})
}

// FuzzParse: any text is parsed or refused with a position inside it.
func FuzzParse(f *testing.F) {
	seeds(f)
	f.Fuzz(func(t *testing.T, src string) {
		_, err := Parse(src, Options{File: "f.rb"})
		var e *Error
		if err == nil {
			return
		}
		if !errors.As(err, &e) {
			t.Fatalf("%T: %v", err, err)
		}
		if e.Kind == Internal {
			t.Fatal(err)
		}
		if e.Kind == SyntaxError && (e.Line < 1 || e.Line > strings.Count(src, "\n")+1 || e.Col < 1) {
			t.Fatalf("position %d:%d of %v", e.Line, e.Col, err)
		}
	})
}

// FuzzEval: any program ends in time, within its memory, with a value or an error of ours.
func FuzzEval(f *testing.F) {
	seeds(f)
	f.Fuzz(func(t *testing.T, src string) {
		checkBounded(t, src)
	})
}

func checkBounded(t *testing.T, src string) {
	t.Helper()
	in := New(Config{
		Env:    env.New([]string{"HOME=/home/tester", "PATH=/bin", "X=x"}),
		Dir:    "/nonexistent",
		Limits: Limits{Steps: 200_000, Time: 2 * time.Second},
	})
	start := time.Now()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	v, err := in.Eval(context.Background(), src, "f.rb")
	if err == nil {
		_ = ToGo(v)
		_ = in.Inspect(v)
	}
	runtime.ReadMemStats(&after)
	if d := time.Since(start); d > time.Minute {
		t.Fatalf("took %v", d)
	}
	if after.HeapSys > before.HeapSys && after.HeapInuse > 64<<20 && after.HeapInuse-before.HeapInuse > 64<<20 &&
		after.TotalAlloc-before.TotalAlloc > 64<<20 { // else it is what others have left to the collector
		t.Fatalf("%d MiB of heap", after.HeapInuse>>20)
	}
	var e *Error
	if err != nil && !errors.As(err, &e) {
		t.Fatalf("%T: %v", err, err)
	}
	if e != nil && e.Kind == Internal {
		t.Fatal(err)
	}
}

// TestHostile runs programs that would fill the memory, the stack or the day;
// the function is long for the table of them.
func TestHostile(t *testing.T) {
	for _, src := range []string{
		`loop {}`,
		`while true; end`,
		`"a" * 10**10`,
		`"a" * 2**62`,
		`x = "a"; loop { x += x }`,
		`x = "a"; loop { x << x }`,
		`a = [1]; loop { a.concat(a) }`,
		`Array.new(10**12)`,
		`Array.new(10**7) { |i| "x" * 1000 }`,
		`(1..10**12).to_a`,
		`("a".."zzzzzzzzzz").to_a`,
		`def f(n) = f(n + 1); f(0)`,
		`def f(n) = 1 + f(n); begin; f(0); rescue SystemStackError; f(0); end`,
		`f = ->(x) { f.(x) }; f.(1)`,
		`a = []; a << a; a.flatten`,
		`a = []; 1000.times { a = [a] }; a.inspect`,
		`a = []; 100000.times { a = [a] }; a.inspect`,
		`a = []; 100000.times { a = [a] }; a == a.dup`,
		`a = []; 100000.times { a = [a] }; {a => 1}`,
		`a = []; 100000.times { a = [a] }; a.hash`,
		`a = []; 100000.times { a = [a] }; a.to_json rescue 1; require "json"; a.to_json`,
		`a = []; 100000.times { a = [a] }; a`,
		`h = {}; loop { h[h.size] = 1 }`,
		`2 ** 10**9`,
		`x = 3; loop { x = x * x }`,
		`x = 2 ** 4000000; x.to_s`,
		`1 << 10**10`,
		`"x".ljust(10**10)`,
		`"%1000000000d" % 1`,
		`"%.1000000000f" % 1`,
		`"a" * 100000 =~ /(a*)*b/`,
		`("a" * 30) =~ /^(a+)+$/; ("a" * 30 + "b") =~ /^(a+)+$/`,
		`("a" * 1000000) =~ /(.*)(.*)(.*)(.*)x/`,
		`("a" * 100000).gsub(/a*?b|a/, "xx")`,
		`("a" * 1000000).gsub("a", "a" * 1000)`,
		`("a" * 1000000).scan(/(a)/)`,
		`("a" * 100000).split("")`,
		`"a".gsub(/a/) { "a" * 10**8 }`,
		`[1, 2, 3].cycle.to_a`,
		`(1..Float::INFINITY).map { |x| x }`,
		`(1..).each { }`,
		`1.step { }`,
		`[*1..40].permutation.to_a`,
		`[*1..40].combination(20).to_a`,
		`[[*1..100]] .then { |a| (a * 10).inject { |x, y| x.product(y).map(&:flatten) } }`,
		`[*1..1000].product([*1..1000], [*1..1000])`,
		`Hash.new { |h, k| h[k + 1] }[0]`,
		`def method_missing(*) = foo; foo`,
		`class C; def to_s = "#{self}"; end; C.new.to_s`,
		`class C; def inspect = "#{[self].inspect}"; end; C.new.inspect`,
		`class C; def ==(o) = o == self; end; C.new == C.new`,
		`class C; def <=>(o) = o <=> self; include Comparable; end; C.new < C.new`,
		`class C; def each; loop { yield 1 }; end; include Enumerable; end; C.new.to_a`,
		`begin; loop {}; rescue Exception; loop {}; ensure; loop {}; end`,
		`begin; raise "x"; rescue; retry; end`,
		`10000.times { |i| Object.const_set("A#{i}", "x" * 1000) rescue 1 }; loop { }`,
		`loop { eval("1") }`,
		`sleep`,
		`sleep 100`,
		`x = "x" * 1000; loop { x.to_sym }`,
		`i = 0; loop { i += 1; eval("$g#{i} = 1") }`,
		`s = "a" * 1000000; loop { s.upcase }`,
		`s = "a" * 1000000; loop { s.succ }`,
		`s = "9" * 1000000; s.to_i`,
		`s = "9" * 100000; Integer(s)`,
		`loop { Class.new { define_method(:x) { } } }`,
		`("a".."z").each_cons(10**9).to_a`,
		`[1].pack("U*") * 10**9`,
		`"a".center(10**9, "b")`,
		`"#{"#{"x" * 1000}" * 1000}" * 1000`,
		`Struct.new(*(1..10**7).map { |i| :"a#{i}" })`,
		`r = "a"; 20.times { r = "(#{r})*" }; Regexp.new(r) =~ "aaaaaaaaaaaaaaaaaaaaaaaaaaaab"`,
		`Regexp.new("(" * 10000)`,
		`Regexp.new("a{1000}" * 1000)`,
		`Regexp.new("((((a{100}){100}){100}){100})")`,
		`Dir.glob("/**/*").size`,
		`File.read("/dev/zero")`,
		`File.read("/proc/kmsg")`,
		`File.read("/dev/stdin")`,
		`e = Enumerator.new { |y| loop { y << 1 } }; e.to_a`,
		`e = Enumerator.new { |y| loop { y << 1 } }; e.map { |x| x }`,
		`catch(:a) { loop { catch(:a) { throw :a } } }`,
		`a = [3, 1, 2] * 100000; a.sort { rand <=> 0.5 }; loop { a.sort }`,
		`loop { [1, 2, 3].shuffle }`,
		`loop { rand }`,
		`loop { Time.now.strftime("%1000N") }`,
		`{a: 1}.to_yaml rescue 1; require "yaml"; a = []; 5000.times { a = [a] }; a.to_yaml`,
		`require "yaml"; YAML.load("a: &a [1,1]\nb: &b [*a,*a]\nc: &c [*b,*b]\nd: &d [*c,*c]\ne: &e [*d,*d]", aliases: true).to_s`,
		`require "json"; JSON.parse("[" * 100000)`,
		`x = []; x << x; require "json"; x.to_json`,
		strings.Repeat("(", 100000),
		strings.Repeat("[", 100000),
		strings.Repeat("-", 100000) + "1",
		strings.Repeat("!", 100000) + "1",
		strings.Repeat("a ", 100000),
		strings.Repeat("a{", 100000),
		strings.Repeat("if a\n", 100000),
		strings.Repeat("x = ", 100000) + "1",
		strings.Repeat("1 + ", 100000) + "1",
		strings.Repeat("1 ** ", 100000) + "1",
		strings.Repeat("a ? b : ", 100000) + "1",
		strings.Repeat(`"#{`, 100000),
		strings.Repeat("a.b", 100000),
		strings.Repeat("a(", 100000),
		strings.Repeat("(a[", 500) + "1",
		strings.Repeat("->{", 100000),
		strings.Repeat("not ", 100000) + "1",
		strings.Repeat("def a;", 100000),
		strings.Repeat("<<A,", 10000) + "\n" + strings.Repeat("A\n", 10000),
		strings.Repeat("x;", 500000),
		"[" + strings.Repeat("1,", 400000) + "1]",
		"%w(" + strings.Repeat("a ", 400000) + ")",
		"/" + strings.Repeat("(", 50000) + "/",
		"/" + strings.Repeat("a*", 50000) + "b/ =~ 'a' * 100",
		"x = " + strings.Repeat("1,", 100000) + "1",
		strings.Repeat("begin;", 100000),
		strings.Repeat("case 1 when ", 100000),
	} {
		name := src
		if len(name) > 60 {
			name = name[:60] + "…"
		}
		t.Run(name, func(t *testing.T) {
			start := time.Now()
			heap, stack := peakOf(func() { checkBounded(t, src) })
			if heap > 64<<20 || stack > 32<<20 {
				t.Errorf("used %d MiB of heap and %d MiB of stack", heap>>20, stack>>20)
			}
			// A program that hangs, not a machine that is busy.
			if d := time.Since(start); d > time.Minute {
				t.Errorf("took %v", d)
			}
		})
	}
}

// peakOf measures by how much the heap and the stacks grow while fn runs.
func peakOf(fn func()) (heap, stack uint64) {
	runtime.GC()
	s := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}, {Name: "/memory/classes/heap/stacks:bytes"}}
	metrics.Read(s)
	heap0, stack0 := s[0].Value.Uint64(), s[1].Value.Uint64()
	stop, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		tick := time.NewTicker(time.Millisecond)
		defer tick.Stop()
		for {
			metrics.Read(s)
			heap = max(heap, s[0].Value.Uint64()-min(heap0, s[0].Value.Uint64()))
			stack = max(stack, s[1].Value.Uint64()-min(stack0, s[1].Value.Uint64()))
			select {
			case <-stop:
				return
			case <-tick.C:
			}
		}
	}()
	fn()
	close(stop)
	<-done
	return heap, stack
}
