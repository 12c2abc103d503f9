#!/bin/sh
# Prints which share of the Ruby interpreter's statements real files run: the
# kitchen files and knife.rb of the folder $1, and the forms of metadata.rb,
# Berksfile, Policyfile, knife.rb and kitchen.yml in the repository.
# Fails below $2 percent.
set -eu
corpus=$1 least=${2:-60}
profile=$(mktemp)
trap 'rm -f "$profile"' EXIT
GALLEY_CORPUS=$corpus go test -count=1 -run 'TestCorpus|TestForms' -coverpkg=./internal/ruby -coverprofile="$profile" \
	./internal/config/erb ./internal/config/knife ./internal/ruby >/dev/null
share=$(go tool cover -func="$profile" | awk 'END { sub("%", "", $NF); print $NF }')
echo "real files run $share % of the statements of internal/ruby"
if [ -n "${3:-}" ]; then go tool cover -func="$profile" | awk '$NF == "0.0%"'; fi
awk -v share="$share" -v least="$least" 'BEGIN { exit share + 0 < least }'
