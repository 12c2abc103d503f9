package openstack

import (
	"strings"
	"testing"
	"time"

	"github.com/galleyhq/galley/internal/openstack/session"
)

func TestChoose(t *testing.T) {
	all := []item{{"1", "2"}, {"2", "m1.small"}, {"3", "m1.medium"}, {"4", "CentOS 7 GC 2014-09-16"}, {"5", "CentOS 7 GC 2015"}, {"6", "a+b"}}
	for ref, want := range map[string]string{
		"2":                      "2", // an ID wins over a name
		"m1.medium":              "3",
		"/medium/":               "3",
		"/^CentOS 7/":            "4",
		"CentOS 7 GC 2014-09-16": "4",
		"a+b":                    "6", // a name with signs is a name first
		"^CentOS 7.*2015$":       "5", // a regexp of the 1.x time
		`/\Am1\.s.*\Z/`:          "2",
	} {
		got, _, err := choose("thing", ref, all)
		if err != nil || got.id != want {
			t.Errorf("%q: %+v, %v; want %s", ref, got, err, want)
		}
	}
	if _, note, _ := choose("thing", "/CentOS/", all); !strings.Contains(note, "2 things match") {
		t.Errorf("the choice is not told: %q", note)
	}
	if _, note, _ := choose("thing", "^CentOS 7.*2015$", all); !strings.Contains(note, "regular expression") {
		t.Errorf("the reading is not told: %q", note)
	}
	for ref, hint := range map[string]string{
		"m1.midium": `did you mean "m1.medium"`,
		"centos":    "CentOS 7",
		"CentOS":    "CentOS 7", // no plain name is taken for a regexp
		"/ubuntu/":  "the cloud has",
	} {
		_, _, err := choose("thing", ref, all)
		if session.KindOf(err) != session.NotFound {
			t.Errorf("%q: %v", ref, err)
			continue
		}
		if h := err.(*session.Error).Hint(); !strings.Contains(h, hint) {
			t.Errorf("%q: hint %q, want %q", ref, h, hint)
		}
	}
	for _, ref := range []string{"/(/", "/a(?=b)/"} {
		if _, _, err := choose("thing", ref, all); session.KindOf(err) != session.Invalid {
			t.Errorf("%q: %v", ref, err)
		}
	}
	if _, _, err := choose("thing", "x", []item{}); !strings.Contains(err.(*session.Error).Hint(), "no thing at all") {
		t.Error(err.(*session.Error).Hint())
	}
}

func TestActiveFirst(t *testing.T) {
	at := func(d int) time.Time { return time.Date(2026, 1, d, 0, 0, 0, 0, time.UTC) }
	usable, rest := activeFirst([]Image{
		{ID: "old", Status: "active", Created: at(1)},
		{ID: "queued", Status: "queued", Created: at(9)},
		{ID: "new", Status: "active", Created: at(3)},
		{ID: "mid", Status: "active", Created: at(2)},
	})
	var got []string
	for _, i := range usable {
		got = append(got, i.ID)
	}
	if strings.Join(got, " ") != "new mid old" || len(rest) != 1 {
		t.Errorf("%v, %v", got, rest)
	}
}

func FuzzPattern(f *testing.F) {
	for _, s := range []string{"/ubuntu/", `/\h+\Z/`, "/(/", "^a.*$", "//", "/[/"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if len(s) > 200 {
			return
		}
		re, err := pattern(s)
		if err != nil && session.KindOf(err) != session.Invalid {
			t.Errorf("%q: %v", s, err)
		}
		if re != nil {
			re.MatchString("CentOS 7 GC 2014-09-16")
		}
		if re := barePattern(s); re != nil {
			re.MatchString("CentOS 7 GC 2014-09-16")
		}
	})
}
