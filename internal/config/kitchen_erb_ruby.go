package config

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"sort"
	"strconv"
	"strings"

	"github.com/galleyhq/galley/internal/ruby"
	"github.com/galleyhq/galley/internal/text"
)

// rubyServer is what the user's own ruby runs: it renders one template after
// another in one process, as Test Kitchen does, so that what a template
// leaves behind is there for the next.
const rubyServer = `%w[erb yaml json pathname time uri open-uri set tmpdir fileutils shellwords].each { |lib| require lib }
module GalleyRequire
  def require(name)
    super
  rescue LoadError
    raise unless name.match?(%r{\A(?:kitchen|mixlib|chef|poise_boiler)(?:[-/]|\z)})
    warn "warning: #{name} is not installed; Galley goes on without it"
    false
  end
end
Object.prepend(GalleyRequire)
input, output = $stdin.dup, $stdout.dup
$stdin.reopen(File::NULL)
$stdout.reopen($stderr)
input.binmode
output.binmode
while (head = input.gets)
  size, path = head.chomp.split(" ", 2)
  text = input.read(size.to_i).force_encoding("UTF-8")
  begin
    template = ERB.new(text)
    template.filename = path
    word, body = "ok", template.result
  rescue Exception => e
    spot = (e.backtrace_locations || []).find { |l| l.path == path }
    word, body = "error", "#{spot ? spot.lineno : 0} #{e.class}: #{e.respond_to?(:original_message) ? e.original_message : e.message}"
  end
  body = body.to_s.b
  output.write("#{word} #{body.bytesize}\n", body)
  output.flush
end
`

// rubyRenderer renders with a ruby of the user's.
type rubyRenderer struct {
	l   *loader
	in  io.WriteCloser
	out *bufio.Reader
}

// mark begins a marker that tells the template's line in the rendered text.
// Nobody writes such characters, and YAML does not allow them.
const (
	markOpen  = "\x01\x02"
	markClose = "\x03"
)

var reMark = text.Lazy(markOpen + `(\d+)` + markClose)

// start launches the program; it ends with the context or at the end of its
// input.
func (r *rubyRenderer) start(ctx context.Context) error {
	cmd, in, out, err := ruby.StartSystem(ctx, r.l.env, r.l.root, rubyServer)
	if e := (*ruby.Error)(nil); errors.As(err, &e) {
		return &Error{Msg: e.Message, Err: err, Advice: e.Hint()}
	}
	// Its end is seen as the end of its output.
	go func() { _ = cmd.Wait() }()
	r.in, r.out = in, bufio.NewReader(out)
	return nil
}

func (r *rubyRenderer) close() {
	if r.in != nil {
		_ = r.in.Close()
	}
}

func (r *rubyRenderer) render(ctx context.Context, path, display, src string) (*rendering, error) {
	if r.in == nil {
		if err := r.start(ctx); err != nil {
			return nil, err
		}
	}
	marked := markLines(src)
	if _, err := fmt.Fprintf(r.in, "%d %s\n%s", len(marked), path, marked); err != nil {
		return nil, r.gone(display, err)
	}
	head, err := r.out.ReadString('\n')
	if err != nil {
		return nil, r.gone(display, err)
	}
	word, size, _ := strings.Cut(strings.TrimSpace(head), " ")
	n, err := strconv.Atoi(size)
	if err != nil || n < 0 || n > 2*maxFile {
		return nil, &Error{File: display, Msg: "the template makes too much text"}
	}
	body := make([]byte, n)
	if _, err := io.ReadFull(r.out, body); err != nil {
		return nil, r.gone(display, err)
	}
	if word != "ok" {
		line, msg, _ := strings.Cut(string(body), " ")
		e := &Error{File: display, Msg: "ERB: " + strings.TrimSpace(strings.ReplaceAll(msg, path, display))}
		e.Line, _ = strconv.Atoi(line)
		return nil, e
	}
	return unmark(src, string(body)), nil
}

func (r *rubyRenderer) gone(display string, err error) error {
	return &Error{File: display, Msg: "the ruby that renders it has ended", Text: err.Error(), Err: err}
}

// markLines puts a marker at each start of a line that is template text.
func markLines(src string) string {
	var b strings.Builder
	line, inCode := 1, false
	b.WriteString(markOpen + "1" + markClose)
	for i := 0; i < len(src); i++ {
		switch {
		case !inCode && strings.HasPrefix(src[i:], "<%%"), inCode && strings.HasPrefix(src[i:], "%%>"):
			b.WriteString(src[i : i+3])
			i += 2
			continue
		case !inCode && strings.HasPrefix(src[i:], "<%"):
			inCode = true
		case inCode && strings.HasPrefix(src[i:], "%>"):
			b.WriteString("%>")
			i++
			inCode = false
			continue
		}
		b.WriteByte(src[i])
		if src[i] == '\n' {
			line++
			if !inCode {
				b.WriteString(markOpen + strconv.Itoa(line) + markClose)
			}
		}
	}
	return b.String()
}

// unmark takes the markers out again and keeps what they tell.
func unmark(src, text string) *rendering {
	var b strings.Builder
	type spot struct{ rendered, template int }
	var spots []spot
	line, at := 1, 0
	for _, m := range reMark().FindAllStringSubmatchIndex(text, -1) {
		piece := text[at:m[0]]
		b.WriteString(piece)
		line += strings.Count(piece, "\n")
		n, _ := strconv.Atoi(text[m[2]:m[3]])
		spots = append(spots, spot{line, n})
		at = m[1]
	}
	b.WriteString(text[at:])
	// Which lines of the template hold code, and the variables it names.
	code := map[int][]string{}
	for i, l := range strings.Split(src, "\n") {
		if strings.Contains(l, "<%") || strings.Contains(l, "%>") {
			names := []string{}
			for _, m := range reEnvName().FindAllStringSubmatch(l, -1) {
				names = append(names, m[1])
			}
			code[i+1] = names
		}
	}
	r := &rendering{text: b.String()}
	r.lineOf = func(n int) int {
		i := sort.Search(len(spots), func(i int) bool { return spots[i].rendered > n })
		if i == 0 {
			return n
		}
		return spots[i-1].template
	}
	r.code = func(n int) (bool, []string) {
		names, ok := code[r.lineOf(n)]
		return ok, names
	}
	return r
}

var reEnvName = text.Lazy(`\bENV(?:\.fetch\(|\[)\s*['"]([A-Za-z_][A-Za-z0-9_]*)['"]`)
