#!/bin/sh
# Checks the embedded cloud against the stock `openstack` client (Debian: python3-openstackclient): every listing, and
# what people do with servers, floating IPs, volumes, networks, subnets and routers.
#
#   openstackclient.sh [GALLEY]
#
# GALLEY is the program to test; without one it is built from the tree this file lies in. The cloud is a fresh one in
# a temporary directory, without guests, and is gone at the end. Exit code 77: the client is not installed.
set -eu

client=$(command -v openstack) || { echo "openstackclient.sh: python3-openstackclient is not installed: skipped" >&2; exit 77; }
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
GALLEY_DEVCLOUD_DIR=$work/cloud
export GALLEY_DEVCLOUD_DIR
galley=${1:-}
cleanup() {
    [ -z "$galley" ] || "$galley" devcloud down --wipe >/dev/null 2>&1 || true
    rm -rf "$work"
}
trap cleanup EXIT
trap 'exit 130' INT TERM
if [ -z "$galley" ]; then
    (cd "$here/../.." && go build -o "$work/galley" ./cmd/galley)
    galley=$work/galley
fi

"$galley" devcloud up --guests none --build-delay 300ms >"$work/up.log" 2>&1 || { cat "$work/up.log" >&2; exit 1; }
. "$GALLEY_DEVCLOUD_DIR/openrc.sh"
ssh_public=$GALLEY_DEVCLOUD_SSH_KEY.pub
printf 'a small image\n' >"$work/image.raw"

# A command a line; {NAME} is what an earlier line kept with "NAME =". "!" in front: the command has to fail.
# "admin:" in front: as the administrator. "until STATUS:" in front: again until the status is that one.
cat >"$work/commands" <<EOF
token issue
catalog list
catalog show compute
versions show
project list
project show demo
user show demo
application credential create ac1
application credential list
application credential delete ac1
availability zone list
flavor list --long
flavor show m1.small
image list --long
image show debian-12
keypair list
keypair show demo
limits show --absolute
quota show
container create c1
object create c1 $work/image.raw --name dir/one.raw
object list c1 --long
object show c1 dir/one.raw
object set --property colour=red c1 dir/one.raw
object save c1 dir/one.raw --file $work/back.raw
container list
container show c1
object store account show
! container delete c1
object delete c1 dir/one.raw
container delete c1
network list --long
network show net1
subnet list
subnet show subnet1
subnet pool list
address scope list
router list --long
router show devcloud-router
port list --long
floating ip list --long
security group list
security group show default
security group rule list
security group rule list --long default
network agent list
network rbac list
network flavor list
network service provider list
extension list
server list --long
server group list
volume list --long
volume snapshot list
volume type list
volume backup list
volume transfer request list
--os-volume-api-version 3.27 volume attachment list
--os-volume-api-version 3.5 volume message list

keypair create --public-key $ssh_public k1
keypair create k2
network create n1
subnet create --network n1 --subnet-range 10.7.0.0/24 --dns-nameserver 10.7.0.53 s1
router create r1
router add subnet r1 s1
router set --external-gateway public r1
router show r1
port create --network n1 --fixed-ip subnet=s1,ip-address=10.7.0.50 p1
port set --description changed p1
security group create sg1
security group rule create --protocol tcp --dst-port 22 --remote-ip 0.0.0.0/0 sg1
server group create --policy anti-affinity g1
server create --wait --flavor m1.small --image ubuntu-22.04 --network net1 --key-name k1 --security-group default --property a=b s1
server create --wait --flavor m1.tiny --image debian-12 --nic port-id=p1 s2
! server create --flavor m1.small --image debian-12 --network net1 --key-name nosuch s3
! server create --flavor m1.small --image debian-12 s3
server list
server list --long --name ^s1$
server list --status ACTIVE --limit 1
server show s1
--os-compute-api-version 2.92 server show s1
--os-compute-api-version 2.92 server list --long
server event list s1
console log show s1
fip = floating ip create --description for-s1 public -f value -c floating_ip_address
server add floating ip s1 {fip}
floating ip list --status ACTIVE
floating ip show {fip}
server remove floating ip s1 {fip}
floating ip set --port p1 {fip}
floating ip unset --port {fip}
volume create --size 1 v1
until available: volume show v1
volume show v1
server add volume s1 v1
until in-use: volume show v1
server volume list s1
server remove volume s1 v1
until available: volume show v1
volume set --property x=y --size 2 v1
until available: volume show v1
volume snapshot create --volume v1 snap1
until available: volume snapshot show snap1
volume create --snapshot snap1 v2
server add security group s1 sg1
server remove security group s1 sg1
server set --property c=d --name s1b s1
server unset --property c s1b
server add network s1b n1
server reboot --wait s1b
server stop s1b
until SHUTOFF: server show s1b
server start s1b
until ACTIVE: server show s1b
server lock s1b
! server delete --wait s1b
server unlock s1b
server image create --wait --name img1 s1b
image delete img1
image create --file $work/image.raw --disk-format raw --container-format bare --property p=q img2
image show img2
image save --file $work/image.out img2
image set --name img2b img2
image delete img2b
server rebuild --wait --image debian-12 s1b
--os-compute-api-version 2.92 server create --wait --flavor m1.tiny --network none --image debian-12 --tag t1 --description d s4
server create --wait --flavor m1.tiny --network net1 --boot-from-volume 2 --image debian-12 s5
server delete --wait s1b s2 s4 s5
! server show s1b
floating ip delete {fip}
volume delete v2
volume snapshot delete snap1
until gone: volume snapshot show snap1
volume delete v1
until gone: volume show v2
until gone: volume show v1
rest = volume list -f value -c ID
volume delete {rest}
until gone: volume show {rest}
server group delete g1
security group delete sg1
port delete p1
router remove subnet r1 s1
router delete r1
subnet delete s1
network delete n1
keypair delete k1 k2

admin: project list
admin: user list
admin: role list
admin: role assignment list --names
admin: domain list
admin: service list
admin: endpoint list
admin: region list
admin: compute service list
admin: hypervisor list
admin: aggregate list
admin: server list --all-projects
admin: volume list --all-projects
admin: quota set --instances 5 demo
admin: flavor create --ram 64 --disk 1 --vcpus 1 m0
admin: flavor delete m0
EOF
# Its plug-in for Placement is a package of its own (Debian: python3-osc-placement).
if "$client" resource class list --help >/dev/null 2>&1; then
    sed 's/^\([a-z]* = \)*/admin: \1--os-placement-api-version 1.39 /' >>"$work/commands" <<EOF
rp = resource provider list -f value -c uuid
resource provider show {rp}
resource provider inventory list {rp}
resource provider usage show {rp}
resource provider trait list {rp}
allocation candidate list --resource VCPU=1 --resource MEMORY_MB=512
resource class list
trait list
EOF
fi

# The client is a Python program: one interpreter for all commands saves a minute. It is the one of its first line.
python=$(sed -n '1s/^#! *//p' "$client")
WORK=$work GALLEY=$galley ${python:-python3} - "$work/commands" <<'EOF'
import contextlib, io, json, os, shlex, subprocess, sys, time
from openstackclient import shell

work, galley = os.environ["WORK"], os.environ["GALLEY"]
users = {}
for name, args in (("", []), ("admin", ["--admin"])):
    out = subprocess.run([galley, "devcloud", "env", "--format", "json"] + args, check=True, capture_output=True, text=True).stdout
    users[name] = json.loads(out)

os.environ.update(users[""])

def run(words, user=""):
    # The client keeps its user and its API versions for the life of the interpreter.
    if user or words[0].startswith("--"):
        p = subprocess.run(["openstack"] + words, env=dict(os.environ, **users[user]), capture_output=True, text=True)
        return p.returncode, p.stdout, p.stderr
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            code = shell.main(words)
        except SystemExit as e:
            code = e.code or 0
    return code, out.getvalue(), err.getvalue()

def wait(words, done):
    end = time.monotonic() + 20
    while True:
        code, out, _ = run(words)
        if done(code, out.strip()):
            return 0, out, ""
        if time.monotonic() > end:
            return 1, out, "it did not come to that within 20 s"
        time.sleep(0.1)

kept, failed, n = {}, 0, 0
for line in open(sys.argv[1]):
    line = line.strip()
    if not line:
        continue
    n += 1
    words, user, refused, keep, until = line, "", False, None, ""
    if words.startswith("admin: "):
        words, user = words[len("admin: "):], "admin"
    if words.startswith("until "):
        until, words = words[len("until "):].split(": ", 1)
    if words.startswith("! "):
        words, refused = words[2:], True
    if " = " in words and words.split(" = ")[0].isidentifier():
        keep, words = words.split(" = ", 1)
    words = shlex.split(words.format(**kept))
    if until == "gone":
        code, out, err = wait(words, lambda c, o: c != 0)
    elif until:
        code, out, err = wait(words + ["-f", "value", "-c", "status"], lambda c, o: o == until)
    else:
        code, out, err = run(words, user)
    if keep:
        kept[keep] = out.strip()
    if (code != 0) != refused:
        failed += 1
        print("FAILED: openstack %s\n%s%s" % (line, out, err))
print("%d commands, %d failed" % (n, failed))
left = json.loads(subprocess.run([galley, "devcloud", "ls", "--format", "json"], check=True, capture_output=True, text=True).stdout)
left = {k: v for k, v in left.items() if v}
if left:
    print("left behind: %s" % json.dumps(left))
sys.exit(1 if failed or left else 0)
EOF
