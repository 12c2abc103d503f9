package base

import (
	"testing"

	"github.com/galleyhq/galley/internal/secret"
)

func TestQuestionsAtATerminal(t *testing.T) {
	for name, c := range map[string]struct {
		password string
		chunks   []string
		want     []string
	}{
		"sudo":                  {"pw", []string{"[sudo] password for kim: "}, []string{"pw\n"}},
		"in pieces":             {"pw", []string{"[sudo] pass", "word for ", "kim: "}, []string{"pw\n"}},
		"asked again":           {"pw", []string{"Password: ", "\r\nSorry, try again.\r\nPassword: "}, []string{"pw\n", "\x04"}},
		"nobody knows it":       {"", []string{"Password:"}, []string{"\x04"}},
		"a line that is ended":  {"pw", []string{"Password: none\n", "more"}, nil},
		"a word in other words": {"pw", []string{"setting the password for kim: "}, nil},
	} {
		var got []string
		a := &answerer{password: secret.Text(c.password), send: func(s string) { got = append(got, s) }}
		for _, chunk := range c.chunks {
			if _, err := a.Write([]byte(chunk)); err != nil {
				t.Fatal(err)
			}
		}
		if len(got) != len(c.want) {
			t.Errorf("%s: answers %q, want %q", name, got, c.want)
			continue
		}
		for i := range got {
			if got[i] != c.want[i] {
				t.Errorf("%s: answers %q, want %q", name, got, c.want)
			}
		}
	}
}
