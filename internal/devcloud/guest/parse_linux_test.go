package guest

import (
	"reflect"
	"testing"
)

func TestParseSudo(t *testing.T) {
	for _, c := range []struct {
		args []string
		want sudoCall
	}{
		{[]string{"-E", "sh", "-c", "x"}, sudoCall{user: "root", preserve: true, command: []string{"sh", "-c", "x"}}},
		{[]string{"-nHu", "bob", "A=1", "env", "B=2"}, sudoCall{user: "bob", setHome: true, vars: []string{"A=1"}, command: []string{"env", "B=2"}}},
		{[]string{"-ubob", "--", "-x"}, sudoCall{user: "bob", command: []string{"-x"}}},
		{[]string{"--user", "bob", "-i"}, sudoCall{user: "bob", login: true, command: []string{}}},
		{[]string{"-p", "pw: ", "-S", "-k", "true"}, sudoCall{user: "root", command: []string{"true"}}},
		{[]string{"./a=b", "x"}, sudoCall{user: "root", command: []string{"./a=b", "x"}}},
	} {
		got, err := parseSudo(c.args)
		if err != nil || !reflect.DeepEqual(got, c.want) {
			t.Errorf("%q: got %+v, %v", c.args, got, err)
		}
	}
	for _, args := range [][]string{{"-Z"}, {"--what"}, {"-u"}, {"-s"}, {"-g", "adm", "id"}, {"-l"}, {"--preserve-env=A", "id"}, {}} {
		if _, err := parseSudo(args); err == nil {
			t.Errorf("%q was understood", args)
		}
	}
}

func FuzzParseSudo(f *testing.F) {
	f.Add("-E", "-u", "bob", "A=1")
	f.Add("--preserve-env=A", "--", "-i", "x")
	f.Fuzz(func(_ *testing.T, a, b, c, d string) {
		_, _ = parseSudo([]string{a, b, c, d})
	})
}
