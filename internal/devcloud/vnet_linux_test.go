package devcloud

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/gophercloud/gophercloud/v2/openstack/compute/v2/servers"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/extensions/layer3/floatingips"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/extensions/layer3/routers"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/extensions/security/groups"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/extensions/security/rules"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/networks"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/subnets"
	"golang.org/x/crypto/ssh"

	"github.com/galleyhq/galley/internal/devcloud/guest"
)

// startWithRealGuests runs a cloud whose servers are guests of this test
// binary.
func startWithRealGuests(t *testing.T, change ...func(*Options)) (*Cloud, *clients) {
	t.Helper()
	self, err := os.Executable()
	check(t, "executable", err)
	c := startCloud(t, append([]func(*Options){func(o *Options) {
		o.Guests, o.Executable = GuestsNamespace, []string{self, "devcloud", GuestCommand}
	}}, change...)...)
	return c, login(t, c, c.Env())
}

// testServer is a server with root's shell.
type testServer struct {
	id, addr, port string
	ssh            *ssh.Client
}

// boot creates a server whose root logs in with a password, and waits for its
// SSH server.
func bootServer(t *testing.T, c *Cloud, cl *clients, o servers.CreateOpts) testServer {
	t.Helper()
	ctx := t.Context()
	if o.ImageRef == "" && len(o.BlockDevice) == 0 {
		o.ImageRef = CentOSImageID
	}
	o.FlavorRef, o.AdminPass = "1", "test-password"
	v := must[*servers.Server](t)(servers.Create(ctx, cl.compute, o, nil).Extract())
	s := testServer{id: v.ID}
	deadline, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	for c.guests.get(s.id) == nil {
		select {
		case <-c.guests.notice():
		case <-time.After(200 * time.Millisecond): // its build may have failed
			var fault string
			c.db.View(func() {
				if v := c.db.Servers.Get(s.id); v.VMState == "error" {
					fault = v.Fault.Message
				}
			})
			if fault != "" {
				t.Fatalf("%s: %s", o.Name, fault)
			}
		case <-deadline.Done():
			t.Fatalf("%s did not boot:\n%s", o.Name, c.console(s.id))
		}
	}
	s.addr, s.port = fixedIPOf(t, cl, s.id)
	conn, err := c.guests.get(s.id).Dial(ctx)
	check(t, "dial", err)
	sc, chans, reqs, err := ssh.NewClientConn(conn, o.Name, &ssh.ClientConfig{
		User: "root", Auth: []ssh.AuthMethod{ssh.Password("test-password")}, HostKeyCallback: ssh.InsecureIgnoreHostKey(), //nolint:gosec // a test's guest
	})
	check(t, "log in", err)
	s.ssh = ssh.NewClient(sc, chans, reqs)
	t.Cleanup(func() { _ = s.ssh.Close() })
	return s
}

// run returns what a command prints, with "exit N" at its end when it fails.
func (s testServer) run(t *testing.T, command string) string {
	t.Helper()
	session, err := s.ssh.NewSession()
	check(t, "session", err)
	defer session.Close()
	out, err := session.CombinedOutput(command)
	text := strings.TrimSpace(string(out))
	if err != nil {
		text = strings.TrimSpace(text + "\n" + err.Error())
	}
	return text
}

// serve answers TCP connections on a port with the guest's host name.
func (s testServer) serve(t *testing.T, port int) {
	t.Helper()
	out := s.run(t, fmt.Sprintf(`cat >/root/web.pl <<'E'
use IO::Socket::INET;
my $s = IO::Socket::INET->new(LocalPort => %d, Listen => 5, ReuseAddr => 1) or die "listen: $!";
open my $f, '>', '/run/web'; close $f;
while (my $c = $s->accept) { my $h = %s; chomp $h; my $l = <$c>; print $c "HTTP/1.0 200 OK\r\n\r\n$h\n"; close $c }
E
setsid perl /root/web.pl >/root/web.log 2>&1 </dev/null & for i in $(seq 100); do [ -e /run/web ] && break; sleep .05; done; cat /root/web.log`,
		port, "`hostname`"))
	if out != "" {
		t.Fatal(out)
	}
}

// get asks another guest for its page.
func (s testServer) get(t *testing.T, addr string, port int) string {
	t.Helper()
	out := s.run(t, fmt.Sprintf(`timeout 3 bash -c 'exec 3<>/dev/tcp/%s/%d && echo GET / >&3 && tail -n 1 <&3' 2>/dev/null || echo no answer`, addr, port))
	return out
}

func TestGuestsHaveTheirOwnNetwork(t *testing.T) {
	if _, err := os.OpenFile("/dev/net/tun", os.O_RDWR, 0); err != nil {
		t.Skip("guests share the host's network here: ", err)
	}
	c, cl := startWithRealGuests(t)
	ctx := t.Context()
	net1 := []servers.Network{{UUID: Net1ID}}
	a := bootServer(t, c, cl, servers.CreateOpts{Name: "a", Networks: net1})
	b := bootServer(t, c, cl, servers.CreateOpts{Name: "b", Networks: net1})
	if g, ok := c.guests.get(a.id).(*guest.Guest); ok && g.Mode() == guest.ModeDirectory {
		t.Skip(g.ModeDetail())
	}
	if got := a.run(t, "hostname -I"); got != a.addr {
		t.Errorf("hostname -I prints %q, the server's address is %s", got, a.addr)
	}
	if got := a.run(t, "ls /sys/class/net | xargs"); got != "eth0 lo" {
		t.Errorf("network devices: %s", got)
	}
	// Both serve on port 80, of which this host has one only.
	a.serve(t, 80)
	b.serve(t, 80)
	for _, s := range []struct {
		from, to testServer
		want     string
	}{{a, b, "b"}, {b, a, "a"}, {a, a, "a"}} {
		if got := s.from.get(t, s.to.addr, 80); got != s.want {
			t.Errorf("the page of %s is %q, want %q", s.to.addr, got, s.want)
		}
	}
	if got := a.run(t, "command -v ping >/dev/null || { echo 0; exit; }; ping -c 1 -W 2 "+b.addr+" >/dev/null; echo $?"); got != "0" {
		t.Errorf("ping: %s", got)
	}

	// A security group that opens port 80 to everybody opens it on the host's
	// side too.
	g := must[*groups.SecGroup](t)(groups.Create(ctx, cl.network, groups.CreateOpts{Name: "web"}).Extract())
	must[*rules.SecGroupRule](t)(rules.Create(ctx, cl.network, rules.CreateOpts{
		SecGroupID: g.ID, Direction: rules.DirIngress, EtherType: rules.EtherType4, Protocol: rules.ProtocolTCP, PortRangeMin: 80, PortRangeMax: 80,
	}).Extract())
	w := bootServer(t, c, cl, servers.CreateOpts{Name: "w", Networks: net1, SecurityGroups: []string{"web"}})
	w.serve(t, 80)
	f := must[*floatingips.FloatingIP](t)(floatingips.Create(ctx, cl.network, floatingips.CreateOpts{FloatingNetworkID: PublicNetID, PortID: w.port}).Extract())
	if page := fetchPage(t, "http://"+f.FloatingIP+"/"); page != "w" {
		t.Errorf("from the host the page is %q", page)
	}
	if got := a.get(t, w.addr, 80); got != "w" {
		t.Errorf("from a: %q", got)
	}
	// w is in no group whose members may reach each other.
	w.run(t, "rm /run/web")
	w.serve(t, 8080)
	if got := a.get(t, w.addr, 8080); got != "no answer" {
		t.Errorf("a port that no rule opens answers %q", got)
	}
	if got := w.get(t, a.addr, 80); got != "no answer" {
		t.Errorf("a's group lets in a server of another group: %q", got)
	}

	// Another network is apart until a router joins it.
	n := must[*networks.Network](t)(networks.Create(ctx, cl.network, networks.CreateOpts{Name: "other"}).Extract())
	sn := must[*subnets.Subnet](t)(subnets.Create(ctx, cl.network, subnets.CreateOpts{NetworkID: n.ID, CIDR: "10.77.0.0/24", IPVersion: 4}).Extract())
	o := bootServer(t, c, cl, servers.CreateOpts{Name: "o", Networks: []servers.Network{{UUID: n.ID}}})
	if got := o.get(t, a.addr, 80); got != "no answer" {
		t.Errorf("without a router: %q", got)
	}
	router := c.db.Routers.All()[0]
	must[*routers.InterfaceInfo](t)(routers.AddInterface(ctx, cl.network, router.ID, routers.AddInterfaceOpts{SubnetID: sn.ID}).Extract())
	var got string
	for range 5 { // the guest has just learnt that its gateway does not answer
		if got = o.get(t, a.addr, 80); got == "a" {
			return
		}
	}
	t.Errorf("with a router: %q", got)
}

// Guests reach the outside through the host, but not the host's loopback
// services.
func TestGuestsReachTheOutside(t *testing.T) {
	if _, err := os.OpenFile("/dev/net/tun", os.O_RDWR, 0); err != nil {
		t.Skip("guests share the host's network here: ", err)
	}
	local, err := net.Listen("tcp4", "127.0.0.1:0")
	check(t, "listen", err)
	all, err := net.Listen("tcp4", "0.0.0.0:0")
	check(t, "listen", err)
	for _, l := range []net.Listener{local, all} {
		defer l.Close()
		go func() {
			for {
				conn, err := l.Accept()
				if err != nil {
					return
				}
				_, _ = io.WriteString(conn, "hello\n")
				_ = conn.Close()
			}
		}()
	}
	var own string
	addrs, err := net.InterfaceAddrs()
	check(t, "addresses", err)
	for _, a := range addrs {
		if p, ok := a.(*net.IPNet); ok && p.IP.To4() != nil && !p.IP.IsLoopback() {
			own = p.IP.String()
		}
	}
	if own == "" {
		t.Skip("this host has no address beside loopback's")
	}
	c, cl := startWithRealGuests(t)
	a := bootServer(t, c, cl, servers.CreateOpts{Name: "a", Networks: []servers.Network{{UUID: Net1ID}}})
	if got := a.get(t, own, all.Addr().(*net.TCPAddr).Port); got != "hello" {
		t.Errorf("an address of the outside: %q", got)
	}
	port := local.Addr().(*net.TCPAddr).Port
	gateway := strings.TrimSpace(a.run(t, "ip route | sed -n 's/^default via \\([0-9.]*\\).*/\\1/p'"))
	for _, addr := range []string{"127.0.0.1", gateway} {
		if got := a.get(t, addr, port); got != "no answer" {
			t.Errorf("a loopback service of the host answers at %s: %q", addr, got)
		}
	}
}

func fetchPage(t *testing.T, url string) (page string) {
	t.Helper()
	eventually(t, url, func() error { // the port opens a moment after the call
		resp, err := http.Get(url)
		if err != nil {
			return err
		}
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		page = strings.TrimSpace(string(body))
		return err
	})
	return page
}
