#!/usr/bin/env bash
# Runs files in the notation of Bats where Bats itself is not installed, and
# prints TAP. It knows @test, setup, teardown, setup_file, teardown_file, run
# with $status, $output and $lines, skip, load and the BATS_* variables that
# tests use. It needs bash and nothing else.
#
# usage: bash bats.sh FILE.bats...
set -u
[ "$#" -gt 0 ] || { echo "usage: bats.sh FILE.bats..." >&2; exit 2; }

galley_tmp=$(mktemp -d "${TMPDIR:-/tmp}/bats.XXXXXX") || exit 2
trap 'rm -rf "$galley_tmp"' EXIT

export BATS_TMPDIR=${TMPDIR:-/tmp} BATS_RUN_TMPDIR=$galley_tmp BATS_VERSION=1.0.0
export BATS_CWD=$PWD

# translate turns a file into bash, line for line, so that line numbers stay,
# and lists the functions and descriptions of its tests.
translate() {
	local line n=0 description
	local pattern='^[[:blank:]]*@test[[:blank:]]+(.*[^[:blank:]])[[:blank:]]+\{(.*)$'
	: >"$3"
	while IFS= read -r line || [ -n "$line" ]; do
		line=${line%$'\r'}
		if [[ $line =~ $pattern ]]; then
			n=$((n + 1))
			description=${BASH_REMATCH[1]}
			line="galley_test_$n() {${BASH_REMATCH[2]}"
			case $description in
			\"*\" | \'*\') eval "description=$description" ;;
			esac
			printf '%s\n' "$description" >>"$3"
		fi
		printf '%s\n' "$line"
	done <"$1" >"$2"
}

run() {
	local want=any flags=$- code=0
	while [ "$#" -gt 0 ]; do
		case $1 in
		!) want=fail ;;
		-[0-9]*) want=${1#-} ;;
		--separate-stderr | --keep-empty-lines) ;;
		--) shift; break ;;
		*) break ;;
		esac
		shift
	done
	set +eET
	output=$("$@" 2>&1)
	status=$?
	local IFS=$'\n'
	set -f
	# shellcheck disable=SC2206
	lines=($output)
	case $flags in *f*) ;; *) set +f ;; esac
	case $flags in *e*) set -e ;; esac
	case $flags in *E*) set -E ;; esac
	case $flags in *T*) set -T ;; esac
	BATS_RUN_COMMAND=$*
	case $want in
	any) ;;
	fail)
		if [ "$status" -eq 0 ]; then
			echo "run: the command succeeded, and was to fail: $*"
			code=1
		fi
		;;
	*)
		if [ "$status" -ne "$want" ]; then
			echo "run: the command ended with $status, not $want: $*"
			code=1
		fi
		;;
	esac
	return "$code"
}

skip() {
	printf '%s' "${1-}" >"$galley_skipped"
	exit 0
}

load() {
	local file=$1
	case $file in /*) ;; *) file=$BATS_TEST_DIRNAME/$file ;; esac
	[ -f "$file" ] || file=$file.bash
	[ -f "$file" ] || { echo "load: there is no $file" >&2; return 1; }
	# shellcheck disable=SC1090
	source "$file"
}

bats_load_library() { load "$@"; }
bats_require_minimum_version() { :; }
setup() { :; }
teardown() { :; }
setup_file() { :; }
teardown_file() { :; }

note_failure() {
	# The command nearest to the test's own text is the one to show.
	[ -s "$galley_where" ] && return
	local i=0
	while [ "$i" -lt "${#BASH_SOURCE[@]}" ]; do
		if [ "${BASH_SOURCE[$i]}" = "$galley_source" ]; then
			local at=$2
			[ "$i" -gt 0 ] && at=${BASH_LINENO[$((i - 1))]}
			[ "$i" -le 1 ] && at=$2
			printf '# (in test file %s, line %s)\n' "$BATS_TEST_FILENAME" "$at" >"$galley_where"
			sed -n "${at}{s/^[[:blank:]]*//;s/.*/#   \`&' failed/;p;}" "$BATS_TEST_FILENAME" >>"$galley_where"
			return
		fi
		i=$((i + 1))
	done
}

# one runs a single test in a shell of its own.
one() {
	set -eET
	# shellcheck disable=SC2154
	trap 'note_failure "$?" "$LINENO"' ERR
	trap 'galley_status=$?; trap - ERR; set +e; teardown || { [ $galley_status -ne 0 ] || galley_status=1; }; exit $galley_status' EXIT
	BATS_TEST_TMPDIR=$galley_tmp/test-$BATS_TEST_NUMBER
	mkdir -p "$BATS_TEST_TMPDIR"
	setup
	"$1"
}

galley_total=0
i=0
for file in "$@"; do
	i=$((i + 1))
	translate "$file" "$galley_tmp/$i.bash" "$galley_tmp/$i.names"
	galley_total=$((galley_total + $(wc -l <"$galley_tmp/$i.names")))
done
echo "1..$galley_total"

galley_failed=0
galley_number=0
i=0
for file in "$@"; do
	i=$((i + 1))
	(
		BATS_TEST_FILENAME=$file
		BATS_TEST_DIRNAME=$(cd "$(dirname "$file")" && pwd)
		BATS_TEST_FILENAME=$BATS_TEST_DIRNAME/$(basename "$file")
		BATS_FILE_TMPDIR=$galley_tmp/file-$i
		mkdir -p "$BATS_FILE_TMPDIR"
		export BATS_TEST_FILENAME BATS_TEST_DIRNAME BATS_FILE_TMPDIR
		galley_source=$galley_tmp/$i.bash
		galley_where=$galley_tmp/where
		galley_skipped=$galley_tmp/skipped
		number=$galley_number
		failed=0
		broken=
		# Once to see whether it can be read, which the status of source does
		# not tell; bash heeds -e only where the status is not asked for.
		# shellcheck disable=SC1090
		(set -e; source "$galley_source") >"$galley_tmp/out" 2>&1 </dev/null
		[ "$?" -eq 0 ] || broken="the file cannot be read by bash"
		# shellcheck disable=SC1090
		[ -n "$broken" ] || source "$galley_source" >"$galley_tmp/out" 2>&1 </dev/null
		set +e
		if [ -z "$broken" ]; then
			setup_file >>"$galley_tmp/out" 2>&1 || broken="setup_file failed"
		fi
		n=0
		while IFS= read -r name <&3; do
			n=$((n + 1))
			number=$((number + 1))
			if [ -n "$broken" ]; then
				echo "not ok $number $name"
				echo "# $broken"
				sed 's/^/# /' "$galley_tmp/out"
				failed=1
				continue
			fi
			: >"$galley_where"
			rm -f "$galley_skipped"
			(
				BATS_TEST_DESCRIPTION=$name
				BATS_TEST_NAME=galley_test_$n
				BATS_TEST_NUMBER=$n
				BATS_SUITE_TEST_NUMBER=$number
				one "galley_test_$n"
			) 3>&1 >"$galley_tmp/out" 2>&1 </dev/null
			status=$?
			if [ "$status" -ne 0 ]; then
				echo "not ok $number $name"
				cat "$galley_where"
				sed 's/^/# /' "$galley_tmp/out"
				failed=1
			elif [ -e "$galley_skipped" ]; then
				reason=$(cat "$galley_skipped")
				echo "ok $number $name # skip${reason:+ $reason}"
			else
				echo "ok $number $name"
			fi
		done 3<"$galley_tmp/$i.names"
		teardown_file >"$galley_tmp/out" 2>&1 || sed 's/^/# teardown_file: /' "$galley_tmp/out"
		exit "$failed"
	)
	[ "$?" -eq 0 ] || galley_failed=1
	galley_number=$((galley_number + $(wc -l <"$galley_tmp/$i.names")))
done
exit "$galley_failed"
