#!/bin/sh
# Compares Galley's listings with the stock `openstack` client's (Debian: python3-openstackclient) on the same cloud,
# field by field, and `galley network create` with what five of its commands show.
#
#   listings.sh [GALLEY]
#
# GALLEY is the program to test; without one it is built from the tree this file lies in. With OS_AUTH_URL or OS_CLOUD
# set it goes against that cloud, where it makes a network, three servers, volumes, floating IPs and the like and
# removes them again; else against an embedded one that it starts. LISTINGS_IMAGE and LISTINGS_FLAVOR name what servers
# are made of (default debian-12 and m1.tiny). Exit code 77: the client is not installed.
set -eu

client=$(command -v openstack) || { echo "listings.sh: python3-openstackclient is not installed: skipped" >&2; exit 77; }
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
galley=${1:-}
embedded=
cleanup() {
    [ -z "$embedded" ] || "$galley" devcloud down --wipe >/dev/null 2>&1 || true
    rm -rf "$work"
}
trap cleanup EXIT
trap 'exit 130' INT TERM
if [ -z "$galley" ]; then
    (cd "$here/../.." && go build -o "$work/galley" ./cmd/galley)
    galley=$work/galley
fi
if [ -z "${OS_AUTH_URL:-}${OS_CLOUD:-}" ]; then
    embedded=yes
    GALLEY_DEVCLOUD_DIR=$work/cloud
    export GALLEY_DEVCLOUD_DIR
    "$galley" devcloud up --guests none --build-delay 300ms >"$work/up.log" 2>&1 || { cat "$work/up.log" >&2; exit 1; }
    . "$GALLEY_DEVCLOUD_DIR/openrc.sh"
fi
XDG_STATE_HOME=$work/state
export XDG_STATE_HOME

# The client is a Python program: one interpreter for all commands saves a minute. It is the one of its first line.
python=$(sed -n '1s/^#! *//p' "$client")
GALLEY=$galley WORK=$work ${python:-python3} - <<'EOP'
import contextlib, io, json, os, subprocess, sys, time
from openstackclient import shell

galley, work = os.environ["GALLEY"], os.environ["WORK"]
image, flavor = os.environ.get("LISTINGS_IMAGE", "debian-12"), os.environ.get("LISTINGS_FLAVOR", "m1.tiny")
mark = "listings-%d" % os.getpid()
checked, wrong = 0, []

def openstack(*words, fails=False):
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            code = shell.main(list(words))
        except SystemExit as e:
            code = e.code or 0
    if code and not fails:
        raise Exception("openstack %s: %s%s" % (" ".join(words), out.getvalue(), err.getvalue()))
    return out.getvalue()

def theirs(*words):
    return json.loads(openstack(*words, "-f", "json") or "null")

def made(*words):
    return theirs(*words)["id"]

def run(*words):
    p = subprocess.run([galley, *words], capture_output=True, text=True)
    return p.returncode, p.stdout, p.stderr

def ours(*words):
    code, out, err = run(*words, "--format", "json")
    if code:
        raise Exception("galley %s: %s%s" % (" ".join(words), out, err))
    return json.loads(out)

def same(what, mine, other):
    global checked
    checked += 1
    if mine != other:
        wrong.append("%s: galley has %r, openstack %r" % (what, mine, other))

def compare(what, mine, other, fields, key="id", other_key="ID"):
    """Each row of one list has its like in the other, and each field is the same."""
    a, b = {r[key]: r for r in mine}, {r[other_key]: r for r in other}
    same(what + ": rows", sorted(a), sorted(b))
    same(what + ": no row twice", len(a), len(mine))
    for k in sorted(set(a) & set(b)):
        for name, theirs_of in fields.items():
            same("%s %s: %s" % (what, k, name), a[k][name], theirs_of(b[k]))

def wait(what, done):
    end = time.monotonic() + 180
    while not done():
        if time.monotonic() > end:
            raise Exception("%s did not come about within 3 minutes" % what)
        time.sleep(0.5)

def text(v):
    return v or ""

def pick(name):
    return lambda r: r[name]

# What is made, newest first: each is removed at the end whatever happens.
undo = []
def keep(*words):
    undo.insert(0, words)

def status(kind, ref):
    return lambda: theirs(kind, "show", ref)["status"].lower()

def build():
    external = [n for n in theirs("network", "list", "--long") if n["Router Type"] in ("External", True)]
    pool = external[0]["Name"]
    net = ours("network", "create", mark, "--subnet", "10.213.0.0/24", "--router", mark, "--external", pool, "--dns", "10.213.0.53")
    undo.insert(0, ("galley", "network", "delete", mark))
    network(net, pool)
    key = os.path.join(work, "key")
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key], check=True)
    openstack("keypair", "create", "--public-key", key + ".pub", mark)
    keep("keypair", "delete", mark)

    empty = made("security", "group", "create", mark + "-empty")
    keep("security", "group", "delete", empty)
    for rule in theirs("security", "group", "rule", "list", empty):
        openstack("security", "group", "rule", "delete", rule["ID"])
    group = made("security", "group", "create", "--description", "some rules", mark)
    keep("security", "group", "delete", group)
    for rule in (["--protocol", "tcp", "--dst-port", "80:443", "--remote-ip", "192.0.2.0/24", "--description", "web"],
                 ["--protocol", "icmp", "--icmp-type", "0", "--icmp-code", "0"], ["--protocol", "icmp"],
                 ["--protocol", "udp", "--ethertype", "IPv6", "--dst-port", "53", "--remote-ip", "2001:db8::/32"],
                 ["--protocol", "tcp", "--remote-group", empty], ["--protocol", "112"], ["--egress", "--protocol", "tcp", "--dst-port", "25"]):
        openstack("security", "group", "rule", "create", *rule, group)

    data = made("volume", "create", "--size", "1", "--description", "two\nlines", mark)
    keep("volume", "delete", data)
    create = ["server", "create", "--flavor", flavor, "--image", image, "--network", net["network_id"], "--key-name", mark, "--security-group", group]
    web = made(*create, mark + "-web")
    keep("server", "delete", "--wait", web)
    disk = made(*create, "--boot-from-volume", "4", mark + "-disk")
    keep("server", "delete", "--wait", disk)
    bare = made(*create, mark + "-no-such-image")
    keep("server", "delete", "--wait", bare)
    for s in (web, disk, bare):
        wait("server " + s, lambda: status("server", s)() in ("active", "error"))
        wait("addresses of " + s, lambda: theirs("server", "show", s)["addresses"])
    # The disk of the server that is booted from one outlives it.
    wait("disk", lambda: theirs("server", "show", disk)["volumes_attached"])
    for v in theirs("server", "show", disk)["volumes_attached"]:
        undo.append(("volume", "delete", v["id"]))
    wait("volume", lambda: status("volume", data)() == "available")
    openstack("server", "add", "volume", web, data)
    wait("attachment", lambda: status("volume", data)() == "in-use")

    first, second = ours("floating-ip", "allocate", "--pool", pool), ours("floating-ip", "allocate", "--pool", pool)
    for f in (first, second):
        undo.insert(0, ("galley", "floating-ip", "release", "-y", f["id"]))
        shown = theirs("floating", "ip", "show", f["id"])
        same("floating-ip allocate: address", f["floating_ip"], shown["floating_ip_address"])
        same("floating-ip allocate: pool", f["pool"], pool)
    code, out, err = run("floating-ip", "associate", first["floating_ip"], "--instance-id", mark + "-web")
    same("floating-ip associate", (code, out), (0, "Floating IP %s associated with Instance %s\n" % (first["floating_ip"], web)))
    wait("floating IP", lambda: theirs("floating", "ip", "show", first["id"])["port_id"])
    code, out, err = run("floating-ip", "associate", first["floating_ip"], "--instance-id", mark + "-disk")
    same("associate of one in use is refused", (code, mark + "-web" in err), (20, True))
    code, out, err = run("network", "delete", mark)
    same("delete of a network in use is refused", (code, all(mark + n in err for n in ("-web", "-disk", "-no-such-image"))), (20, True))
    return web, pool

def network(net, pool):
    """What network create has made is what the five commands would have."""
    n = theirs("network", "show", net["network_id"])
    same("network create: name", n["name"], mark)
    same("network create: subnets", n["subnets"], net["subnet_ids"])
    sn = theirs("subnet", "show", net["subnet_ids"][0])
    same("network create: CIDR", (sn["cidr"], sn["gateway_ip"], sn["enable_dhcp"], sn["dns_nameservers"]), ("10.213.0.0/24", "10.213.0.1", True, ["10.213.0.53"]))
    r = theirs("router", "show", net["router_id"])
    same("network create: router", r["name"], mark)
    same("network create: gateway", r["external_gateway_info"]["network_id"], theirs("network", "show", pool)["id"])
    same("network create: interface", [(i["subnet_id"], i["ip_address"]) for i in r["interfaces_info"]], [(sn["id"], "10.213.0.1")])
    again = ours("network", "create", mark, "--subnet", "10.213.0.0/24", "--router", mark, "--external", pool, "--dns", "10.213.0.53")
    same("network create twice", again, dict(net, changed=False))

def look(web, pool):
    def addresses(nets):
        return {k: sorted(v) for k, v in nets.items()}
    mine = ours("server", "list")
    for s in mine:
        s["addresses"] = addresses(s["addresses"])
    from_volume = lambda r: None if "booted from volume" in str(r["Image Name"]) or r["Image Name"] == "" else r["Image Name"] or r["Image ID"]
    compare("server list", mine, theirs("server", "list", "--long"), {
        "name": pick("Name"), "state": lambda r: r["Status"].lower(), "addresses": lambda r: addresses(r["Networks"]),
        "image": from_volume, "flavor": pick("Flavor Name"), "availability_zone": pick("Availability Zone")}, key="instance_id")
    same("server list: order", [s["name"] for s in mine], sorted(s["name"] for s in mine))
    shown = theirs("server", "show", web)
    for s in (ours("server", "show", web), ours("server", "show", mark + "-web"), [s for s in mine if s["instance_id"] == web][0]):
        same("server: key pair", s["keypair"], shown["key_name"])
        same("server: addresses", addresses(s["addresses"]), addresses(shown["addresses"]))

    snapshots = {i["ID"] for i in theirs("image", "list", "--property", "image_type=snapshot")}
    compare("image list", ours("image", "list", "--disable-filter"), theirs("image", "list", "--long"), {
        "name": pick("Name"), "status": pick("Status"), "visibility": pick("Visibility"), "snapshot": lambda r: r["ID"] in snapshots})
    compare("flavor list", ours("flavor", "list"), theirs("flavor", "list"), {
        "name": pick("Name"), "virtual_cpus": pick("VCPUs"), "ram": pick("RAM"), "disk": pick("Disk")})
    compare("network list", ours("network", "list"), theirs("network", "list", "--long"), {
        "name": pick("Name"), "tenant": pick("Project"), "shared": pick("Shared"), "external": lambda r: r["Router Type"] in ("External", True)})
    compare("keypair list", ours("keypair", "list"), theirs("keypair", "list"), {"fingerprint": pick("Fingerprint")}, key="name", other_key="Name")
    compare("volume list", ours("volume", "list"), theirs("volume", "list", "--long"), {
        "name": pick("Name"), "status": pick("Status"), "size": pick("Size"), "attached_to": lambda r: [a["server_id"] for a in r["Attached to"]]})
    for v in ours("volume", "list"):
        same("volume %s: description" % v["id"], text(v["description"]), text(theirs("volume", "show", v["id"])["description"]))
    groups(theirs("security", "group", "list"))
    floating(web)

def groups(listed):
    names = {g["ID"]: g for g in listed}
    mine = ours("group", "list")
    same("group list: groups", sorted({g["id"] for g in mine}), sorted(names))
    same("group list: a group without rules has a line", [g["rule_id"] for g in mine if g["name"] == mark + "-empty"], [None])
    def port(n):
        return lambda r: int(r["Port Range"].split(":")[n]) if r["Port Range"] else None
    remote = lambda r: r["Remote Security Group"]
    rules = theirs("security", "group", "rule", "list")
    # The client's list passes over the ICMP type 0; what it shows of the rule is compared below.
    for r in mine:
        if r["protocol"] == "icmp":
            r["from"] = r["to"] = None
    compare("group list", [g for g in mine if g["rule_id"]], rules, {
        "name": lambda r: names[r["Security Group"]]["Name"], "description": lambda r: text(names[r["Security Group"]]["Description"]),
        "id": pick("Security Group"), "protocol": pick("IP Protocol"), "from": port(0), "to": port(1), "direction": pick("Direction"), "ip_version": pick("Ethertype"),
        "remote_group": lambda r: names[remote(r)]["Name"] if remote(r) in names else remote(r),
        "cidr": lambda r: None if remote(r) else r["IP Range"]}, key="rule_id")
    for g in ours("group", "list"):
        if g["name"] == mark and g["rule_id"]:
            shown = theirs("security", "group", "rule", "show", g["rule_id"])
            same("rule %s: description" % g["rule_id"], text(g["rule_description"]), text(shown["description"]))
            same("rule %s: range" % g["rule_id"], (g["from"], g["to"]), (shown["port_range_min"], shown["port_range_max"]))

def floating(web):
    pools = {n["ID"]: n["Name"] for n in theirs("network", "list")}
    on = {p["ID"]: web for p in theirs("port", "list", "--server", web)}
    compare("floating-ip list", ours("floating-ip", "list"), theirs("floating", "ip", "list", "--long"), {
        "ip_address": pick("Floating IP Address"), "fixed_ip": pick("Fixed IP Address"), "port_id": pick("Port"), "status": pick("Status"),
        "floating_ip_pool": lambda r: pools[r["Floating Network"]], "instance_id": lambda r: on.get(r["Port"])})

def leave(web, pool):
    code, out, err = run("floating-ip", "disassociate", [f["ip_address"] for f in ours("floating-ip", "list") if f["instance_id"] == web][0])
    same("floating-ip disassociate", code, 0)
    same("floating-ip disassociate: on no port", [f["port_id"] for f in ours("floating-ip", "list") if f["instance_id"] == web], [])

def tidy():
    left = []
    for words in undo:
        try:
            if words[0] == "galley":
                code, out, err = run(*words[1:])
                if code:
                    left.append("galley %s: %s%s" % (" ".join(words[1:]), out, err))
            else:
                if words[0] == "volume":
                    wait("volume to be free", lambda: status("volume", words[-1])() in ("available", "error"))
                openstack(*words)
        except Exception as e:
            left.append(str(e))
    return left

def remains():
    """What bears our mark: others may be at work on the same cloud."""
    out = []
    for kind in ("server", "network", "subnet", "router", "security group", "keypair", "volume"):
        out += [kind + " " + r["Name"] for r in theirs(*kind.split(), "list") if r["Name"].startswith(mark)]
    return out

error = None
try:
    web, pool = build()
    look(web, pool)
    leave(web, pool)
except Exception as e:
    error = e
left = tidy()
if not left:
    same("what is left", remains(), [])
for w in wrong + left:
    print("WRONG: " + w)
print("%d fields compared, %d differ" % (checked, len(wrong)))
if error:
    print("ended early: %s" % error)
sys.exit(1 if wrong or left or error else 0)
EOP
