#!/bin/sh
# usage: release-check.sh DEB
# Installs a .deb into a root of its own, and tries what a user tries first: the
# version, the man page, and completion in bash.
set -eu
deb=$1
root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
fail() { echo "release: $*" >&2; exit 1; }

mkdir -p "$root/var/lib/dpkg/updates" "$root/var/lib/dpkg/info" "$root/var/lib/dpkg/triggers"
: >"$root/var/lib/dpkg/status"
dpkg --root="$root" --force-not-root --force-script-chrootless --log=/dev/null -i "$deb" >/dev/null
PATH="$root/usr/bin:$PATH"
[ "$(command -v galley)" = "$root/usr/bin/galley" ] || fail "galley is not in /usr/bin"

galley version | grep -q snapshot || fail "galley version does not name the snapshot"
if command -v man >/dev/null; then
	MANPATH="$root/usr/share/man" MANWIDTH=80 man -P cat galley | grep -q '^NAME' || fail "man galley shows nothing"
	MANPATH="$root/usr/share/man" man -P cat galley-server-create | grep -q -- '--flavor' || fail "man galley-server-create lacks the flags"
else
	gzip -dc "$root/usr/share/man/man1/galley.1.gz" | grep -q '^.TH' || fail "there is no man page"
fi
# The words of "galley dest<TAB>" and "galley server create --fl<TAB>".
complete='
	lib=/usr/share/bash-completion/bash_completion
	[ ! -r $lib ] || . $lib
	. "$0/usr/share/bash-completion/completions/galley"
	COMP_WORDS=("$@") COMP_CWORD=$(($# - 1)) COMP_LINE="$*" COMP_TYPE=9 COMP_KEY=9
	COMP_POINT=${#COMP_LINE}
	f=$(complete -p galley | sed "s/.*-F \([^ ]*\).*/\1/")
	"$f" galley "${@: -1}" "${@: -2:1}" 2>/dev/null
	printf "%s\n" "${COMPREPLY[@]}"'
bash -c "$complete" "$root" galley dest | grep -q '^destroy' || fail "bash does not complete galley dest"
bash -c "$complete" "$root" galley server create --fl | grep -q '^--flavor' || fail "bash does not complete a flag"
