package openrc

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// likeBash are files that bash and this package must make the same of.
var likeBash = map[string]string{
	"values": `export A=plain B="two words" C='$x "q"' D= E=a\ b\\c F="a\b\$x\"q\\" G=$'a\tb\n' H='it'\''s'
X="two  words"
export I=$X J="$X"end K="pre$X" L='' M="" N=a"b"c'd'
export "O=quoted whole" P="#no comment" Q=a#b # a comment
export R=* S=/etc/host* T=? U=[a] V="{a..c}" W="{a,b}"
export Y=http://[::1]:5000/v3 Z="a;b&c|d<e>f(g)"
VV={a,b}; export VV
`,
	"tilde": `HOME=/home/me
export A=~/ca.pem B=~ C="~/x" D=x~/y E=/a:~/b F=\~/x G=~nobodyofthatname/x
`,
	"parameters": `X=abcabc; EMPTY=
export A=${X} B=${X:-d} C=${NO:-d} D=${EMPTY:-d} E=${EMPTY-d} F=${NO-d} G=${X:+y} H=${NO:+y} I=${#X}
export J=${X#a*c} K=${X##a*c} L=${X%b*} M=${X%%b*} N=${X/b/-} O=${X//b/-} P=${X:1:2} Q=${X:2} R=${X^} S=${X^^} T=${X: -2}
export U=${NO:=set} V=$NO W="${NO2:-"quoted $X"}" Y=${NO3:-two words} Z="{$X}"
export AA=$X$X BB="$X"_"$X" CC=${X}_y DD=$NOPE EE="${X/abc/}"
N1=X; export HH=${!N1}
`,
	"exporting": `A=1; export A
B=2
export C
C=3
export D=4 E F=5
E=6
unset D
declare -x G=7
typeset -x H=8
set -a
J=10
set +a
K=11
set -o allexport
L=12
set +o allexport
M=13
PRE=14
export PRE
`,
	"already exported": `OS_USERNAME=new
unset OS_TENANT_ID OS_TENANT_NAME
OS_REGION_NAME+=x
`,
	"a dashboard's file": `#!/usr/bin/env bash
# Comment about "quotes" and $dollars
export OS_AUTH_URL=https://cloud.example.org:5000/v3/
export OS_PROJECT_ID=0123456789abcdef
export OS_PROJECT_NAME="my project"
export OS_USER_DOMAIN_NAME="Default"
if [ -z "$OS_USER_DOMAIN_NAME" ]; then unset OS_USER_DOMAIN_NAME; fi
export OS_PROJECT_DOMAIN_ID=""
if [ -z "$OS_PROJECT_DOMAIN_ID" ]; then unset OS_PROJECT_DOMAIN_ID; fi
unset OS_TENANT_ID
unset OS_TENANT_NAME
export OS_USERNAME="me"
echo "Please enter your OpenStack Password for project $OS_PROJECT_NAME as user $OS_USERNAME: "
read -sr OS_PASSWORD_INPUT
export OS_PASSWORD=$OS_PASSWORD_INPUT
export OS_REGION_NAME="RegionOne"
if [ -z "$OS_REGION_NAME" ]; then unset OS_REGION_NAME; fi
export OS_INTERFACE=public
export OS_IDENTITY_API_VERSION=3
`,
	"asking": `read -p "User: " U; read -rsp "Pass: " P; echo; read -r A B C; read D
export U P A B C D
IFS= read -r E
export E
`,
	"answers from here": `read -r A <<< "from  here "
read -r B C <<EOF
one two three
EOF
D=$(cat <<'EOF'
$literal
EOF
)
while read -r k v; do export "K_$k=$v"; done <<EOF
a 1
b 2
EOF
export A B C D
`,
	"clearing, as TripleO": `for key in $( set | awk '{FS="="}  /^OS_/ {print $1}' ); do unset $key ; done
export OS_USERNAME=admin OS_NO_CACHE=True
export PYTHONWARNINGS="ignore:Certificate has no, ignore:A true SSLContext object is not available"
if [ -z "${CLOUDPROMPT_ENABLED:-}" ]; then
    export PS1=${PS1:-""}
    export PS1=\${OS_CLOUDNAME:+"(\$OS_CLOUDNAME)"}\ $PS1
    export CLOUDPROMPT_ENABLED=1
fi
`,
	"clearing, as Juju": `_OS_PARAMS=$(env | awk 'BEGIN {FS="="} /^OS_/ {print $1;}' | paste -sd ' ')
for param in $_OS_PARAMS; do
    if [ "$param" = "OS_AUTH_PROTOCOL" ]; then continue; fi
    if [ "$param" = "OS_CACERT" ]; then continue; fi
    unset $param
done
unset _OS_PARAMS
export OS_REGION_NAME=RegionOne
`,
	"clearing, in other ways": "unset $(env | grep -o '^OS_[A-Z_]*')\n",
	"clearing with compgen":   "for v in $(compgen -v OS_); do unset \"$v\"; done\n",
	"clearing with a prefix":  "unset ${!OS_*}\n",
	"clearing with cut":       "unset `env | grep ^OS_ | cut -d= -f1`\n",
	"clearing by value":       "for i in $(env | grep ^OS_); do unset ${i%%=*}; done\n",
	"a keystonerc of packstack": `unset OS_SERVICE_TOKEN
    export OS_USERNAME=admin
    export OS_PASSWORD='p$w&d!'
    export OS_AUTH_URL=http://192.0.2.7:5000/v3
    export PS1='[\u@\h \W(keystone_admin)]\$ '

export OS_PROJECT_NAME=admin
`,
	"conditions": `X=23
if [ "$X" = 1 ]; then export A=one; elif [[ $X == 2* ]]; then export A=two; else export A=no; fi
[ -n "$X" ] && export B=set || export B=unset
! [ -z "$X" ] && export C=1
case $X in 1) export D=1;; 2?|4) export D=2;; *) export D=other;; esac
[ 3 -gt 2 -a -n x ] && export E=1
[[ $X =~ ^2[0-9]$ && ! $X < 1 ]] && export F=1
[ -e /nonexistent ] || export G=1
[ \( "$X" = 23 \) -o 1 -eq 2 ] && export H=1
test -d / && export I=1
[[ -z $NO || $X -ge 23 ]] && export J=1
if [[ ! -v NO ]]; then export K=1; fi
if (( X > 20 )); then export L=1; fi
[ "$X" == "23" ] && { export M=1; export N=2; }
if [ "$1" == "admin" ]; then export O=admin; else export O="not admin"; fi
[ x"$NO" = x ] && export P=1
[ "!" = "!" ] && export Q=1
case "$X" in [0-9]*) export R=digits ;; esac
[ "$NO" -eq 3 ] 2>/dev/null || export S=1
`,
	"loops": `for i in a b "c d"; do export L="$L<$i>"; [ "$i" = b ] && continue; export M="$M$i"; done
for i in 1 2 3; do if [ $i = 2 ]; then break; fi; N="$N$i"; done
i=0; while [ $i -lt 3 ]; do i=$((i+1)); done; export I=$i
until [ $i -eq 0 ]; do i=$((i-1)); J="$J$i"; done
for ((k=0; k<3; k++)); do K="$K$k"; done
for v in OS_USERNAME OS_REGION_NAME; do export "NEW_$v=${!v}"; done
export N J K
`,
	"functions": `prefix() { local p=$1; shift; for x in "$@"; do export "${p}_$x=1"; done; }
prefix A b c
val() { echo "value of $1"; return 3; }
V=$(val x); S=$?
function deactivate { unset OS_USERNAME; }
p=outer
prefix B d
export V S p COUNT=$#
f() { if [ -n "$1" ]; then return 0; fi; return 1; }
f x && export F1=yes; f || export F2=no
`,
	"substitution": "A=$(echo one; echo two)\nB=`printf '%s-%s\\n' x y`\nC=$(printf '%s\\n' a b c)\nD=\"$(echo \"in  ner\")\"\nE=$(echo $(echo deep))\n" +
		"F=$(basename /x/y.sh .sh)$(dirname /a/b)\nG=$( (echo sub) )\nI=$(exit 3); J=$?\nK=$(echo x >&2; echo y 2>/dev/null)\nL=$(echo gone >/dev/null)\nexport A B C D E F G I J K L\n",
	"arithmetic": `N=5
export A=$((N*2+1)) B=$((N>3 ? 1 : 0)) C=$(( (N-1) / 2 )) D=$((N++)) E=$N F=$((0x10)) G=$((N%4))
let H=N+1; export H
((N+=10)); export I=$N
`,
	"printing": `echo -e "a\tb"; printf '%s\n' "$HOME" >/dev/null; export P=$(printf '%03d' 7)
echo -n "no end"; export E=$(echo -e 'x\ty') F=$(echo -n z) G=$(printf '%s,' a b)
`,
	"subshells":  "A=1; (A=2; export A; exit 5); export S=$? B=$A\n{ C=3; }; export C\n",
	"ends early": "export A=1\nreturn 0\nexport B=2\n",
	"ends in a test": `if [ -z "$NO" ]; then
  echo "NO must be set" >&2
  return 1
fi
export B=2
`,
	"is it sourced": `if [[ "${BASH_SOURCE[0]}" == "${0}" ]]; then
  echo "source me"; exit 1
fi
if [ "$0" = "$BASH_SOURCE" ]; then exit 1; fi
(return 0 2>/dev/null) && export SOURCED=1
export A=1
`,
	"options":                     "set -eu\nset -o pipefail\nset +x\nset +eu\nexport A=1\nshopt -s nullglob\ntrap 'x' EXIT; trap - EXIT\nalias x=y\numask 077\nset -- a b\nexport B=$1-$2-$#\nshift\nexport C=$1\n",
	"one line":                    "export A=1; export B=2;export C=3 && export D=$A$B || export E=1\n",
	"continued":                   "export A=one\\\ntwo B=\\\nthree\nexport \\\n  C=four\nexport D=\"line\nbreak\"\n",
	"odd spacing":                 "\n\n#!/bin/bash\n\t export   A=1   B=2\t\n  \n",
	"no end of line":              "export A=1\nexport B=2",
	"nothing":                     "",
	"assignments for one command": "IFS=, read -r X Y <<< a,b\nexport X Y\nFOO=1 true\nexport BAR=$FOO\n",
	"positional":                  "set -- one two\nfor x in \"$@\"; do A=\"$A[$x]\"; done\nfor x; do B=$B$x; done\nexport A B C=\"$*\"\n",
	"commands that exist":         "command -v sh >/dev/null 2>&1 && export A=1\ncommand -v no-such-command-here >/dev/null || export B=1\ntype sh &>/dev/null && export C=1\n",
	"locale and paths":            "export LANG=C.UTF-8\nexport PATH=$PATH:/opt/bin\nexport PYTHONPATH=${PYTHONPATH:+$PYTHONPATH:}/opt\n",
	"arrays":                      "a=(1 2 \"x y\"); export A=${a[2]} B=${#a[@]} C=${a[*]}\n",
	"eval":                        "n=A; eval \"export $n='x y'\"; eval 'export B=1'; export C=$?\n",
	"quoting in values": `export A=a\'b"c'd"e\"f B=\$HOME C=x\
y D=~/a:~/b:~ E="~/a" F=:~x
G=a\ \ b; export G
`,
	"errexit": "set -e\nfalse || true\nif false; then :; fi\nexport A=1\nset +e\nfalse\nexport B=2\n",
	"the second of two answers": `read -r ans; export OS_USER_ID=$ans; read -r ans; x=$ans; export OS_PROJECT_NAME="$x"
`,
	"unicode":        "export OS_PROJECT_NAME=\"Projekt Ä\" B=日本\n",
	"a missing file": "source ./missing.sh 2>/dev/null\nexport S=$?\n. ./missing.sh || export A=1\n",
	"files": `printf_is_no_program=1
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
[ "$here" = "$PWD_OF_TEST" ] && export HERE=same
source "$here/openrc2.sh" arg
export A=$(cat openrc3.txt) B=$(<openrc3.txt)
read -r C < "$here/openrc3.txt"
export C D=$(cat missing.txt 2>/dev/null)
`,
}

func TestAsBash(t *testing.T) {
	bash, err := exec.LookPath("bash")
	if err != nil {
		t.Skip("needs bash to compare with")
	}
	if out, err := exec.Command(bash, "-c", "echo ${BASH_VERSINFO[0]}").Output(); err != nil || strings.TrimSpace(string(out)) < "4" {
		t.Skip("needs bash 4 or newer")
	}
	for name, text := range likeBash {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			t.Chdir(dir)
			for file, text := range map[string]string{
				"openrc.sh": text, "openrc2.sh": "export FROM2=$1 NAME2=$(basename \"${BASH_SOURCE[0]}\")\nreturn 0\nexport NOT=1\n", "openrc3.txt": "first line\nsecond\n",
			} {
				if err := os.WriteFile(filepath.Join(dir, file), []byte(text), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			env := map[string]string{
				"PATH": os.Getenv("PATH"), "HOME": "/home/me", "PWD_OF_TEST": dir,
				"OS_USERNAME": "old", "OS_TENANT_ID": "old", "OS_TENANT_NAME": "old", "OS_REGION_NAME": "old", "OS_CACERT": "/old", "OS_AUTH_PROTOCOL": "old",
			}
			answers := []string{"ans wer", "s3\\cret", "one  two three four ", "last\\ one", "  blanks  "}
			want := bashEnv(t, bash, dir, env, answers)
			got, err := Read(t.Context(), "./openrc.sh", Options{Env: env, Prompt: &lines{answers}})
			if err != nil {
				t.Fatal(err)
			}
			have := map[string]string{}
			for k, v := range env {
				have[k] = v
			}
			for _, k := range got.Unset {
				delete(have, k)
			}
			for k, v := range got.Vars {
				have[k] = v
			}
			if d := cmp.Diff(want, have); d != "" {
				t.Errorf("(-bash +ours)\n%s", d)
			}
		})
	}
}

// lines answers with one line after the other.
type lines struct{ rest []string }

func (l *lines) Prompt(context.Context, string, bool) (string, error) {
	s := l.rest[0]
	l.rest = l.rest[1:]
	return s, nil
}

// bashEnv is what bash exports after sourcing the openrc.sh in dir.
func bashEnv(t *testing.T, bash, dir string, env map[string]string, answers []string) map[string]string {
	t.Helper()
	dump := filepath.Join(t.TempDir(), "env")
	cmd := exec.Command(bash, "--norc", "-c", `dump=`+dump+`; env=$(command -v env); . ./openrc.sh; "$env" -0 >"$dump"`)
	cmd.Dir = dir
	for k, v := range env {
		cmd.Env = append(cmd.Env, k+"="+v)
	}
	cmd.Stdin = strings.NewReader(strings.Join(answers, "\n") + "\n")
	out, err := cmd.CombinedOutput()
	data, rerr := os.ReadFile(dump)
	if rerr != nil {
		t.Fatalf("bash: %v\n%s", err, out)
	}
	vars := map[string]string{}
	for kv := range strings.SplitSeq(strings.TrimSuffix(string(data), "\x00"), "\x00") {
		k, v, _ := strings.Cut(kv, "=")
		switch k {
		case "_", "PWD", "OLDPWD", "SHLVL":
		default:
			vars[k] = v
		}
	}
	return vars
}
