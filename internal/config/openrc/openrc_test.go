package openrc

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// asked answers every question and remembers the questions.
type asked struct {
	answer    string
	questions []string
	hidden    []bool
}

func (a *asked) Prompt(_ context.Context, q string, echo bool) (string, error) {
	a.questions = append(a.questions, q)
	a.hidden = append(a.hidden, !echo)
	return a.answer, nil
}

func TestRead(t *testing.T) {
	for _, tt := range []struct {
		name, text string
		env, want  map[string]string
		unset      []string
	}{
		{
			name: "quotes, blanks, comments",
			text: "#!/usr/bin/env bash\nexport OS_A=plain # why\nexport OS_B=\"two words\"\nexport OS_C='$OS_A'\nexport OS_D=\nexport OS_E=a\\ b\n",
			want: map[string]string{"OS_A": "plain", "OS_B": "two words", "OS_C": "$OS_A", "OS_D": "", "OS_E": "a b"},
		},
		{
			name: "expansions",
			text: "export A=x\nexport B=${A}y$A\nexport C=${NOPE:-dflt}/${A%x}z\nexport D=\"{$A}\"\nexport E=$((1+2))\n",
			want: map[string]string{"A": "x", "B": "xyx", "C": "dflt/z", "D": "{x}", "E": "3"},
		},
		{
			name:  "a dashboard's file",
			text:  "export OS_AUTH_URL=http://192.0.2.1:5000/v3\nunset OS_TENANT_ID\nexport OS_USER_DOMAIN_NAME=\"Default\"\nif [ -z \"$OS_USER_DOMAIN_NAME\" ]; then unset OS_USER_DOMAIN_NAME; fi\nexport OS_PROJECT_DOMAIN_ID=\"\"\nif [ -z \"$OS_PROJECT_DOMAIN_ID\" ]; then unset OS_PROJECT_DOMAIN_ID; fi\n",
			env:   map[string]string{"OS_TENANT_ID": "old", "HOME": "/h"},
			want:  map[string]string{"OS_AUTH_URL": "http://192.0.2.1:5000/v3", "OS_USER_DOMAIN_NAME": "Default"},
			unset: []string{"OS_TENANT_ID"},
		},
		{
			name:  "a loop that clears",
			text:  "for key in $( set | awk '{FS=\"=\"}  /^OS_/ {print $1}' ); do unset $key ; done\nexport OS_USERNAME=me\n",
			env:   map[string]string{"OS_USERNAME": "old", "OS_CLOUD": "x", "KEEP": "y"},
			want:  map[string]string{"OS_USERNAME": "me"},
			unset: []string{"OS_CLOUD"},
		},
		{
			name:  "other ways to clear",
			text:  "unset ${!OS_*}\n",
			env:   map[string]string{"OS_CLOUD": "x"},
			want:  map[string]string{},
			unset: []string{"OS_CLOUD"},
		},
		{
			name: "only exported variables count",
			text: "LOCAL=1\nOS_USERNAME=new\nOS_B=1; export OS_B\nexport OS_C OS_D=2\nOS_C=3\nset -a\nOS_E=4\nset +a\nOS_F=5\ndeclare -x OS_G=6\nunset OS_B\n",
			env:  map[string]string{"OS_USERNAME": "old"},
			want: map[string]string{"OS_USERNAME": "new", "OS_C": "3", "OS_D": "2", "OS_E": "4", "OS_G": "6"},
		},
		{
			name: "conditions",
			text: "if [ \"$X\" = 1 ]; then export A=yes; elif [[ $X == 2* ]]; then export A=two; else export A=no; fi\n[ -n \"$X\" ] && export B=set || export B=unset\n! [ -z \"$X\" ] && export C=1\ncase $X in 1) export D=1;; 2?) export D=2;; *) export D=other;; esac\n[ 3 -gt 2 -a -n x ] && export E=1\n",
			env:  map[string]string{"X": "23"},
			want: map[string]string{"A": "two", "B": "set", "C": "1", "D": "2", "E": "1"},
		},
		{
			name: "after exit nothing counts",
			text: "export A=1\nreturn 0\nexport B=2\n",
			want: map[string]string{"A": "1"},
		},
		{
			name: "Windows' line ends and a byte order mark",
			text: "\ufeffexport A=1\r\nexport B=2\r\n",
			want: map[string]string{"A": "1", "B": "2"},
		},
		{
			name: "a substitution that only prints",
			text: "export A=$(echo \"a b\")\nexport B=`printf '%s-%s' x y`\nexport C=$(basename /x/y)\nexport D=${E:=set}\nfor i in 1 2; do export F=$F$i; done\n",
			want: map[string]string{"A": "a b", "B": "x-y", "C": "y", "D": "set", "F": "12"},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := ReadString(t.Context(), tt.text, "openrc.sh", Options{Env: tt.env})
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, got.Vars); diff != "" {
				t.Error(diff)
			}
			if diff := cmp.Diff(tt.unset, got.Unset); diff != "" {
				t.Error("unset", diff)
			}
		})
	}
}

const asking = "echo \"Please enter your Password: \"\nread -sr OS_PASSWORD_INPUT\nexport OS_PASSWORD=$OS_PASSWORD_INPUT\n"

func TestPasswordIsAsked(t *testing.T) {
	p := &asked{answer: "s3 cret"}
	got, err := ReadString(t.Context(), asking, "rc.sh", Options{Prompt: p})
	if err != nil {
		t.Fatal(err)
	}
	if got.Vars["OS_PASSWORD"] != "s3 cret" || !slices.Equal(p.questions, []string{"Please enter your Password:"}) || !p.hidden[0] {
		t.Errorf("got %q, asked %q, hidden %v", got.Vars["OS_PASSWORD"], p.questions, p.hidden)
	}
}

func TestPasswordOfTheEnvironmentIsTaken(t *testing.T) {
	p := &asked{}
	got, err := ReadString(t.Context(), asking, "rc.sh", Options{Prompt: p, Env: map[string]string{"OS_PASSWORD": "known"}})
	if err != nil || got.Vars["OS_PASSWORD"] != "known" || p.questions != nil {
		t.Errorf("got %v, %v; asked %q", got.Vars, err, p.questions)
	}
}

// TestQuestionsAreAttributed: what a helper variable is read for is known by
// the export that follows, also when it is read several times.
func TestQuestionsAreAttributed(t *testing.T) {
	const text = `read -p "User: " ans
export OS_USERNAME="$ans"
read -s -p "Password: " ans
pw=$ans
export OS_PASSWORD="${pw}"
read -p "Project: " ans
OS_PROJECT_NAME=$ans; export OS_PROJECT_NAME
read ans
export OS_APPLICATION_CREDENTIAL_SECRET=$ans
`
	all := map[string]string{
		"OS_USERNAME": "me", "OS_PASSWORD": "geheim", "OS_PROJECT_NAME": "lab", "OS_APPLICATION_CREDENTIAL_SECRET": "s",
	}
	got, err := ReadString(t.Context(), text, "rc.sh", Options{Env: all})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(all, got.Vars); diff != "" {
		t.Error(diff)
	}
	for missing, line := range map[string]int{"OS_USERNAME": 1, "OS_PASSWORD": 3, "OS_PROJECT_NAME": 6, "OS_APPLICATION_CREDENTIAL_SECRET": 8} {
		env := map[string]string{}
		for k, v := range all {
			if k != missing {
				env[k] = v
			}
		}
		_, err := ReadString(t.Context(), text, "rc.sh", Options{Env: env})
		var e *Error
		if !errors.As(err, &e) || e.Line != line || !strings.Contains(e.Msg, "it asks for "+missing+",") {
			t.Errorf("%s: got %v", missing, err)
		}
	}
	p := &asked{answer: "x"}
	if _, err := ReadString(t.Context(), text, "rc.sh", Options{Prompt: p}); err != nil {
		t.Fatal(err)
	}
	if want := []bool{false, true, false, true}; !slices.Equal(p.hidden, want) {
		t.Errorf("hidden %v, want %v", p.hidden, want)
	}
}

func TestNoTerminalToAskOn(t *testing.T) {
	_, err := ReadString(t.Context(), asking, "rc.sh", Options{})
	var e *Error
	if !errors.As(err, &e) || e.Line != 2 || !strings.Contains(e.Hint(), "OS_PASSWORD in the environment") {
		t.Errorf("got %v", err)
	}
}

func TestRefusals(t *testing.T) {
	for _, tt := range []struct{ text, want string }{
		{"export A=1\nexport -n A\n", "rc.sh:2:1: export -n needs a shell"},
		{"printf -v A x\nexport A\n", "rc.sh:1:1: this printf needs a shell"},
		{"export A=$(hostname)\n", "rc.sh:1:12: the command hostname needs a shell"},
		{"export A=1\nexport OS_TOKEN=$(openstack token issue -f value -c id)\n", "rc.sh:2:19: the command openstack needs a shell"},
		{"curl http://192.0.2.1 | sh\n", "rc.sh:1:1: a pipe"},
		{"echo x > /etc/passwd\n", "a redirection"},
		{"while true; do :; done\n", "it does too much"},
		{"f() { f; }; f\n", "it does too much"},
		{"export A=$(cat /etc/passwd | head -1)\n", "a pipe"},
		{"export A=$(jq -r .x creds.json)\n", "the command jq"},
		{"echo x | tee /etc/x\n", "a pipe"},
		{"source <(openstack complete)\n", "a process substitution"},
		{"cd /tmp\n", "changing the directory"},
		{"export A=${B:?is missing}\n", "B: is missing"},
		{"export OS_PASSWORD=\"<%= @pass %>\"\nexport OS_AUTH_URL=https://<%= @endpoint %>:5000\n", "a template"},
		{"export OS_PASSWORD={{ pass }\nif x\n", "not a shell script"},
		{"$ANSIBLE_VAULT;1.1;AES256\n3132\n", "encrypted by ansible-vault"},
		{"clouds:\n  a: {}\n", "a clouds.yaml"},
		{"<!DOCTYPE html>\n", "a web page"},
		{"export A=\x00\n", "not text"},
		{"exec bash\n", "the command exec"},
		{"printf '%999999d' 1\n", "this printf"},
		{"sleep 1 &\n", "a command in the background"},
		{"if [ x\n", "it is not a shell script"},
		{"export A=${B/#a/b}\n", "rc.sh:1:1: a replacement at the beginning"},
		{"eval 'openstack x'\n", "rc.sh:1:1: the command openstack"},
		{"select x in a b; do break; done\n", "a menu of select"},
		{"export A=$(openstack x) || true\nexport B=1\n", "rc.sh:1:12: the command openstack"},
		{"set -u\nexport A=$NOPE\n", "it ends early: NOPE: unbound variable"},
	} {
		text := strings.ReplaceAll(tt.text, "\\x00", "\x00")
		_, err := ReadString(t.Context(), text, "rc.sh", Options{})
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%q: got %v, want %q in it", tt.text, err, tt.want)
		}
	}
}

func TestHostileFilesEnd(t *testing.T) {
	double := "A=aaaaaaaaaaaaaaaa\n" + strings.Repeat("A=$A$A$A$A$A$A$A$A\n", 100)
	nested := "for a in 1 2 3 4 5 6 7 8 9 0; do " + strings.Repeat("for b in 1 2 3 4 5 6 7 8 9 0; do ", 8) + ":" + strings.Repeat("; done", 9) + "\n"
	for name, text := range map[string]string{
		"doubling": double, "nested loops": nested, "braces": "echo {1..99999999}\n",
		"replacing":      "A=" + strings.Repeat("a", 30000) + "\nB=${A//a/$A}\n",
		"many values":    "A=" + strings.Repeat("a", 60000) + "\nfor i in 1 2 3 4 5 6 7 8 9 0; do for j in 1 2 3 4 5 6 7 8 9 0; do declare \"V$i$j=$A\"; done; done\n",
		"substitutions":  "A=" + strings.Repeat("a", 16000) + "\nB=" + strings.Repeat("$(echo $A)", 1000) + "\n",
		"recursion":      "f() { g; }; g() { f; }; f\n",
		"a C-style loop": "for ((;;)); do :; done\n",
	} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			_, err := ReadString(ctx, text, "rc.sh", Options{})
			if err == nil || ctx.Err() != nil {
				t.Errorf("got %v, %v", err, ctx.Err())
			}
		})
	}
}

func TestMissingSourcedFileIsAWarning(t *testing.T) {
	got, err := ReadString(t.Context(), "source /no/such/file\nexport OS_A=1\n", "rc.sh", Options{})
	if err != nil || got.Vars["OS_A"] != "1" || len(got.Warnings) != 1 || !strings.Contains(got.Warnings[0], "rc.sh:1: it sources /no/such/file") {
		t.Errorf("got %+v, %v", got, err)
	}
}

func TestSourcesAnother(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{
		"a.sh":    "source \"$(cd \"$(dirname \"${BASH_SOURCE[0]}\")\" && pwd)/b.sh\"\nexport OS_A=1\n",
		"b.sh":    ". ./c.sh\nexport OS_B=2\n",
		"c.sh":    "export OS_C=3\n",
		"self.sh": ". ./self.sh\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	got, err := Read(t.Context(), filepath.Join(dir, "a.sh"), Options{})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string]string{"OS_A": "1", "OS_B": "2", "OS_C": "3"}, got.Vars); diff != "" {
		t.Error(diff)
	}
	if got.Where["OS_C"] != "c.sh:1" {
		t.Errorf("OS_C is from %q", got.Where["OS_C"])
	}
	if _, err := Read(t.Context(), filepath.Join(dir, "self.sh"), Options{}); err == nil || !strings.Contains(err.Error(), "sources itself") {
		t.Errorf("a file that sources itself: %v", err)
	}
}

func FuzzRead(f *testing.F) {
	for _, s := range []string{asking, "export A=${B:-c}\n", "for k in $(set | grep OS_); do unset $k; done", "[[ $A == b* ]] && export C=$((2*3))", "case $A in b) ;; esac", "a=$(echo $(echo x))"} {
		f.Add(s)
	}
	for _, s := range likeBash {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		_, _ = ReadString(ctx, text, "rc.sh", Options{Env: map[string]string{"HOME": "/h", "OS_X": "y"}})
		if ctx.Err() != nil {
			t.Fatal("it took too long")
		}
	})
}
