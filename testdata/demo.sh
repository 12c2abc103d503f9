#!/bin/sh
# The main job from end to end on the embedded cloud: every line that starts
# with a dollar sign is what you would type yourself. It needs no network: where
# the client of Cinc would be downloaded, a stand-in is.
set -eu

galley=$(cd "$(dirname "$1")" && pwd)/$(basename "$1")
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d "${TMPDIR:-/tmp}/galley-demo.XXXXXX")
mirror=

export GALLEY_DEVCLOUD_DIR="$work/cloud"
export KITCHEN_GLOBAL_YAML="$here/home/kitchen.yml"

finish() {
	status=$?
	trap - EXIT INT TERM
	"$galley" devcloud down >/dev/null 2>&1 || true
	[ -z "$mirror" ] || kill "$mirror" 2>/dev/null || true
	rm -rf "$work"
	exit $status
}
trap finish EXIT INT TERM

say() { printf '\n'; printf '# %s\n' "$@"; }
run() {
	printf '\n$ galley'
	for word in "$@"; do
		case $word in
		*[!A-Za-z0-9_.=-]*) printf " '%s'" "$word" ;;
		*) printf ' %s' "$word" ;;
		esac
	done
	printf '\n'
	"$galley" "$@"
}

# A mirror with one package, made on the spot.
(cd "$here/.." && ${GO:-go} build -o "$work/serve" ./internal/testing/standin/serve)
"$work/serve" >"$work/mirror" &
mirror=$!
while [ ! -s "$work/mirror" ] && kill -0 "$mirror"; do sleep 0.1; done
DEMO_MIRROR=$(cat "$work/mirror")
export DEMO_MIRROR

cp -R "$here/cookbook" "$work/cookbook"
cd "$work/cookbook"

say "A cloud on this machine, and its RC file into this shell. Its guests share this" \
	"machine's network, since the mirror of packages is on its loopback."
run devcloud up --guest-network host
printf '\n$ . openrc.sh\n'
eval "$("$galley" devcloud env)"

say "Two suites: a cookbook on two platforms, and a script on one."
run list
run create -c
printf "\n\$ galley login default-centos-7    # and type:  hostname; whoami; cat /etc/os-release\n"
printf 'hostname; whoami; head -n 2 /etc/os-release; exit\n' | "$galley" login default-centos-7
run exec all -c 'echo "$(whoami) on $(hostname), up and running"'

# Without namespaces guests run on this machine itself: nothing may be installed.
isolated=yes
if "$galley" devcloud status | grep -q 'in mode directory'; then isolated=no; fi

if [ $isolated = yes ]; then
	say "Converge: the client is installed from a mirror, its checksum verified. So that this" \
		"works without a network, the package on that mirror ($DEMO_MIRROR) is a stand-in," \
		"a shell script that says so. With the key omnitruck_url left out it is Cinc itself."
	run converge -c
	say "Nothing has changed: nothing is installed or sent again."
	run converge default-centos-7
	run verify -c
else
	say "This machine has no namespaces to put guests in, so that they are plain directories on" \
		"it, and what a cookbook installs would be installed here: converge and verify are left out."
fi
run list
run devcloud ls
run destroy -c
run list

if [ $isolated = yes ]; then
	say "All of it in one command, from nothing to nothing."
	run test script
fi
run devcloud ls
run devcloud down
say "Next: the same in a project of yours. Put bin/galley on the PATH, source your cloud's RC" \
	"file (or start a cloud like this one: galley devcloud up), then galley init, galley test."
