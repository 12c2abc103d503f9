package yaml11

import (
	"strings"
	"testing"
)

func TestFaultsHaveAPlace(t *testing.T) {
	for text, want := range map[string]string{
		"a: 1\nb: \"x\nc: 2\n":                  "line 2, column 1: a quote that is opened is never closed: b: \"x",
		"a:\n  - x\n - y\n":                     "line 3, column 2: the next key of this mapping should be here",
		"a: 1\nb: c: d\n":                       "line 2, column 1: a colon and a space cannot be within a value; put the value in quotes: b: c: d",
		"a: [1, 2\nb: 3\n":                      "line 1, column 1: a comma or ] should be here",
		"a: @b\n":                               "line 1, column 1: text cannot begin with this sign; put it in quotes: a: @b",
		"a: &x 1\nb: *y\n":                      "line 2, column 4: no anchor &y comes before this alias: b: *y",
		"a: 1\nb\nc: 2\n":                       "line 2, column 1: a colon should follow the key",
		"a: http://x/?q\n\tb: *c?\n":            "line 2, column 1: a tab in the indentation",
		"d: {openstack_api_key: geheim, a: b\n": "line 1, column 1: a comma or } should be here",
		"url: http://me:geheim@host: x\n":       "line 1, column 1: a colon and a space cannot be within a value",
	} {
		_, _, err := Parse([]byte(text))
		if err == nil || !strings.HasPrefix(err.Error(), want) || strings.Contains(err.Error(), "geheim") {
			t.Errorf("%q:\ngot  %v\nwant %s", text, err, want)
		}
	}
}

func TestByteOrderMark(t *testing.T) {
	n, warnings, err := Parse([]byte("\ufeffa: 1\nb: 2\n"))
	if err != nil || len(n.Pairs) != 2 || len(warnings) != 1 || warnings[0].Code != ByteOrderMark {
		t.Errorf("got %+v, %v, %v", n, warnings, err)
	}
}
