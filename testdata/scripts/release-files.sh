#!/bin/sh
# Generates what goes into the packages beside the binary: completions and man
# pages, in bin/release.
set -eu
dir=bin/release
rm -rf "$dir"
mkdir -p "$dir/completions" "$dir/man"
# The flags of the release builds, so that their compiled packages are shared.
CGO_ENABLED=0 ${GO:-go} build -trimpath -o "$dir/galley" ./cmd/galley
for shell in bash:galley.bash zsh:_galley fish:galley.fish powershell:galley.ps1; do
	"$dir/galley" completion "${shell%%:*}" >"$dir/completions/${shell#*:}"
done
GALLEY_MAN_DIR="$PWD/$dir/man" GALLEY_VERSION=$("$dir/galley" version | sed 's/.* //') GALLEY_MAN_DATE=$(git log -1 --format=%cs) \
	${GO:-go} test -count=1 -run TestManPages ./internal/cli
gzip -n -9 "$dir"/man/*.1
