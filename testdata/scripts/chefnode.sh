#!/bin/sh
# A server that becomes a node of a real Chef Server and goes again without
# remainder: usage chefnode.sh GALLEY. With OS_AUTH_URL or OS_CLOUD set it runs
# against that cloud; else it starts an embedded one. The Chef Server is goiardi,
# in memory, and the client is a stand-in from a package index that this script
# serves; both listen on CHEFNODE_ADDRESS, which the cloud's guests must reach
# (default 127.0.0.1, which those of the embedded one do).
#
# What the cloud offers may be named: ACCEPTANCE_IMAGE, ACCEPTANCE_FLAVOR,
# ACCEPTANCE_NETWORK, ACCEPTANCE_USER.
set -eu

galley=$(cd "$(dirname "$1")" && pwd)/$(basename "$1")
work=$(mktemp -d "${TMPDIR:-/tmp}/galley-chefnode.XXXXXX")
address=${CHEFNODE_ADDRESS:-127.0.0.1}
name=chefnode-$$
passed=0
embedded=
pids=

say() { printf '%s\n' "$*"; }
fail() {
	say "FAILED: $*"
	for f in out err; do [ ! -f "$work/$f" ] || sed 's/^/    /' "$work/$f"; done
	exit 1
}
finish() {
	status=$?
	trap - EXIT INT TERM
	"$galley" server delete "$name" --purge -y >/dev/null 2>&1 || true
	[ -z "$embedded" ] || "$galley" devcloud down --wipe >/dev/null 2>&1 || true
	for p in $pids; do kill "$p" 2>/dev/null || true; done
	rm -rf "$work"
	[ "$status" -ne 0 ] || say "$passed passed, 0 failed"
	exit $status
}
trap finish EXIT INT TERM

for tool in goiardi python3; do
	command -v $tool >/dev/null || { say "$tool is needed"; exit 1; }
done

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
	cat "$work/out" "$work/err" | grep -q -- "$1" || fail "no \"$1\" in the output"
}
# gone WHAT: nothing of the server is on the cloud. The stock client looks as
# well, where there is one.
gone() {
	for noun in server floating-ip volume keypair; do
		"$galley" $noun list --format json >"$work/list" || fail "$noun list"
		! grep -q "$name" "$work/list" || fail "$1: a $noun is left"
	done
	if [ -n "$server" ] && command -v openstack >/dev/null; then
		openstack server list -f value | grep "$name" && fail "$1: a server is left"
		[ -z "$(openstack port list --device-id "$server" -f value)" ] || fail "$1: a port is left"
		openstack floating ip list --long -f value | grep "instance=$name" && fail "$1: a floating IP is left"
		openstack keypair list -f value | grep "$name" && fail "$1: a key pair is left"
		openstack volume list --long -f value | grep "$name" && fail "$1: a volume is left"
	fi
	refused "$1: the Chef Server has no node" 1 "$galley" node show "$name"
	"$galley" client list >"$work/list" || fail "client list"
	! grep -q "$name" "$work/list" || fail "$1: a client is left"
}
server=

if [ -z "${OS_AUTH_URL:-}${OS_CLOUD:-}" ]; then
	embedded=yes
	export GALLEY_DEVCLOUD_DIR="$work/cloud"
	ok "the embedded cloud starts" "$galley" devcloud up
	eval "$("$galley" devcloud env)"
fi

# The Chef Server.
mkdir -p "$work/goiardi" "$work/index/stable/cinc" "$work/package/opt/cinc/bin" "$work/home/.chef"
free() { python3 -c "import socket,sys; s=socket.socket(); s.bind((sys.argv[1],0)); print(s.getsockname()[1])" "$address"; }
port=$(free)
(cd "$work/goiardi" && exec goiardi -A -I "$address" -H "$address" -P "$port" --conf-root="$work/goiardi") >"$work/goiardi.log" 2>&1 &
pids="$pids $!"
# The package index, with a client that shows what it was given.
cat >"$work/package/opt/cinc/bin/cinc-client" <<'CLIENT'
#!/bin/sh
set -e
cat /etc/cinc/client.rb /etc/cinc/first-boot.json
grep -q 'PRIVATE KEY' /etc/cinc/client.pem
if grep -q 'recipe\[broken\]' /etc/cinc/first-boot.json; then exit 3; fi
echo "stand-in client done as $(id -un)"
CLIENT
chmod 755 "$work/package/opt/cinc/bin/cinc-client"
tar -C "$work/package" -czf "$work/index/cinc.tar.gz" opt
index=http://$address:$(free)
printf 'sha256\t%s\nurl\t%s/cinc.tar.gz\nversion\t18.4.12\n' "$(sha256sum <"$work/index/cinc.tar.gz" | cut -d' ' -f1)" "$index" >"$work/index/stable/cinc/metadata"
(cd "$work/index" && exec python3 -m http.server --bind "$address" "${index##*:}") >"$work/index.log" 2>&1 &
pids="$pids $!"
tries=0
until [ -s "$work/goiardi/admin.pem" ] && python3 -c "import urllib.request as u,sys; u.urlopen(sys.argv[1]).read()" "$index/stable/cinc/metadata" 2>/dev/null; do
	tries=$((tries + 1))
	[ "$tries" -lt 300 ] || fail "goiardi or the package index does not come up: $(cat "$work/goiardi.log" "$work/index.log")"
	sleep 0.1
done

export HOME="$work/home"
unset XDG_STATE_HOME CHEF_PROFILE KNIFE_HOME 2>/dev/null || true
cat >"$HOME/.chef/knife.rb" <<END
chef_server_url 'http://$address:$port'
node_name 'admin'
client_key '$work/goiardi/admin.pem'
knife[:image] = '${ACCEPTANCE_IMAGE:-debian-12}'
knife[:flavor] = '${ACCEPTANCE_FLAVOR:-m1.small}'
knife[:network_ids] = '${ACCEPTANCE_NETWORK:-net1}'
knife[:ssh_user] = '${ACCEPTANCE_USER:-debian}'
knife[:ssh_port] = ENV['GALLEY_DEVCLOUD_SSH_PORT'] || 22
knife[:bootstrap_product] = 'cinc'
knife[:omnitruck_url] = '$index'
END
if [ -n "$embedded" ] && command -v chef-client cinc-client >/dev/null 2>&1; then
	# Guests of the embedded cloud see this machine's programs, and a client
	# that is there is not replaced.
	cat >>"$HOME/.chef/knife.rb" <<END
knife[:bootstrap_install_command] = "(curl -fsS $index/cinc.tar.gz || wget -qO- $index/cinc.tar.gz) | tar xz -C /"
chef_client_path '/opt/cinc/bin/cinc-client'
END
fi

ok "a server becomes a node" "$galley" server create -N "$name" -a -r 'recipe[base],role[web]' -E production -j '{"purpose": "chefnode"}' --tags a,b --hint openstack
says "^Floating IP Address: "
says "^Waiting for sshd to host (.*done$"
says "^Creating new client for $name"
says "] stand-in client done as root"
says "\] chef_server_url *\"http://$address:$port\""
server=$(sed -n 's/^Instance ID  *//p' "$work/out")
ip=$(sed -n 's/^Floating IP Address: //p' "$work/err")
key=$(sed -n 's/^Key File  *//p' "$work/out")

ok "the Chef Server lists it" "$galley" node list
says "^$name$"
ok "with its run list, environment and attributes" "$galley" node show "$name" --format json
for text in '"production"' '"recipe\[base\]"' '"role\[web\]"' '"chefnode"'; do says "$text"; done
if command -v ssh >/dev/null; then
	ok "the machine is laid out as a node" ssh -i "$key" -p "${GALLEY_DEVCLOUD_SSH_PORT:-22}" -o IdentitiesOnly=yes -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null \
		"${ACCEPTANCE_USER:-debian}@$ip" 'sudo cat /etc/cinc/client.rb /etc/cinc/ohai/hints/openstack.json && sudo stat -c %a /etc/cinc/client.pem'
	says "node_name *\"$name\""
	says '^600$'
fi
refused "the name is taken now" 20 "$galley" server create -N "$name"
says "is there already"

ok "it is deleted and purged" "$galley" server delete "$name" --purge -y
says "^Deleted node $name"
says "^Deleted client $name"
gone "after the delete"

refused "a first run that fails" 20 "$galley" server create -N "$name" -a -r 'recipe[broken]'
says "^Taking back what was made for $name"
gone "after a failed create"
ok "and nothing is an orphan" "$galley" server delete --orphans --dry-run
[ ! -s "$work/out" ] || fail "there are orphans"
