#!/bin/sh
# Runs gophercloud's own acceptance tests against the embedded cloud and prints
# how many of each service's pass.
#
#   clients.sh GALLEY [SERVICE...]
#
# The tests are those of the gophercloud version in go.mod. Each service gets a
# fresh cloud without guests, each test a process of its own, so that one that
# panics does not take the others with it. clients.expected names the tests, by
# regular expressions, that cannot pass here, with the reason. Exit code 1: another test failed.
# KEEP=DIR keeps the tests' output and the compiled tests, which saves the
# compilation the next time. RUN=PATTERN runs the tests whose names match.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
galley=$(cd "$(dirname "$1")" && pwd)/$(basename "$1")
shift
[ $# -gt 0 ] || set -- blockstorage compute identity image networking objectstorage placement
work=$(mktemp -d)
keep=${KEEP:-$work}
mkdir -p "$keep"
module=$(cd "$here/../.." && go mod download -json github.com/gophercloud/gophercloud/v2 | sed -n 's/^\t"Dir": "\(.*\)",*$/\1/p')
cleanup() {
    for dir in "$work"/*/cloud; do
        [ ! -d "$dir" ] || "$galley" devcloud --dir "$dir" down --wipe >/dev/null 2>&1 || true
    done
    rm -rf "$work"
}
trap cleanup EXIT
trap 'exit 130' INT TERM

# packages SERVICE: the folders of its tests; those of APIs that OpenStack
# itself has removed are left out.
packages() {
    (cd "$module/internal/acceptance/openstack" && find "$1" -name '*_test.go' -exec dirname {} + | sort -u) |
        grep -v -e '^blockstorage/v2' -e '^identity/v2' -e noauth
}

# run SERVICE: a line a test into SERVICE.results: SERVICE TEST pass|fail|skip.
run() {
    service=$1
    mkdir -p "$work/$service"
    "$galley" devcloud --dir "$work/$service/cloud" up --guests none --build-delay 100ms >"$keep/$service.up" 2>&1 ||
        { cat "$keep/$service.up" >&2; return 1; }
    eval "$("$galley" devcloud --dir "$work/$service/cloud" env --admin)"
    OS_IMAGE_ID=71c2f0de-0b64-4a5e-a3b8-1c6de2f4a903 OS_FLAVOR_ID=1 OS_FLAVOR_ID_RESIZE=2
    OS_POOL_NAME=public OS_EXTGW_ID=5cb24fbe-9c2a-4a3b-8f0e-6f8d2a4e1c33 OS_NETWORK_NAME=net1 OS_BRANCH=master OS_DOMAIN_ID=default
    unset OS_PROJECT_ID OS_TENANT_ID
    export OS_DOMAIN_ID OS_IMAGE_ID OS_FLAVOR_ID OS_FLAVOR_ID_RESIZE OS_POOL_NAME OS_EXTGW_ID OS_NETWORK_NAME OS_BRANCH
    : >"$keep/$service.results"
    for package in $(packages "$service"); do
        name=$(echo "$package" | tr / -)
        [ -x "$keep/$name.test" ] ||
            (cd "$module" && go test -c -tags acceptance -o "$keep/$name.test" "./internal/acceptance/openstack/$package")
        for test in $("$keep/$name.test" -test.list "${RUN:-.}"); do
            if "$keep/$name.test" -test.v -test.timeout 120s -test.run "^$test\$" >"$keep/$name.$test.log" 2>&1; then
                result=pass
                ! grep -q "^--- SKIP: $test " "$keep/$name.$test.log" || result=skip
            else
                result=fail
            fi
            echo "$service $test $result" >>"$keep/$service.results"
        done
    done
}

for service; do
    run "$service" &
done
wait
for service; do cat "$keep/$service.results"; done >"$work/results"
awk -v services="$*" '
    FNR == NR { if ($0 !~ /^#/ && NF) { patterns = patterns "|" $1 " " $2 } next }
    { n[$1 " " $3]++; hopeless = ($1 " " $2) ~ ("^(" substr(patterns, 2) ")$") }
    $3 == "fail" && !hopeless { bad = bad "unexpected failure: " $1 " " $2 "\n" }
    $3 == "fail" && hopeless { n[$1 " expected"]++ }
    $3 == "pass" && hopeless { bad = bad "passes, though expected to fail: " $1 " " $2 "\n" }
    END {
        printf "%-14s %6s %6s %9s %7s\n", "service", "passed", "failed", "expected", "skipped"
        count = split(services, s, " ")
        for (i = 1; i <= count; i++) {
            printf "%-14s %6d %6d %9d %7d\n", s[i], n[s[i] " pass"], n[s[i] " fail"] - n[s[i] " expected"], n[s[i] " expected"], n[s[i] " skip"]
        }
        printf "%s", bad
        exit bad != ""
    }' "$here/clients.expected" "$work/results"
