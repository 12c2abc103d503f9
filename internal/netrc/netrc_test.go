package netrc

import (
	"fmt"
	"strings"
	"testing"
)

func TestParse(t *testing.T) {
	for _, c := range []struct {
		in, want string
		ok       bool
	}{
		{"machine a login b password c", "[{a b c}]", true},
		{"machine a\nlogin b\npassword c\nmachine d password e", "[{a b c} {d  e}]", true},
		{"# c\nmachine a login b # x\n password c", "[{a b c}]", true},
		{"default login x password y", "[{ x y}]", true},
		{"machine a macdef init\n cd /\n bin\n\nmachine b login c", "[{a  } {b c }]", true},
		{`machine a login "b \"c" password "d\n"`, "[{a b \"c d\n}]", true},
		{"machine a login b account z password c", "[{a b c}]", true},
		{"", "[]", true},
		{"machine", "", false},
		{"login x", "", false},
		{"who", "", false},
		{`machine a login "b`, "", false},
		{"machine a login #b password c", "[{a #b c}]", true},
	} {
		got, err := Parse(strings.NewReader(c.in))
		var b strings.Builder
		for i, e := range got {
			if i > 0 {
				b.WriteByte(' ')
			}
			fmt.Fprintf(&b, "{%s %s %s}", e.Host, e.Login, string(e.Password))
		}
		if s := "[" + b.String() + "]"; (err == nil) != c.ok || c.ok && s != c.want {
			t.Errorf("%q: %s, %v", c.in, s, err)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add("machine a login b password \"c\\n\"\nmacdef x\n\n")
	f.Fuzz(func(t *testing.T, s string) { _, _ = Parse(strings.NewReader(s)) })
}
