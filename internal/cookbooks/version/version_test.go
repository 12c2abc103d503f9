package version

import "testing"

func TestConstraints(t *testing.T) {
	for _, c := range []struct {
		text, printed string
		allowed       []string
		refused       []string
	}{
		{"", ">= 0.0.0", []string{"0.0.0", "9"}, nil},
		{"1.4.7", "= 1.4.7", []string{"1.4.7"}, []string{"1.4.8", "1.4"}},
		{">= 1", ">= 1.0.0", []string{"1", "1.0.1", "2"}, []string{"0.9.9"}},
		{">1.4", "> 1.4.0", []string{"1.4.1"}, []string{"1.4", "1.4.0"}},
		{"<=   1.4", "<= 1.4.0", []string{"1.4.0", "0.1"}, []string{"1.4.1"}},
		{"< 2", "< 2.0.0", []string{"1.999.0"}, []string{"2", "2.0.1"}},
		{"~> 1", "~> 1", []string{"1.0", "1.9.9"}, []string{"2", "0.9"}},
		{"~> 1.4", "~> 1.4", []string{"1.4.0", "1.10.0"}, []string{"2.0.0", "1.3.9"}},
		{"~> 1.4.2", "~> 1.4.2", []string{"1.4.2", "1.4.10"}, []string{"1.5.0", "1.4.1"}},
		{"~ 1.4.2", "~ 1.4.2", []string{"1.4.3"}, []string{"1.5.0"}},
		{"!= 1.0", "!= 1.0.0", []string{"1.0.1"}, []string{"1"}},
	} {
		got, err := ParseConstraint(c.text)
		if err != nil || got.String() != c.printed {
			t.Errorf("%q: %v, %v", c.text, got, err)
		}
		for i, list := range [][]string{c.refused, c.allowed} {
			for _, s := range list {
				v, err := Parse(s)
				if err != nil || got.Allows(v) != (i == 1) {
					t.Errorf("%q with %s: %v, %v", c.text, s, got.Allows(v), err)
				}
			}
		}
	}
	for _, s := range []string{"newest", " >= 1", ">= 1 ", "~> 1.2.3.4", "=> 1", "1.x", ">=", "1..2", "= 1.0.0-rc", "+1"} {
		if c, err := ParseConstraint(s); err == nil {
			t.Errorf("%q is %v", s, c)
		}
	}
}

func TestOrder(t *testing.T) {
	ordered := []string{"0.0.0", "0.9", "1.0.0", "1.0.1", "1.4.7", "1.10.0", "9.999.999", "10.200.3000"}
	for i, a := range ordered {
		for j, b := range ordered {
			x, err := Parse(a)
			if err != nil {
				t.Fatal(err)
			}
			y, _ := Parse(b)
			if got := x.Compare(y); (got < 0) != (i < j) || (got > 0) != (i > j) {
				t.Errorf("%s and %s: %d", a, b, got)
			}
		}
	}
	for _, s := range []string{"", "one", "1.2.3.4", "1.2.x", "-1", "+1", "1.0.0-rc.1", "1.0.0+b", "1..", "1.2.3.", "99999999999999999999999.0.0"} {
		if v, err := Parse(s); err == nil {
			t.Errorf("%q is %v", s, v)
		}
	}
}

func FuzzConstraint(f *testing.F) {
	for _, s := range []string{"~> 1.2", ">= 1.0.0", "", "= 1", "<0.0.1"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		c, err := ParseConstraint(s)
		if err != nil {
			return
		}
		again, err := ParseConstraint(c.String())
		if err != nil || again.String() != c.String() || !again.Equal(c) {
			t.Errorf("%q is %q, which is %q: %v", s, c, again, err)
		}
		if v, err := Parse(s); err == nil && s != "" {
			c.Allows(v)
		}
	})
}
