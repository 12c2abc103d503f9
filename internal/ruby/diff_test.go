package ruby

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/galleyhq/galley/internal/env"
)

// realRuby evaluates programs with the ruby on the PATH, each in its own binding, and returns what each gave: the
// result's inspect, or "!" and the exception's class.
func realRuby(t testing.TB, programs []string) []string {
	t.Helper()
	bin, err := exec.LookPath("ruby")
	if err != nil {
		t.Skip("no ruby on the PATH to compare with")
	}
	if out, err := exec.Command(bin, "-e", "print RUBY_VERSION").Output(); err != nil || !strings.HasPrefix(string(out), "3.1.") {
		t.Skipf("the ruby on the PATH is %s; the semantics compared are those of 3.1", out)
	}
	const script = `
require "timeout"; require "json"; require "set"; require "time"; require "date"; require "yaml"; require "shellwords"; require "uri"; require "base64"; require "digest"; require "ostruct"; require "securerandom"
$VERBOSE = nil
real = $stdout.dup
$stdout = File.open(File::NULL, "w")
res = JSON.parse($stdin.read).map do |src|
  begin
    out = Timeout.timeout(2) { eval(src, TOPLEVEL_BINDING.dup, "t.rb", 1).inspect }
  rescue Timeout::Error
    out = "?timeout"
  rescue SystemStackError, StandardError, ScriptError, SystemExit, NoMemoryError => e
    out = "!" + e.class.name
  end
  out = out.dup.force_encoding("UTF-8")
  out.valid_encoding? ? out : out.b.inspect
end
real.write JSON.generate(res)
`
	in, err := json.Marshal(programs)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	// a process may not take more than half a gigabyte
	script2 := "Process.setrlimit(:AS, 1 << 30) rescue nil\n" + script
	cmd := exec.CommandContext(ctx, bin, "--disable-did_you_mean", "-W0", "-e", script2)
	cmd.Env = append(os.Environ(), "LANG=C.UTF-8", "TZ=UTC")
	cmd.Stdin = bytes.NewReader(in)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("ruby: %v\n%s", err, stderr.String())
	}
	var res []string
	if err := json.Unmarshal(out, &res); err != nil {
		t.Fatalf("ruby said %q: %v", out, err)
	}
	return res
}

// ourRuby evaluates one program here, in the same notation; unsupported code gives "?".
func ourRuby(src string) (string, error) {
	in := New(Config{Env: env.New(append(os.Environ(), "TZ=UTC"))})
	for _, lib := range strings.Fields("json set time date yaml shellwords uri base64 digest ostruct securerandom") {
		in.required[lib] = true
	}
	v, err := in.Eval(context.Background(), src, "t.rb")
	if err != nil {
		e := err.(*Error)
		switch e.Kind {
		case SyntaxError, Raised:
			return "!" + e.Class, err
		case Refused:
			if e.Construct == "exit" {
				return "!SystemExit", err
			}
		case LimitExceeded:
			return "?limit", err
		}
		return "?", err
	}
	shown, err := in.run(context.Background(), func() Value { return in.str(in.inspect(v)) })
	if err != nil {
		return "?", err
	}
	return shown.(*String).s, nil
}

// programs reads the test programs of a file: separated by blank lines, "#" lines at their start being comments.
func programs(t testing.TB, file string) []string {
	t.Helper()
	raw, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	var cur []string
	for _, ln := range append(strings.Split(string(raw), "\n"), "") {
		if strings.TrimSpace(ln) == "" {
			if len(cur) > 0 {
				out = append(out, strings.Join(cur, "\n"))
			}
			cur = nil
			continue
		}
		if len(cur) == 0 && strings.HasPrefix(ln, "# ") {
			continue
		}
		cur = append(cur, ln)
	}
	return out
}

// TestLikeRuby compares the programs of testdata with the real language.
func TestLikeRuby(t *testing.T) {
	files := []string{"testdata/lines.txt", "testdata/programs.txt"}
	var all []string
	for _, f := range files {
		ps := programs(t, f)
		if strings.HasSuffix(f, "lines.txt") {
			var lines []string
			for _, p := range ps {
				for _, ln := range strings.Split(p, "\n") {
					if !strings.HasPrefix(ln, "# ") {
						lines = append(lines, ln)
					}
				}
			}
			ps = lines
		}
		all = append(all, ps...)
	}
	want := realRuby(t, all)
	bad, lack := 0, 0
	for i, src := range all {
		got, err := ourRuby(src)
		if got == "?" {
			lack++
			t.Logf("not supported: %s (%v)", src, err)
			continue
		}
		if got != want[i] {
			bad++
			if bad <= 80 {
				t.Errorf("%s\n   got %s (%v)\n  want %s", src, got, err, want[i])
			}
		}
	}
	if lack > 5 {
		t.Errorf("%d programs are not supported", lack)
	}
	t.Logf("%d of %d programs as in Ruby, %d not supported", len(all)-bad-lack, len(all), lack)
}
