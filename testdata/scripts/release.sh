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
sh testdata/scripts/release-check.sh "$deb"
(cd dist && sha256sum --quiet -c SHA256SUMS) || { echo "release: checksums differ" >&2; exit 1; }
echo "release: $(ls dist/*.tar.gz dist/*.zip dist/*.deb dist/*.rpm dist/*.apk | wc -l) packages in dist/, the .deb installs and runs"
