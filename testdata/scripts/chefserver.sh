#!/bin/sh
# Runs the tests against a real Chef Server: usage chefserver.sh [GO].
set -eu
go=${1:-go}
if ! command -v goiardi >/dev/null; then
	if ! command -v apt-get >/dev/null; then
		echo "goiardi is not installed, and there is no apt-get to install it with:" >&2
		echo "put a goiardi on the PATH (https://goiardi.io) and run this again." >&2
		exit 1
	fi
	sudo=
	[ "$(id -u)" = 0 ] || sudo=sudo
	$sudo apt-get install -y --no-install-recommends goiardi
fi
GALLEY_TEST_CHEFSERVER=$(command -v goiardi)
export GALLEY_TEST_CHEFSERVER
exec "$go" test -count=1 -v -run Goiardi ./internal/bootstrap/... ./internal/cli
