#!/bin/sh
# Generates what goes into the packages beside the binary: completions and man
# pages, in bin/release.
set -eu
dir=bin/release
rm -rf "$dir"
mkdir -p "$dir/completions" "$dir/man"
# The flags of the release builds, so that their compiled packages are shared.
CGO_ENABLED=0 ${GO:-go} build -trimpath -o "$dir/galley" ./cmd/galley
"$dir/galley" docs completions "$dir/completions"
"$dir/galley" docs man "$dir/man"
gzip -n -9 "$dir"/man/*.1
