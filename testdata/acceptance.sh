#!/bin/sh
# What a cloud must pass, embedded or real. With OS_AUTH_URL or OS_CLOUD set it
# runs against that cloud; else it starts an embedded one. It makes two
# servers at a time, and takes everything away again.
#
# The names of what the cloud offers may be given: ACCEPTANCE_IMAGE,
# ACCEPTANCE_FLAVOR, ACCEPTANCE_NETWORK, ACCEPTANCE_POOL, ACCEPTANCE_USER.
set -eu

galley=$(cd "$(dirname "$1")" && pwd)/$(basename "$1")
work=$(mktemp -d "${TMPDIR:-/tmp}/galley-acceptance.XXXXXX")
passed=0
embedded=

say() { printf '%s\n' "$*"; }
fail() {
	say "FAILED: $*"
	[ ! -f "$work/err" ] || sed 's/^/    /' "$work/err"
	exit 1
}
finish() {
	status=$?
	trap - EXIT INT TERM
	if [ -d "$work/project" ]; then
		(cd "$work/project" && "$galley" destroy all -c) >/dev/null 2>&1 || true
	fi
	[ -z "$embedded" ] || "$galley" devcloud down --wipe >/dev/null 2>&1 || true
	rm -rf "$work"
	[ "$status" -ne 0 ] || say "$passed passed, 0 failed"
	exit $status
}
trap finish EXIT INT TERM

# ok WHAT COMMAND...: the command must succeed.
ok() {
	what=$1
	shift
	"$@" >"$work/out" 2>"$work/err" || fail "$what (exit code $?)"
	passed=$((passed + 1))
	say "ok: $what"
}
# refused WHAT CODE COMMAND...: the command must end with that exit code.
refused() {
	what=$1 want=$2
	shift 2
	code=0
	"$@" >"$work/out" 2>"$work/err" || code=$?
	[ "$code" -eq "$want" ] || fail "$what: exit code $code, want $want"
	passed=$((passed + 1))
	say "ok: $what"
}
# says TEXT: the last command's output must have it.
says() {
	cat "$work/out" "$work/err" | grep -q -- "$1" || fail "no \"$1\" in the output: $(cat "$work/out")"
}

# logged INSTANCE TEXT: the log of the last command that touched it must have it.
logged() {
	grep -q -- "$2" ".kitchen/logs/$1.log" || fail "no \"$2\" in the log of $1: $(cat ".kitchen/logs/$1.log")"
}

if [ -z "${OS_AUTH_URL:-}${OS_CLOUD:-}" ]; then
	embedded=yes
	export GALLEY_DEVCLOUD_DIR="$work/cloud"
	ok "the embedded cloud starts" "$galley" devcloud up
	eval "$("$galley" devcloud env)"
fi
unset KITCHEN_YAML KITCHEN_LOCAL_YAML KITCHEN_GLOBAL_YAML 2>/dev/null || true

mkdir -p "$work/project" "$work/home"
export HOME="$work/home"
cd "$work/project"
cat >kitchen.yml <<END
driver:
  name: openstack
  image_ref: "<%= ENV['WRONG_IMAGE'] || '${ACCEPTANCE_IMAGE:-debian-12}' %>"
  flavor_ref: ${ACCEPTANCE_FLAVOR:-m1.small}
  network_ref: ["${ACCEPTANCE_NETWORK:-net1}"]
  floating_ip_pool: ${ACCEPTANCE_POOL:-public}
  allocate_floating_ip: true
  username: ${ACCEPTANCE_USER:-debian}
  security_groups: [default]
  metadata: {purpose: acceptance}
  cloud_config:
    write_files:
      - path: /etc/galley-was-here
        content: "yes\n"
transport:
  port: <%= ENV['GALLEY_DEVCLOUD_SSH_PORT'] || 22 %>
platforms:
  - name: plain
  - name: with-volume
    driver:
      block_device_mapping:
        make_volume: true
        volume_size: 1
        device_name: vdb
suites:
  - name: default
END

ok "doctor finds nothing" "$galley" doctor --all
ok "create of two at once" "$galley" create -c 2
says "2 instances: 2 passed"
logged default-plain "OpenStack instance <.*> created"
logged default-with-volume "(ssh ready)"
ok "list" "$galley" list
says "default-plain  *Openstack .* Created"
says "default-with-volume  *Openstack .* Created"
ok "exec on both" "$galley" exec all -c 'whoami'
says "default-plain  *${ACCEPTANCE_USER:-debian}"
ok "sudo" "$galley" exec all -c 'sudo id -un'
says root
ok "user data arrived" "$galley" exec default-plain -c 'for i in 1 2 3 4 5 6 7 8 9 10; do cat /etc/galley-was-here 2>/dev/null && exit; sleep 1; done; exit 1'
says yes
ok "the hint for ohai" "$galley" exec default-plain -c 'cat /etc/chef/ohai/hints/openstack.json'
refused "a command's own exit code" 7 "$galley" exec default-plain -c 'exit 7'
printf 'echo in a shell as $(whoami); exit 3\n' >"$work/typed"
refused "login, with the shell's exit code" 3 sh -c '"$1" login default-plain <"$2"' sh "$galley" "$work/typed"
says "in a shell as ${ACCEPTANCE_USER:-debian}"
ok "a second create makes nothing" "$galley" create default-plain
logged default-plain "already exists"
grep -q '^hostname: ' .kitchen/default-plain.yml || fail "no hostname in the state"
grep -q '^last_action: create' .kitchen/default-plain.yml || fail "no last_action in the state"
password=${OS_PASSWORD:-}
# A short password may stand in any word.
if [ "${#password}" -ge 8 ] && grep -rq "$OS_PASSWORD" .kitchen; then fail "the password lies below .kitchen"; fi

# A state that has forgotten the address, as a failed create of the peer leaves it.
sed -i.bak '/^hostname:/d; s/^last_action:.*/last_action:/' .kitchen/default-plain.yml && rm .kitchen/*.bak
ok "a half-known machine is finished" "$galley" create default-plain
ok "and can be used" "$galley" exec default-plain -c true

ok "destroy of one by name" "$galley" destroy default-plain
logged default-plain "OpenStack Floating IP <.*> released."
logged default-plain "OpenStack instance <.*> destroyed."
ok "the other is still there" "$galley" exec default-with-volume -c true

# The peer's destroy leaves no state; the journal still knows everything.
rm .kitchen/default-with-volume.yml
ok "destroy without a state" "$galley" destroy all
[ -z "$(find .kitchen -name '*.yml')" ] || fail "a state file is left: $(find .kitchen -name '*.yml')"
[ -z "$(find .kitchen/galley -name '*.json' -o -name '*.pem')" ] || fail "a journal or key is left"
refused "exec without a machine" 20 "$galley" exec default-plain -c true
says "has not been created"

refused "an image that is not there" 20 env WRONG_IMAGE=no-such-image "$galley" create default-plain
says 'no-such-image'
refused "a wrong password" 20 env OS_PASSWORD=wrong-password-for-sure OS_APPLICATION_CREDENTIAL_ID= "$galley" create default-plain
says "cannot log in"
ok "destroy after failures" "$galley" destroy all

ok "nothing is left on the cloud" "$galley" destroy --orphans --dry-run
[ ! -s "$work/out" ] || fail "left on the cloud: $(cat "$work/out")"
