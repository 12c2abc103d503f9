# Finds, fetches, checks and installs one package. The variables above say
# which; see plan.go. GALLEY_ROOT, when set, takes the place of / (for tests).
set -u
R=${GALLEY_ROOT:-}
say() { echo "       $*"; }
die() {
	code=$1
	shift
	echo ">>>>>> $*" >&2
	exit "$code"
}
have() { command -v "$1" >/dev/null 2>&1; }

[ -n "$R" ] || [ "$(id -u)" = 0 ] || die 86 "installing a package needs root, and this is the user $(id -un)"
tmp=$(mktemp -d "${TMPDIR:-/tmp}/galley-install.XXXXXX") || die 85 "no temporary directory can be made"
trap 'rm -rf "$tmp"' EXIT
trap 'exit 130' INT TERM HUP

python=
for p in python3 python python2 /usr/libexec/platform-python; do
	if have "$p"; then
		python=$p
		break
	fi
done

# get URL FILE: one attempt. Leaves the HTTP status in $http, 000 when there
# was no answer, and the reason in $tmp/why.
get() {
	http=000
	: >"$tmp/why"
	if have curl; then
		http=$(
			url=$1 file=$2
			eval "set -- $curl_options"
			curl -sSL --connect-timeout 30 "$@" -o "$file" -w '%{http_code}' "$url" 2>"$tmp/why"
		)
		result=$?
		[ $result -eq 0 ] || http=000
	elif have wget; then
		(
			url=$1 file=$2
			eval "set -- $wget_options"
			wget -S -T 30 "$@" -O "$file" "$url" >/dev/null 2>"$tmp/why"
		)
		result=$?
		http=$(sed -n 's/^ *HTTP\/[0-9.]* \([0-9][0-9][0-9]\).*/\1/p' "$tmp/why" | tail -n 1)
		# A wget that shows no headers shows the status in its complaint.
		[ -n "$http" ] || http=$(sed -n 's/.*server returned error: HTTP\/[0-9.]* \([0-9][0-9][0-9]\).*/\1/p' "$tmp/why" | tail -n 1)
		if [ $result -eq 0 ]; then http=200; elif [ "${http:-200}" = 200 ]; then http=000; fi
	elif [ -n "$python" ]; then
		http=$("$python" - "$1" "$2" 2>"$tmp/why" <<'PYTHON'
import sys, shutil
try:
    from urllib.request import urlopen
    from urllib.error import HTTPError
except ImportError:
    from urllib2 import urlopen, HTTPError
try:
    answer = urlopen(sys.argv[1], timeout=60)
    with open(sys.argv[2], "wb") as out:
        shutil.copyfileobj(answer, out)
    sys.stdout.write("200")
except HTTPError as e:
    sys.stdout.write(str(e.code))
except Exception as e:
    sys.stderr.write(str(e))
    sys.stdout.write("000")
PYTHON
)
	elif have perl && perl -MHTTP::Tiny -e 1 2>/dev/null; then
		# What a small Debian with git has.
		http=$(perl - "$1" "$2" 2>"$tmp/why" <<'PERL'
use HTTP::Tiny;
open(my $out, ">:raw", $ARGV[1]) or die "$!\n";
my $answer = HTTP::Tiny->new(timeout => 60, verify_SSL => 1)->get($ARGV[0], {data_callback => sub { print {$out} $_[0] or die "$!\n" }});
close($out) or die "$!\n";
if ($answer->{status} == 599) { print STDERR $answer->{content}; print "000" } else { print $answer->{status} }
PERL
)
	else
		die 80 "this machine has none of curl, wget, python and perl (with HTTP::Tiny) to download with"
	fi
	[ "$http" = 200 ]
}

# fetch URL FILE: several attempts, where another one may help.
fetch() {
	try=1
	while ! get "$1" "$2"; do
		case $http in
		4[0-9][0-9]) [ "$http" = 429 ] || return 1 ;;
		esac
		[ $try -lt 4 ] || return 1
		say "$(reason); trying again"
		sleep $((try * ${GALLEY_PAUSE:-2}))
		try=$((try + 1))
	done
}

reason() {
	if [ "$http" != 000 ]; then echo "the server answered $http"; else tail -n 1 "$tmp/why"; fi
}

# shown URL: without what may hold a key.
shown() { echo "${1%%\?*}" | sed 's,//[^/@]*@,//,'; }

# The platform, in the words of the package index.
field() { sed -n "s/^$1=//p" "$R/etc/os-release" 2>/dev/null | head -n 1 | tr -d "\"'"; }
detect() {
	id=$(field ID)
	release=$(field VERSION_ID)
	case " $id $(field ID_LIKE) " in
	" ubuntu "*) name=ubuntu ;;
	" debian "* | " raspbian "*)
		name=debian
		[ -n "$release" ] || release=$(cat "$R/etc/debian_version" 2>/dev/null)
		release=${release%%.*}
		;;
	" amzn "*) name=amazon ;;
	" fedora "*)
		# Packages for Fedora are those of its descendant.
		name=el
		if [ "${release:-0}" -ge 36 ] 2>/dev/null; then release=9; else release=8; fi
		;;
	" sles "* | " sled "* | *suse*)
		name=sles
		release=${release%%.*}
		;;
	*" rhel "* | *" centos "* | *" fedora "*)
		name=el
		release=${release%%.*}
		;;
	*" ubuntu "*)
		name=ubuntu
		case $(field UBUNTU_CODENAME) in
		bionic) release=18.04 ;; focal) release=20.04 ;; jammy) release=22.04 ;; noble) release=24.04 ;;
		esac
		;;
	*" debian "*)
		name=debian
		release=$(cat "$R/etc/debian_version" 2>/dev/null)
		release=${release%%.*}
		;;
	*)
		# From before os-release.
		if [ -f "$R/etc/redhat-release" ]; then
			name=el
			release=$(sed -n 's/[^0-9]*\([0-9][0-9]*\).*/\1/p' "$R/etc/redhat-release" | head -n 1)
		elif [ -f "$R/etc/lsb-release" ] && grep -q Ubuntu "$R/etc/lsb-release"; then
			name=ubuntu
			release=$(sed -n 's/^DISTRIB_RELEASE=//p' "$R/etc/lsb-release")
		elif [ -f "$R/etc/debian_version" ]; then
			name=debian
			release=$(sed 's/\..*//' "$R/etc/debian_version")
		else
			name=
		fi
		;;
	esac
	[ -n "$platform" ] || platform=$name
	[ -n "$platform_version" ] || platform_version=$release
	if [ -z "$architecture" ]; then
		architecture=$(uname -m)
	fi
	case $architecture in
	amd64) architecture=x86_64 ;;
	arm64) architecture=aarch64 ;;
	i?86) architecture=i386 ;;
	esac
	[ -n "$platform" ] && [ -n "$platform_version" ] ||
		die 81 "this system (${id:-unknown}) is none that packages of $product are made for"
}

# said FILE KEY: a value from the index's answer, lines of text or JSON.
said() {
	v=$(sed -n "s/^$2[[:space:]][[:space:]]*//p" "$1" | head -n 1)
	[ -n "$v" ] || v=$(tr ',{}' '\n\n\n' <"$1" | sed -n 's/^[[:space:]]*"'"$2"'"[[:space:]]*:[[:space:]]*"\([^"]*\)".*/\1/p' | head -n 1 | sed 's,\\/,/,g;s/\\u0026/\&/g')
	printf '%s' "$v" | tr -d '\r'
}

# installed: the version below the root directory, nothing when there is none.
installed() {
	[ -d "$R$root" ] || return 0
	sed -n '1s/^[^ ]* *//p' "$R$root/version-manifest.txt" 2>/dev/null
}

sum() {
	if have sha256sum; then
		sha256sum "$1" | cut -d ' ' -f 1
	elif have shasum; then
		shasum -a 256 "$1" | cut -d ' ' -f 1
	elif have openssl; then
		openssl dgst -sha256 "$1" | sed 's/.*= *//'
	elif [ -n "$python" ]; then
		"$python" -c 'import hashlib,sys; print(hashlib.sha256(open(sys.argv[1],"rb").read()).hexdigest())' "$1"
	fi
}

if [ -n "$script_url" ]; then
	# An installer of the user's own.
	say "Fetching the installer $(shown "$script_url")"
	fetch "$script_url" "$tmp/install.sh" || die 83 "downloading $(shown "$script_url") failed: $(reason)"
	eval "set -- $script_options"
	sh "$tmp/install.sh" "$@" || die 85 "the installer $(shown "$script_url") ended with exit status $?"
	exit 0
fi

if [ -z "$url" ]; then
	detect
	query="p=$platform&pv=$platform_version&m=$architecture${version:+&v=$version}${license:+&license_id=$license}"
	say "Looking for $product ${version:-latest} ($channel) for $platform $platform_version $architecture"
	if ! fetch "$api/$channel/$product/metadata?$query" "$tmp/metadata"; then
		case $http in
		400 | 404) die 82 "there is no package of $product ${version:-latest} for $platform $platform_version $architecture at $(shown "$api")" ;;
		401 | 403) die 82 "$(shown "$api") refuses the licence key ($http)" ;;
		esac
		die 83 "asking $(shown "$api") for the package failed: $(reason)"
	fi
	url=$(said "$tmp/metadata" url)
	sha256=$(said "$tmp/metadata" sha256)
	found=$(said "$tmp/metadata" version)
	[ -n "$url" ] || die 82 "$(shown "$api") names no package of $product ${version:-latest} for $platform $platform_version $architecture"
	[ -n "$sha256" ] || die 84 "$(shown "$api") gives no SHA-256 for the package, so it cannot be trusted"
	if [ -n "$found" ] && [ "$(installed)" = "$found" ]; then
		say "$product $found is installed. Nothing to install"
		exit 0
	fi
fi

mark="$url $sha256"
if [ -d "$R$root" ] && [ "$(cat "$R$root/.galley-package" 2>/dev/null)" = "$(echo "$mark" | sed 's/?[^ ]*//')" ]; then
	say "$(shown "$url") is installed. Nothing to install"
	exit 0
fi

say "Downloading $(shown "$url")"
package=$tmp/$(basename "$(shown "$url")")
fetch "$url" "$package" || die 83 "downloading $(shown "$url") failed: $(reason)"
if [ -n "$sha256" ]; then
	got=$(sum "$package")
	[ -n "$got" ] || die 87 "this machine has no program that computes SHA-256 (sha256sum, shasum, openssl, python)"
	[ "$got" = "$(echo "$sha256" | tr 'A-F' 'a-f')" ] ||
		die 84 "$(shown "$url") has the SHA-256 $got, not $sha256: it was changed or cut off on the way"
	say "Its checksum is right"
else
	say "Its checksum is not verified: the configuration gives none"
fi

# What kind of package it is, by its first bytes.
magic=$(dd if="$package" bs=4 count=1 2>/dev/null | od -An -tx1 | tr -d ' \n')
case $magic in
213c6172)
	have dpkg || die 85 "$(shown "$url") is a package for dpkg, which this machine does not have"
	say "Installing with dpkg"
	try=1
	# On a fresh machine its own updates may hold the lock.
	until DEBIAN_FRONTEND=noninteractive dpkg -i --force-confnew "$package" >"$tmp/log" 2>&1; do
		if ! grep -q 'was locked by another\|[Uu]nable to lock\|[Uu]nable to acquire\|status database is locked' "$tmp/log" || [ $try -ge 60 ]; then
			cat "$tmp/log"
			die 85 "dpkg could not install $(shown "$url")"
		fi
		[ $((try % 6)) -ne 1 ] || say "Another program holds the lock of dpkg; waiting for it"
		sleep "${GALLEY_PAUSE:-5}"
		try=$((try + 1))
	done
	;;
edabeedb)
	have rpm || die 85 "$(shown "$url") is a package for rpm, which this machine does not have"
	say "Installing with rpm"
	try=1
	until rpm -U --oldpackage --replacepkgs "$package" >"$tmp/log" 2>&1; do
		if ! grep -q 'transaction lock\|cannot get .* lock\|Resource temporarily unavailable' "$tmp/log" || [ $try -ge 60 ]; then
			cat "$tmp/log"
			die 85 "rpm could not install $(shown "$url")"
		fi
		[ $((try % 6)) -ne 1 ] || say "Another program holds the lock of rpm; waiting for it"
		sleep "${GALLEY_PAUSE:-5}"
		try=$((try + 1))
	done
	;;
1f8b*)
	have tar && have gzip || die 85 "$(shown "$url") is a tarball, and this machine lacks tar or gzip"
	say "Unpacking"
	# A pipe does not tell that gzip failed.
	gzip -t "$package" 2>"$tmp/log" && gzip -dc "$package" | tar -tf - >"$tmp/list" 2>"$tmp/log" || { cat "$tmp/log"; die 85 "$(shown "$url") cannot be unpacked"; }
	# A tarball holds opt/PRODUCT/..., or bin/... itself, or one directory of it.
	if grep -q "^\(\./\)*${root#/}/" "$tmp/list"; then
		into=$R/ strip=0
	elif grep -q '^\(\./\)*bin/' "$tmp/list"; then
		into=$R$root strip=0
	elif grep -q '^\(\./\)*[^/]*/bin/' "$tmp/list"; then
		into=$R$root strip=1
		if grep -q '^\./' "$tmp/list"; then strip=2; fi
	else
		die 85 "$(shown "$url") holds neither ${root#/}/ nor bin/"
	fi
	mkdir -p "$into" && gzip -dc "$package" | tar -xof - -C "$into" --strip-components=$strip 2>"$tmp/log" ||
		{ cat "$tmp/log"; die 85 "$(shown "$url") could not be unpacked to $into"; }
	;;
*)
	die 85 "$(shown "$url") is neither a deb nor an rpm package nor a gzipped tarball (it begins with $magic)"
	;;
esac
[ -d "$R$root/bin" ] || die 88 "$(shown "$url") is installed, and there is no $root/bin: is this the package of another product?"
echo "$mark" | sed 's/?[^ ]*//' >"$R$root/.galley-package"
say "Installed $product $(installed)"
