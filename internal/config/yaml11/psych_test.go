package yaml11

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"math/rand"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// psychServer prints, for each document it is sent, what Psych makes of it
// when it is called as Test Kitchen calls it.
const psychServer = `require "yaml"; require "json"
$stdin.binmode; $stdout.binmode
def show(o)
  case o
  when nil then "~"
  when true then "T"
  when false then "F"
  when Integer then "i#{o}"
  when Float then o.nan? ? "fnan" : "f" + [o].pack("G").unpack1("H*")
  when String then "s" + JSON.generate(o.dup.force_encoding("UTF-8").scrub)
  when Symbol then ":" + JSON.generate(o.to_s)
  when Array then "[" + o.map { |x| show(x) }.join(",") + "]"
  when Hash then "{" + o.map { |k, v| show(k) + "=>" + show(v) }.join(",") + "}"
  else "?" + o.class.to_s
  end
end
while (n = $stdin.gets)
  text = $stdin.read(n.to_i).force_encoding("UTF-8")
  r = begin
    show(YAML.safe_load(text, permitted_classes: [Symbol], permitted_symbols: [], aliases: true))
  rescue Psych::SyntaxError => e
    "!#{e.line}:#{e.column} #{e.context} / #{e.problem}"
  rescue SystemStackError
    "!0:0 recursive"
  rescue StandardError, Psych::Exception => e
    "!0:0 #{e.class} #{e.message}"
  end
  $stdout.write(r.gsub("\n", " "), "\n")
  $stdout.flush
end
`

// psych is a running Ruby to compare with.
type psych struct {
	in  io.WriteCloser
	out *bufio.Reader
}

func startPsych(t *testing.T) *psych {
	t.Helper()
	path, err := exec.LookPath("ruby")
	if err != nil {
		t.Skip("no ruby here to compare with")
	}
	version, err := exec.Command(path, "-rpsych", "-e", "print Psych::VERSION").Output()
	if err != nil || !strings.HasPrefix(string(version), "4.0.") {
		t.Skipf("the ruby here has psych %q, the reference is 4.0", version)
	}
	cmd := exec.Command(path, "-e", psychServer)
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { in.Close(); _ = cmd.Wait() })
	return &psych{in: in, out: bufio.NewReader(out)}
}

func (p *psych) load(t *testing.T, doc string) string {
	t.Helper()
	if _, err := fmt.Fprintf(p.in, "%d\n%s", len(doc), doc); err != nil {
		t.Fatal(err)
	}
	line, err := p.out.ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSuffix(line, "\n")
}

func rubyJSON(s string) string {
	var b strings.Builder
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	_ = enc.Encode(string([]rune(s)))
	out := strings.TrimSuffix(b.String(), "\n")
	// Ruby leaves these as they are.
	return strings.NewReplacer(`\u2028`, "\u2028", `\u2029`, "\u2029").Replace(out)
}

func show(n *Node) string {
	if n == nil {
		return "~"
	}
	switch n.Kind {
	case Null:
		return "~"
	case Bool:
		if n.Bool {
			return "T"
		}
		return "F"
	case Int:
		return "i" + strconv.FormatInt(n.Int, 10)
	case Float:
		if math.IsNaN(n.Float) {
			return "fnan"
		}
		return fmt.Sprintf("f%016x", math.Float64bits(n.Float))
	case String:
		return "s" + rubyJSON(n.Str)
	case Symbol:
		return ":" + rubyJSON(n.Str)
	case Sequence:
		var l []string
		for _, x := range n.Items {
			l = append(l, show(x))
		}
		return "[" + strings.Join(l, ",") + "]"
	}
	var l []string
	for _, p := range n.Pairs {
		l = append(l, show(p.Key)+"=>"+show(p.Value))
	}
	return "{" + strings.Join(l, ",") + "}"
}

func parse(doc string) string {
	n, _, err := Parse([]byte(doc))
	if err != nil {
		return "!" + err.Error()
	}
	return show(n)
}

// atoms are scalars with a story.
var atoms = strings.Fields(`1e3 1.5e3 1.5e+3 0o17 017 08 0x1F 0b101 0b12 1,000 1_000 1__0 1_ 1:30 22:22 1:30:15 -1:30 1:60 1:30.5 1:1:1.25
yEs YES yes Yes y Y n no No NO on On oN off OFF true True tRUE false null Null NULL nUll ~ ~a
2024-02-30 2024-13-45 2024-01-01 2024-1-1 2001-12-14t21:59:43.10-05:00 2024-01-01T10:00:00Z 12-12-12
.inf -.inf +.inf .Inf .nan .NaN .NAN . -. +. ... .5 -.5 5. 1_000.5 1,0.5 1.5_0 +1 -1 +a -a - -- --- ? ?a : :a ::a :"a" :'b':x :a:b a:b a: :
<< = ! !! & * @ % ' " | > %a @a # a#b
0 -0 +0 00 0_ 0, 0x 0x_ 0b 0b_ 12345678901234567890 -99999999999999999999999 1.0 1.10 7.10 14.12 1e400 1.e+3 .e+3 -.e+3 1.7976931348623157e+309
é éa 1é aé ñandú 日本 ½ ² ٣ "1" '1' "yes" 'no' "" '' "\x41" "\u263a" "\ud83d" "\U0001F600" "a\nb" '\n' 'a''b' "\_" "\q"
!!str !!int !!float !!null !!bool !binary !!binary !foo !ruby/object:Foo !ruby/sym !str !!set !!omap !ruby/regexp !ruby/object:Hash !!timestamp !seq:X !map:X
hello.world /path/x recipe[a] role[b::c] a,b {a} [a] a} a] *x &x *y &y |- >- |+ |2 >1
0777 0,7 +0x1f -0b11 1,00,0 1,, ,1 _1 _ 1.2.3 1.2. 10.0.0.1 ubuntu-20.04 12:30:45:10 0:0 000:00 1_2:3_0 0.1e-5 1.0E+2 ~/x $HOME a=b =a <<a`)

func TestScalarsAgainstPsych(t *testing.T) {
	p := startPsych(t)
	forms := []string{"k: %s\n", "- %s\n", "[%s]\n", "{a: %s}\n", "%s: v\n", "%s", "--- %s\n", "k: !!str %s\n", "k: !!float %s\n", "k: !foo %s\n", "k: |\n  %s\n", "? %s\n: x\n", "k: &a %s\nl: *a\n", "k: %s # c\n", "k: a %s b\n", "k: ! %s\n", "k: !!int %s\n", "[a, %s , b]", "{%s}", "k:\n  %s\n", "k: %s\n  more\n"}
	for _, f := range forms {
		for _, a := range atoms {
			check(t, p, fmt.Sprintf(f, a))
		}
	}
}

// differences are the texts that yaml.v3 reads otherwise than libyaml, as the
// package's documentation lists them.
var differences = []struct{ name, pattern string }{
	{"the tag that says nothing", `! `},
	{"a colon before a closing bracket", `:[\]},]`},
	{"a block scalar that is the whole document", `^(?:\x{feff}|---|#.*\n|%.*\n|[ \n])*[|>]`},
	{"a tag of odd signs, or one before a bracket or comma", `![^ \n]*[^\w/:. \n!]`},
	{"a tag within brackets", `[\[{,]\s*!`},
	{"a byte order mark", "\ufeff"},
	{"a tab", "\t"},
	{"line ends of Unicode", "[\u0085\u2028\u2029]"},
	// Psych passes over the tag of a Ruby object on a scalar; we refuse them
	// everywhere.
	{"Ruby objects", `!ruby/`},
}

func known(doc string) bool {
	return slices.ContainsFunc(differences, func(d struct{ name, pattern string }) bool {
		return regexp.MustCompile(d.pattern).MatchString(doc)
	})
}

func check(t *testing.T, p *psych, doc string) {
	t.Helper()
	want, got := p.load(t, doc), parse(doc)
	if strings.Contains(got, "is not supported; ") {
		return
	}
	if (want[0] == '!') != (got[0] == '!') || want[0] != '!' && want != got {
		// What follows a document that is not a mapping is refused.
		if !known(doc) && (got[0] != '!' || strings.ContainsRune("!{[", rune(want[0]))) {
			t.Errorf("%q\npsych %s\nours  %s", doc, want, got)
		}
	}
}

// TestDocumentsAgainstPsych compares generated documents. GALLEY_PSYCH_CASES
// sets how many, GALLEY_PSYCH_SEED which.
func TestDocumentsAgainstPsych(t *testing.T) {
	p := startPsych(t)
	n, seed := 1500, int64(1)
	if v, err := strconv.Atoi(os.Getenv("GALLEY_PSYCH_CASES")); err == nil {
		n = v
	}
	if v, err := strconv.ParseInt(os.Getenv("GALLEY_PSYCH_SEED"), 10, 64); err == nil {
		seed = v
	}
	g := &generator{r: rand.New(rand.NewSource(seed))}
	for i := 0; i < n; i++ {
		check(t, p, g.document())
	}
}

// TestFilesAgainstPsych compares real files and damaged copies of them: those
// that GALLEY_PSYCH_FILES matches, else the seeds of the fuzz target.
func TestFilesAgainstPsych(t *testing.T) {
	p := startPsych(t)
	glob := "testdata/seeds/*"
	if v := os.Getenv("GALLEY_PSYCH_FILES"); v != "" {
		glob = v
	}
	files, err := filepath.Glob(glob)
	if err != nil {
		t.Fatal(err)
	}
	g := &generator{r: rand.New(rand.NewSource(1))}
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		check(t, p, string(b))
		for range 20 {
			check(t, p, g.damage(string(b)))
		}
	}
}

// damage changes a text in a few places.
func (g *generator) damage(s string) string {
	for range 1 + g.r.Intn(3) {
		if s == "" {
			break
		}
		i := g.r.Intn(len(s))
		j := min(len(s), i+g.r.Intn(4))
		switch g.r.Intn(5) {
		case 0:
			s = s[:i] + s[j:]
		case 1:
			s = s[:i] + g.pick("\t", " ", "  ", ":", ": ", "- ", "\n", "'", "\"", "#", " #", "{", "[", "]", "}", ", ", "*", "&a ", "!x ", "? ", "|", "\n\n") + s[i:]
		case 2:
			s = s[:i] + g.atom() + s[j:]
		case 3:
			k := strings.IndexByte(s[i:], '\n')
			if k >= 0 {
				s = s[:i+k+1] + g.pick(" ", "  ", "\t", "- ", "    ") + s[i+k+1:]
			}
		case 4:
			k := strings.Index(s[i:], "\n ")
			if k >= 0 {
				s = s[:i+k+1] + s[i+k+2:]
			}
		}
	}
	return s
}

// generator writes documents that are mostly YAML.
type generator struct {
	r *rand.Rand
}

func (g *generator) pick(s ...string) string { return s[g.r.Intn(len(s))] }

func (g *generator) atom() string {
	switch g.r.Intn(6) {
	case 0, 1:
		return g.pick(atoms...)
	case 2:
		return g.pick("a", "b", "c", "name", "driver", "x y", "1", "2", "")
	case 3:
		return g.pick(`"a b"`, `'it''s'`, `"q\"q"`, `"multi
   line"`, `'multi

   line'`, "two\n   lines", "a # comment", "http://x/y?z=1#f", "a: b", "k:v", "- x")
	case 4:
		return g.pick("&x ", "&y ", "!!str ", "!foo ", "! ", "") + g.pick("a", "1", "yes", `"1"`, "")
	}
	var b strings.Builder
	for i := g.r.Intn(5); i >= 0; i-- {
		const signs = "abcxyz0123456789-+.:,_ /#'\"[]{}&*!|>%@`~=?\\yYnNoOtTeE"
		b.WriteByte(signs[g.r.Intn(len(signs))])
	}
	return b.String()
}

func (g *generator) flow(depth int) string {
	if depth <= 0 {
		return g.atom()
	}
	switch g.r.Intn(4) {
	case 0:
		var l []string
		for i := g.r.Intn(4); i > 0; i-- {
			l = append(l, g.flow(depth-1))
		}
		return "[" + strings.Join(l, g.pick(", ", ",", ",\n  ")) + g.pick("]", "]", "]", " ]", ",]", "")
	case 1:
		var l []string
		for i := g.r.Intn(4); i > 0; i-- {
			l = append(l, g.pick("a", "b", "<<", `"q"`, ":s", "? x", "")+g.pick(": ", ": ", ":", " : ")+g.flow(depth-1))
		}
		return "{" + strings.Join(l, g.pick(", ", ",", ",\n  ")) + g.pick("}", "}", "}", " }", ",}", "")
	}
	return g.atom()
}

func (g *generator) block(indent string, depth int) string {
	if depth <= 0 || g.r.Intn(4) == 0 {
		return " " + g.flow(2) + "\n"
	}
	var b strings.Builder
	switch g.r.Intn(5) {
	case 0, 1:
		b.WriteString(g.pick("\n", "\n", "\n", " # c\n", "\n\n", " &x\n", " !foo\n", " &y\n"))
		for i := 1 + g.r.Intn(3); i > 0; i-- {
			b.WriteString(indent + g.key() + ":" + g.block(indent+g.pick("  ", "  ", "  ", " ", "    ", ""), depth-1))
			b.WriteString(g.noise(indent))
		}
	case 2:
		b.WriteString(g.pick("\n", "\n", " # c\n", "\n\n", " &x\n"))
		for i := 1 + g.r.Intn(3); i > 0; i-- {
			b.WriteString(indent + "-" + g.block(indent+g.pick("  ", "  ", " ", "    "), depth-1))
			b.WriteString(g.noise(indent))
		}
	case 3:
		b.WriteString(" " + g.pick("|", ">", "|-", ">-", "|+", ">+", "|2", ">1-", "| # c") + "\n")
		for i := g.r.Intn(4); i > 0; i-- {
			b.WriteString(indent + g.pick("", "", "", " ", "  ", "\t") + g.pick("text", "# no comment", "- x", "", "a: b", "tail  ") + "\n")
		}
	case 4:
		b.WriteString(" " + g.pick("*x", "*y", "*nope", "&x a", "&y {a: 1}", "&x [1, 2]", "&x\n"+indent+g.key()+": 1") + "\n")
	}
	return b.String()
}

func (g *generator) key() string {
	switch g.r.Intn(12) {
	case 0:
		return "<<"
	case 1:
		return g.atom()
	case 2:
		return g.pick(`"a"`, `'b'`, ":sym", "1", "yes", "~", "? a\n", "[a]", "{a: b}", "*x", "&k a", `"<<"`)
	}
	return g.pick("a", "b", "c", "d", "name", "driver", "run_list")
}

func (g *generator) noise(indent string) string {
	switch g.r.Intn(14) {
	case 0:
		return "\n"
	case 1:
		return indent + "# comment\n"
	case 2:
		return "# comment\n"
	case 3:
		return g.pick("   \n", "\t\n", "  # c\n\n", indent+"  # deeper\n", "\r\n")
	}
	return ""
}

func (g *generator) document() string {
	s := g.pick("", "", "", "---", "--- ", "# c\n---", "%YAML 1.1\n---", "\uFEFF", "--- # c") + strings.TrimPrefix(g.block("", 3), g.pick("\n", "", " "))
	switch g.r.Intn(12) {
	case 0:
		s += g.pick("...\n", "---\nx: [\n", "--- b\n", "...\nz", "# end", "  # end\n")
	case 1:
		s = strings.ReplaceAll(s, "\n", "\r\n")
	case 2:
		s = strings.TrimSuffix(s, "\n")
	case 3:
		if len(s) > 2 {
			i := g.r.Intn(len(s))
			s = s[:i] + g.pick("\t", " ", ":", "-", "\n", "'", "\"", "#", "{", "[", "]", ",", "\x00", "\x01", "\u2028", "\u0085", "\ufeff", "é", "\r", "*", "&", "!", "%", "\\") + s[i:]
		}
	case 4:
		if len(s) > 2 {
			i := g.r.Intn(len(s))
			s = s[:i] + s[i+1:]
		}
	}
	return s
}
