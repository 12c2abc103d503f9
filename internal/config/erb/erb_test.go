package erb

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/galleyhq/galley/internal/env"
	"github.com/galleyhq/galley/internal/ruby"
)

var renderTests = []struct{ name, src, want string }{
	{"plain", "a: b\n", "a: b\n"},
	{"empty", "", ""},
	{"value", "a: <%= ENV['X'] %>\n", "a: x\n"},
	{"unset is empty", "a: <%= ENV['NOPE'] %>/t\n", "a: /t\n"},
	{"nil, false and numbers", "<%= nil %>|<%= false %>|<%= 3 %>|<%= 1.50 %>|<%= :s %>|<%= [1, nil] %>|<%= {a: 1} %>", "|false|3|1.5|s|[1, nil]|{:a=>1}"},
	{"unclosed tag", "a <%= 1", "a  1"},
	{"unclosed code", "a <% x = 1", "a  x = 1"},
	{"block", "<% if ENV['X'] %>\ny\n<% end %>z\n", "\ny\nz\n"},
	{"else", "<% if ENV['NOPE'] %>y<% elsif ENV['X'] == 'q' %>z<% else %>n<% end %>", "n"},
	{"loop", "<% %w(a b).each do |n| %>- <%= n %>\n<% end %>", "- a\n- b\n"},
	{"braces", "<% %w(a b).each { |n| %>-<%= n %><% } %>", "-a-b"},
	{"escapes", "<%%= a %%> <%= 'a %%> b' %>\n<%# c \n d %>q\n<%= 2 # c\n %>", "<%= a %%> a %> b\nq\n2"},
	{"unary minus", "<%- x = 1 %>ok", "ok"},
	{"text that looks like Ruby", "\"#a #{b}\" \\n #$x #@y '\n", "\"#a #{b}\" \\n #$x #@y '\n"},
	{"carriage returns", "a\r\n<%= 1 %>\r\n", "a\r\n1\r\n"},
	{"several lines", "<%\nx = 1\ny = 2\n%>\n<%= x + y %>\n", "\n3\n"},
	{"case in one tag", "<% case ENV['X'] when 'x' %>hit<% else %>miss<% end %>", "hit"},
	{"comment tag runs nothing", "a<%# raise 'x' %>b", "ab"},
	{"comment at the end of code", "<% x = 1 # one\n%><%= x %>", "1"},
	{"interpolated", "<%= \"#x #{ENV['X']}\" %>", "#x x"},
	{"statements in a value", "<%= x = 1; x + 1 %>", "2"},
	{"value of a block in parentheses", "<%= [1, 2].map { |x| x * 2 }.join(',') %>", "2,4"},
	{"methods", "<% def f(x) %><% x * 2 end %><%= f(2) rescue $!.class %>", "4"},
	{"file and line", "\n<%= __FILE__ %>:<%= __LINE__ %>", "\nkitchen.yml:2"},
	{"nothing printed", "- <% ENV['X'] %>\n", "- \n"},
	{"unicode", "é<%= 'ü' %>日\n", "é" + "ü" + "日\n"},
	{"a percent line is text", "% x = 1\n%% y\n", "% x = 1\n%% y\n"},
	{"newline after code stays", "<% x = 1 %>\n<% y = 2 -%>\n", "?"},
	{"here-document", "<%= <<~T\n  a\n  b\nT\n%>", "a\nb\n"},
	{"multi-line list", "<% %w(\n a\n b\n).each do |x| %><%= x %>,<% end %>", "a,b,"},
	{"block given to a value", "<%= [1].each do |y| %>a<% end %>", "?"},
	{"case and when in separate tags", "<% case 1 %>\n<% when 1 %>a<% end %>", "?"},
	{"a string with the end of a tag", "<%= '%>' %>", "?"},
	{"missing end", "<% if true %>a", "?"},
	{"extra end", "a<% end %>", "?"},
	{"call with a blank", "<%= ENV ['X'] %>", "!"},
	{"unquoted default, set", "<%= ENV['X'] || opscode-ubuntu-12.04 %>", "x"},
	{"unquoted default, unset", "<%= ENV['NOPE'] || opscode-ubuntu-12.04 %>", "!"},
	{"raises", "<% raise 'no' %>", "!"},
	{"nil has no split", "<%= ENV['NOPE'].split(',') %>", "!"},
}

func newInterp() *ruby.Interp {
	return ruby.New(ruby.Config{Env: env.New([]string{"X=x", "PATH=/usr/bin:/bin", "HOME=/home/tester"})})
}

func TestRender(t *testing.T) {
	for _, tt := range renderTests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := Render(context.Background(), tt.src, "kitchen.yml", newInterp())
			var e *ruby.Error
			switch {
			case tt.want == "?":
				if !errors.As(err, &e) || e.Kind != ruby.SyntaxError {
					t.Errorf("got %q, %v, want a syntax error", got.Text, err)
				}
			case tt.want == "!":
				if !errors.As(err, &e) || e.Kind != ruby.Raised {
					t.Errorf("got %q, %v, want an exception", got.Text, err)
				}
			case err != nil:
				t.Error(err)
			case got.Text != tt.want:
				t.Errorf("got %q, want %q", got.Text, tt.want)
			case len(got.Lines) != strings.Count(got.Text, "\n")+1:
				t.Errorf("%d lines for %q", len(got.Lines), got.Text)
			}
		})
	}
}

// TestLikeRuby renders the same templates with the real ERB.
func TestLikeRuby(t *testing.T) {
	bin, err := exec.LookPath("ruby")
	if err != nil {
		t.Skip("no ruby on the PATH to compare with")
	}
	if v, err := exec.Command(bin, "-e", "print RUBY_VERSION").Output(); err != nil || !strings.HasPrefix(string(v), "3.1.") {
		t.Skipf("the ruby on the PATH is %s; the semantics compared are those of 3.1", v)
	}
	var srcs []string
	for _, tt := range renderTests {
		srcs = append(srcs, tt.src)
	}
	srcs = append(srcs, generated(400)...)
	in, err := json.Marshal(srcs)
	if err != nil {
		t.Fatal(err)
	}
	const script = `
require "erb"; require "json"
$VERBOSE = nil
$stdout.write JSON.generate(JSON.parse($stdin.read).map { |s|
  begin
    t = ERB.new(s); t.filename = "kitchen.yml"
    "=" + t.result(TOPLEVEL_BINDING.dup)
  rescue SyntaxError; "?"
  rescue StandardError; "!"
  end
})`
	cmd := exec.Command(bin, "-W0", "-e", script)
	cmd.Env = []string{"X=x", "PATH=/usr/bin:/bin", "HOME=/home/tester", "LANG=C.UTF-8"}
	cmd.Stdin = bytes.NewReader(in)
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	var want []string
	if err := json.Unmarshal(out, &want); err != nil {
		t.Fatal(err)
	}
	for i, src := range srcs {
		res, err := Render(context.Background(), src, "kitchen.yml", newInterp())
		got := "=" + res.Text
		var e *ruby.Error
		if errors.As(err, &e) {
			got = "!"
			if e.Kind == ruby.SyntaxError {
				got = "?"
			}
		}
		if got != want[i] {
			t.Errorf("%q\n got %q (%v)\nwant %q", src, got, err, want[i])
		}
	}
}

// generated makes templates by gluing pieces, in a fixed order of chance.
func generated(n int) []string {
	pieces := []string{"a", " ", "\n", "<%", "%>", "<%=", "<%#", "<%%", "%%>", "<%= ENV['X'] %>", "<% if true %>", "<% end %>", "<% else %>", "x: ", "\"", "#{1}", "\\", "%", "<", ">", "'", "<%= 1 %>\n", "<% 2.times do |i| %>", "<%= i %>", " 1 ", "-%>", "<%-", "\r\n", "é", "<% i = 5 %>"}
	seed := uint32(7)
	var out []string
	for len(out) < n {
		var b strings.Builder
		for k := 0; k < 12; k++ {
			seed = seed*1664525 + 1013904223
			b.WriteString(pieces[int(seed>>16)%len(pieces)])
		}
		out = append(out, b.String())
	}
	return out
}

// TestBufferOnlyGrows: the text that ERB collects can be appended to, and
// neither read nor replaced.
func TestBufferOnlyGrows(t *testing.T) {
	if res, err := Render(t.Context(), "a<% _erbout << 'b' %>c", "k", newInterp()); err != nil || res.Text != "abc" {
		t.Errorf("got %q, %v", res.Text, err)
	}
	for _, src := range []string{"a<%= _erbout.length %>", "a<% _erbout = +'z' %>c"} {
		if res, err := Render(t.Context(), src, "k", newInterp()); err == nil || !strings.Contains(err.Error(), "_erbout") {
			t.Errorf("%s: got %q, %v", src, res.Text, err)
		}
	}
}

func TestLines(t *testing.T) {
	src := "a: 1\n" + // 1
		"<% list = %w(p q) %>\n" + // 2
		"<% list.each do |n| %>\n" + // 3
		"- name: <%= n %>-<%= ENV['X'] %>\n" + // 4
		"<% end %>\n" + // 5
		"b: <%= \"m\\nn: #{ENV['NOPE']}\" %> tail\n" + // 6
		"<%\n  y = ENV['Y']\n  if y %>\n" + // 7-9
		"yes\n" + // 10
		"<% else %>no\n" + // 11
		"<% end %>" + // 12
		"end: <%= y %><%= ENV.fetch('X') { 1 } %>\n" // 12
	res, err := Render(context.Background(), src, "k", newInterp())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := exec.LookPath("ruby"); err == nil {
		vars := env.New(append(os.Environ(), "X=x"))
		vars.Unset("NOPE")
		vars.Unset("Y")
		s, err := StartSystem(t.Context(), vars, ".")
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		if other, err := s.Render(src, "k"); err != nil || !reflect.DeepEqual(other, res) {
			t.Errorf("the ruby on the PATH: %v\n got %+v\nwant %+v", err, other, res)
		}
		if _, err := s.Render("a\n<% raise 'x' %>\n", "k"); err == nil || err.Error() != "k:2: x (RuntimeError)" {
			t.Errorf("an exception: %v", err)
		}
	}
	type line struct {
		text string
		n    int
		code bool
		env  string
	}
	var got []line
	for i, s := range strings.Split(res.Text, "\n") {
		got = append(got, line{s, res.Lines[i].Template, res.Lines[i].Code, strings.Join(res.Lines[i].Env, ",")})
	}
	want := []line{
		{"a: 1", 1, false, ""},
		{"", 2, true, ""},
		{"", 3, true, ""},
		{"- name: p-x", 4, true, "X"},
		{"", 3, true, ""},
		{"- name: q-x", 4, true, "X"},
		{"", 5, true, ""},
		{"b: m", 6, true, "NOPE"},
		{"n:  tail", 6, true, "NOPE"},
		{"no", 11, true, ""},
		{"end: x", 12, true, "X"},
		{"", 13, false, ""},
	}
	if len(got) != len(want) {
		t.Fatalf("%d lines, want %d: %q", len(got), len(want), res.Text)
	}
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("line %d: got %+v, want %+v", i+1, got[i], want[i])
		}
	}
}

func TestPositions(t *testing.T) {
	tests := []struct {
		src       string
		line, col int
		text      string
	}{
		{"a\n  <%= foo %>\n", 2, 7, "undefined local variable or method `foo'"},
		{"é: <%= 1 + nil %>", 1, 10, "nil can't be coerced into Integer"},
		{"a\n<%\n\n  raise 'x'\n%>", 4, 3, "x"},
		{"a\n\n<%= 1 + %>\n", 3, 9, "syntax error"},
		{"<% if true %>\n\na\n", 4, 1, "unexpected end-of-input, expecting `end'"},
		{"x\n<% case 1 %>\n<% when 1 %>\n", 2, 13, "syntax error"},
		{"a\n  <% `ls` %>", 2, 6, "command"},
		{"a\n<%= [1].zork { |x|\n x } %>", 2, 9, "undefined method `zork'"},
		{"\n<%= ENV['A'] -%>\n", 2, 15, "the tag ends within an expression"},
		{"<% def f\n 1/0\nend %>\n\n<%= f %>", 2, 3, "divided by 0"},
	}
	for _, tt := range tests {
		_, err := Render(context.Background(), tt.src, "dir/kitchen.yml", newInterp())
		var e *ruby.Error
		if !errors.As(err, &e) {
			t.Errorf("%q: %v", tt.src, err)
			continue
		}
		if e.Line != tt.line || e.Col != tt.col || e.File != "dir/kitchen.yml" || !strings.Contains(e.Message, tt.text) {
			t.Errorf("%q: %v, want %d:%d %s", tt.src, e, tt.line, tt.col, tt.text)
		}
	}
}

// TestCarryOver: files share the environment, globals, constants and methods, but no local variables.
func TestCarryOver(t *testing.T) {
	in := newInterp()
	ctx := context.Background()
	if _, err := Render(ctx, "<% ENV['A'] ||= 'a'; $g = 'g'; C = 'c'; l = 1; def m; 'm'; end; class K; def k; 'k'; end; end %>", "global", in); err != nil {
		t.Fatal(err)
	}
	res, err := Render(ctx, "<%= ENV['A'] %><%= $g %><%= C %><%= m %><%= K.new.k %><%= defined?(l).inspect %>", "project", in)
	if err != nil || res.Text != "agcmknil" {
		t.Errorf("got %q, %v", res.Text, err)
	}
	if _, err := Render(ctx, "<%= l %>", "project", in); err == nil {
		t.Error("a local variable was carried over")
	}
	if in.Env().Get("A") != "a" {
		t.Error("the environment was not written")
	}
	// an error in between does no harm
	_, _ = Render(ctx, "<% $h = 1; raise 'x' %>", "x", in)
	if res, err := Render(ctx, "<%= $h %>", "x", in); err != nil || res.Text != "1" {
		t.Errorf("got %q, %v", res.Text, err)
	}
}

func TestBounds(t *testing.T) {
	in := ruby.New(ruby.Config{Limits: ruby.Limits{Steps: 100_000}})
	for _, src := range []string{"<% loop {} %>", "<% loop do %>aaaaaaaaaa<% end %>", "<%= 'a' * 10**9 %>", strings.Repeat("<%= 1 %>", 60_000), strings.Repeat("<% if 1 %>", 10_000)} {
		_, err := Render(context.Background(), src, "k", in)
		var e *ruby.Error
		if !errors.As(err, &e) {
			t.Errorf("%.30q: %v", src, err)
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
	defer cancel()
	_, err := Render(ctx, "<% loop {} %>", "k", ruby.New(ruby.Config{Limits: ruby.Limits{Steps: 1 << 40}}))
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
}

func FuzzERB(f *testing.F) {
	for _, tt := range renderTests {
		f.Add(tt.src)
	}
	for _, s := range generated(50) {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, src string) {
		in := ruby.New(ruby.Config{Env: env.New([]string{"X=x"}), Dir: "/nonexistent", Limits: ruby.Limits{Steps: 100_000, Time: 2 * time.Second}})
		res, err := Render(context.Background(), src, "k", in)
		if err != nil {
			var e *ruby.Error
			if !errors.As(err, &e) {
				t.Fatalf("%T: %v", err, err)
			}
			if e.Kind == ruby.Internal {
				t.Fatal(err)
			}
			if e.Kind == ruby.SyntaxError && (e.Line < 1 || e.Line > strings.Count(src, "\n")+1) {
				t.Fatalf("line %d of %v", e.Line, err)
			}
			return
		}
		if !strings.Contains(src, "<%") && res.Text != src {
			t.Fatalf("text without tags changed: %q", res.Text)
		}
		if len(res.Lines) != strings.Count(res.Text, "\n")+1 {
			t.Fatalf("%d lines for %q", len(res.Lines), res.Text)
		}
		for _, l := range res.Lines {
			if l.Template < 1 || l.Template > strings.Count(src, "\n")+1 {
				t.Fatalf("template line %d of %q", l.Template, src)
			}
		}
	})
}

// tenByTen is a kitchen file of ten suites and ten platforms that are written by loops.
func tenByTen() string {
	var b strings.Builder
	b.WriteString("<% ENV['CHEF'] ||= '18' %>\ndriver:\n  name: openstack\n  openstack_auth_url: <%= \"#{ENV['OS_AUTH_URL']}/tokens\" %>\n  key_name: <%= ENV['KEY'] || 'default' %>\nplatforms:\n")
	for i := 0; i < 10; i++ {
		fmt.Fprintf(&b, "- name: platform-%d\n  driver:\n    image_ref: <%%= ENV['IMAGE_%d'] || 'image-%d' %%>\n    flavor_ref: <%%= ENV.fetch('FLAVOR', 'm1.small') %%>\n", i, i, i)
	}
	b.WriteString("suites:\n<% (1..10).each do |n| %>\n- name: suite-<%= n %>\n  run_list: [\"recipe[a::r<%= n %>]\"]\n  attributes:\n    v: <%= ENV['CHEF'].to_i + n %>\n    s: <%= %w(a b c).map { |x| \"#{x}-#{n}\" }.join(' ') %>\n<% end %>\n")
	return b.String()
}

func BenchmarkRender(b *testing.B) {
	src := tenByTen()
	env := env.New([]string{"OS_AUTH_URL=http://cloud", "HOME=/home/tester"})
	b.ReportAllocs()
	for b.Loop() {
		in := ruby.New(ruby.Config{Env: env.Clone(), Dir: "/"})
		if _, err := Render(context.Background(), src, "kitchen.yml", in); err != nil {
			b.Fatal(err)
		}
	}
}
