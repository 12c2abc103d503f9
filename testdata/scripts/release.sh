#!/bin/sh
# Builds every archive and package of a release into dist/ without publishing,
# installs the .deb into a root of its own, and tries what a user tries first.
set -eu
export GOFLAGS=
tool="${GO:-go} tool -modfile=.ci/release/go.mod"
# goreleaser calls this by name.
mkdir -p bin/tools
${GO:-go} build -modfile=.ci/release/go.mod -o bin/tools/ github.com/CycloneDX/cyclonedx-gomod/cmd/cyclonedx-gomod
PATH="$PWD/bin/tools:$PATH" $tool goreleaser release --snapshot --clean

arch=$(${GO:-go} env GOARCH)
deb=$(ls dist/*_linux_"$arch".deb)
root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
mkdir -p "$root/var/lib/dpkg/updates" "$root/var/lib/dpkg/info" "$root/var/lib/dpkg/triggers"
: >"$root/var/lib/dpkg/status"
dpkg --root="$root" --force-not-root --force-script-chrootless --log=/dev/null -i "$deb" >/dev/null

fail() { echo "release: $*" >&2; exit 1; }
"$root/usr/bin/galley" version | grep -q snapshot || fail "galley version does not name the snapshot"
if command -v man >/dev/null; then
	MANPATH="$root/usr/share/man" man -P cat galley | grep -q 'galley' || fail "man galley shows nothing"
else
	gzip -dc "$root/usr/share/man/man1/galley.1.gz" | grep -q '^.TH' || fail "there is no man page"
fi
bash -c '
	. "$0/usr/share/bash-completion/completions/galley"
	complete -p galley >/dev/null
' "$root" || fail "the completion for bash does not load"
"$root/usr/bin/galley" __complete create 2>/dev/null | tail -n 1 | grep -q '^:' || fail "completion does not answer"
(cd dist && sha256sum --quiet -c SHA256SUMS) || fail "checksums differ"
echo "release: $(ls dist/*.tar.gz dist/*.zip dist/*.deb dist/*.rpm dist/*.apk | wc -l) packages in dist/, the .deb installs and runs"
