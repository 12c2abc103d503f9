#!/bin/sh
# Generates what goes into the packages beside the binary: completions and man
# pages, in bin/release.
set -eu
dir=bin/release
rm -rf "$dir"
mkdir -p "$dir/completions" "$dir/man"
CGO_ENABLED=0 ${GO:-go} build -o "$dir/galley" ./cmd/galley
"$dir/galley" docs completions "$dir/completions"
"$dir/galley" docs man "$dir/man"
gzip -n -9 "$dir"/man/*.1
