package yaml11

import (
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"

	"gopkg.in/yaml.v3"

	"github.com/galleyhq/galley/internal/secret"
	"github.com/galleyhq/galley/internal/text"
)

// maxLocated bounds the text parsed again to find the place of a fault.
const maxLocated = 8 << 20

var (
	reMessage = text.Lazy(`^yaml: (?:line (\d+): )?(.*)$`)
	reAnchor  = text.Lazy(`^unknown anchor '(.*)' referenced$`)
)

// reworded are the parser's messages that say little to who wrote the file.
var reworded = [][2]string{
	{"did not find expected key", "the next key of this mapping should be here; is the line indented wrongly, or a quote missing?"},
	{"did not find expected '-' indicator", "a dash should begin the next item of this list; is the line indented wrongly?"},
	{"could not find expected ':'", "a colon should follow the key; is the line indented wrongly, or a quote missing?"},
	{"did not find expected ',' or ']'", "a comma or ] should be here"},
	{"did not find expected ',' or '}'", "a comma or } should be here"},
	{"did not find expected node content", "a value should be here, or a bracket is not closed"},
	{"cannot start any token", "text cannot begin with this sign; put it in quotes"},
	{"mapping values are not allowed in this context", "a colon and a space cannot be within a value; put the value in quotes"},
	{"block sequence entries are not allowed in this context", "a list cannot begin here"},
	{"found unexpected end of stream", "a quote that is opened is never closed"},
}

// parseError makes an error of one of yaml.v3's, which have the form
// "yaml: line 3: message" and name the line where the
// faulty part begins.
func parseError(text string, err error) error {
	e := &Error{Msg: err.Error()}
	if m := reMessage().FindStringSubmatch(e.Msg); m != nil {
		e.Line, _ = strconv.Atoi(m[1])
		e.Msg = m[2]
	}
	if m := reAnchor().FindStringSubmatch(e.Msg); m != nil {
		e.Msg = "no anchor &" + m[1] + " comes before this alias"
		if at := regexp.MustCompile(`\*` + regexp.QuoteMeta(m[1]) + `\b`).FindStringIndex(text); at != nil {
			e.place(text, at[0])
		}
		return e
	}
	for _, r := range reworded {
		if strings.Contains(e.Msg, r[0]) {
			e.Msg = r[1]
			break
		}
	}
	at := start(text, max(e.Line, sound(text)+1))
	indent := len(text[at:]) - len(strings.TrimLeft(text[at:], " \t"))
	if tab := strings.IndexByte(text[at:at+indent], '\t'); tab >= 0 {
		e.Msg, indent = "a tab in the indentation; YAML wants spaces", tab
	}
	e.place(text, at+indent)
	return e
}

// sound is how many lines at the beginning of a text can be parsed: the fault
// is in the next one, or in what begins there.
func sound(text string) int {
	n := strings.Count(text, "\n")
	for budget := maxLocated; n > 0 && budget > 0; n-- {
		text = text[:strings.LastIndexByte(strings.TrimSuffix(text, "\n"), '\n')+1]
		budget -= len(text)
		var doc yaml.Node
		if err := yaml.Unmarshal([]byte(text), &doc); err == nil {
			return strings.Count(text, "\n")
		}
	}
	return 0
}

// start is where a line begins, the end of the text for one after the last.
func start(text string, line int) int {
	at := 0
	for ; line > 1; line-- {
		i := strings.IndexByte(text[at:], '\n')
		if i < 0 {
			break
		}
		at += i + 1
	}
	return at
}

// place puts an error at a place of the text, with the line there for an
// excerpt; a line that sets a secret is not shown.
func (e *Error) place(text string, at int) {
	before := text[:at]
	begin := strings.LastIndexByte(before, '\n') + 1
	e.Line, e.Column = strings.Count(before, "\n")+1, utf8.RuneCountInString(before[begin:])+1
	line, _, _ := strings.Cut(text[begin:], "\n")
	line = strings.ToValidUTF8(strings.TrimSpace(line), "\uFFFD")
	for part := range strings.FieldsFuncSeq(line, func(r rune) bool { return strings.ContainsRune("{[,", r) }) {
		key, _, ok := strings.Cut(strings.TrimLeft(part, "- "), ":")
		if ok && secret.IsName(strings.Trim(key, `"' `)) {
			return
		}
	}
	line = secret.HideURLs(line)
	if utf8.RuneCountInString(line) > 80 {
		line = string([]rune(line)[:77]) + "..."
	}
	e.Text = line
}
