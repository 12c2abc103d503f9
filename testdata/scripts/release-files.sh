#!/bin/sh
# Generates what goes into the packages beside the binary: completions and man
# pages, in bin/release.
set -eu
dir=bin/release
rm -rf "$dir"
mkdir -p "$dir/completions" "$dir/man"
CGO_ENABLED=0 ${GO:-go} build -o "$dir/galley" ./cmd/galley
"$dir/galley" completion bash >"$dir/completions/galley.bash"
"$dir/galley" completion zsh >"$dir/completions/_galley"
"$dir/galley" completion fish >"$dir/completions/galley.fish"
"$dir/galley" completion powershell >"$dir/completions/galley.ps1"
"$dir/galley" docs man "$dir/man"
gzip -n -9 "$dir"/man/*.1
