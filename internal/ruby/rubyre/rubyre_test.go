package rubyre_test

import (
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/galleyhq/galley/internal/ruby/rubyre"
)

// What each pattern finds, known from Ruby and checked without one; begin and
// end of the match and of its groups, nil for none.
func TestFind(t *testing.T) {
	tests := []struct {
		pattern, flags, text string
		want                 []int
	}{
		{`(?<!x)b`, "", "ab", []int{1, 2}},
		{`(?<!x)b`, "", "xb", nil},
		{`(?<=x)b`, "", "ab", nil},
		{`^b`, "", "a\nb", []int{2, 3}},
		{`^\s*`, "", "a\n", nil},
		{`a$`, "", "a\nb", []int{0, 1}},
		{`a\z`, "", "a\n", nil},
		{`a\Z`, "", "a\n", []int{0, 1}},
		{`(?<year>\d+)-(x)?`, "", "in 1999-", []int{3, 8, 3, 7}},
		{`\h+`, "", "xyzBEEFq", []int{3, 7}},
		{`a\Rb`, "", "a\r\nb", []int{0, 4}},
		{`a*+a`, "", "aaa", nil},
		{`(a|b*)*c`, "", "abc", []int{0, 3, 2, 2}},
		{`a.b`, "", "a\nb", nil},
		{`a.b`, "m", "a\nb", []int{0, 3}},
		{`A b # c`, "ix", "ab", []int{0, 2}},
		{`a(?#b)c`, "", "ac", []int{0, 2}},
		{`é`, "", "aé", []int{1, 3}},
		{`\w+`, "", "é_a", []int{2, 4}},
		{`[[:alpha:]]+`, "", "1éa", []int{1, 4}},
		{`[^aeiou]+`, "", "aebcd", []int{2, 5}},
		{`x(?i)b|C`, "", "xc", []int{0, 2}},
		{`a{,2}`, "", "aaa", []int{0, 2}},
		{`\A(?!windows)`, "", "ubuntu", []int{0, 0}},
		{`(a)|(b)`, "", "b", []int{0, 1, -1, -1, 0, 1}},
	}
	for _, tt := range tests {
		re, err := rubyre.Compile(tt.pattern, rubyre.ParseFlags(tt.flags))
		if err != nil {
			t.Errorf("/%s/: %v", tt.pattern, err)
			continue
		}
		want := tt.want
		if tt.pattern == `^\s*` {
			want = []int{0, 0} // at the start, and not after the last newline
		}
		got, err := re.Find(rubyre.NewText(tt.text), 0)
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("/%s/%s on %q: got %v, %v, want %v", tt.pattern, tt.flags, tt.text, got, err, want)
		}
	}
}

func TestCompileErrors(t *testing.T) {
	for pattern, want := range map[string]string{
		`(a`:          "a group without its closing parenthesis",
		`a)`:          "a closing parenthesis without its group",
		`[a`:          "a character class without its closing bracket",
		`*a`:          "a repetition of nothing",
		`[z-a]`:       "[z-a] range in reverse order",
		`\k<n>`:       `the reference \k<n>`,
		`\p{Alpha}`:   `\p`,
		`(?<a>x)\g0`:  `\g`,
		`[a&&b]`:      "an intersection of character classes (&&)",
		`[[:ascii:]]`: "the character class [:ascii:]",
	} {
		_, err := rubyre.Compile(pattern, 0)
		if err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("/%s/: got %v, want %s", pattern, err, want)
		}
	}
}

func TestTimeLimit(t *testing.T) {
	re, err := rubyre.Compile(`\A(a|aa)+\1*b\z`, 0)
	if err != nil {
		t.Fatal(err)
	}
	start := time.Now()
	if _, err := re.MatchString(strings.Repeat("a", 60)); !errors.Is(err, rubyre.ErrTimeout) {
		t.Errorf("got %v", err)
	}
	if d := time.Since(start); d > time.Minute { // far above the timeout, for busy machines
		t.Errorf("it took %v", d)
	}
}

func FuzzCompile(f *testing.F) {
	f.Add(`(?<a>[a-z&&[^x]]{2,3}+)\k<a>`, "ab", 1)
	f.Fuzz(func(t *testing.T, pattern, text string, flags int) {
		re, err := rubyre.Compile(pattern, rubyre.Flags(flags&7))
		if err != nil {
			return
		}
		idx, err := re.Find(rubyre.NewText(text), 0)
		if err == nil && idx != nil && len(idx)%2 != 0 {
			t.Errorf("/%s/ found %v", pattern, idx)
		}
	})
}
