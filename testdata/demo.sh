#!/bin/sh
# The main job from end to end on the embedded cloud: every line that starts
# with a dollar sign is what you would type yourself.
set -eu

galley=$(cd "$(dirname "$1")" && pwd)/$(basename "$1")
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d "${TMPDIR:-/tmp}/galley-demo.XXXXXX")

export GALLEY_DEVCLOUD_DIR="$work/cloud"
export KITCHEN_GLOBAL_YAML="$here/home/.kitchen/config.yml"

finish() {
	status=$?
	trap - EXIT INT TERM
	"$galley" devcloud down >/dev/null 2>&1 || true
	rm -rf "$work"
	exit $status
}
trap finish EXIT INT TERM

run() {
	printf '\n$ galley %s\n' "$*"
	"$galley" "$@"
}

cp -R "$here/cookbook" "$work/cookbook"
cd "$work/cookbook"

# A cloud on this machine, and its RC file into this shell.
run devcloud up
printf '\n$ . openrc.sh\n'
eval "$("$galley" devcloud env)"

run list
run create -c
printf "\n\$ galley login default-centos-7    # and type:  hostname; whoami; cat /etc/os-release\n"
printf 'hostname; whoami; head -n 2 /etc/os-release; exit\n' | "$galley" login default-centos-7
run exec all -c 'echo "$(whoami) on $(hostname), up and running"'
run list
run devcloud ls
run destroy -c
run list
run devcloud ls
run devcloud down
