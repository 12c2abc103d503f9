package servers

import (
	"fmt"
	"strings"
	"time"

	"github.com/galleyhq/galley/kitchen"
)

// progress tells how a server becomes a node, in the lines of knife-openstack.
// To the cloud and to the wait for SSH it is their reporter: what they say of
// single steps is a detail here.
type progress struct {
	*kitchen.Reporter
	timeout time.Duration
	summary bool // see [Manager.Summary]
	// waiting is the reason of a wait, in knife-openstack's words.
	waiting string
}

// Info implements the reporter of openstack and bootstrap.
func (p *progress) Info(format string, args ...any) { p.Debug(format, args...) }

// Waiting implements the reporter of openstack and bootstrap.
func (p *progress) Waiting(what, detail string, since time.Time) {
	if p.waiting != "" && (strings.HasPrefix(what, "the server to become ACTIVE") || strings.HasPrefix(what, "SSH service")) {
		what, detail = p.waiting, ""
	}
	p.Reporter.Waiting(what, detail, since)
}

// creating: all names are resolved, the server is about to be requested.
func (p *progress) creating() {
	p.waiting = fmt.Sprintf("server [wait time = %d]", int(p.timeout.Seconds()))
	p.Reporter.Waiting(p.waiting, "", time.Now())
}

// active: the server exists and has all its addresses.
func (p *progress) active(n *Node) {
	p.waiting = ""
	if !p.summary {
		p.Reporter.Info("The server %s (%s) is active", n.Name, n.ID)
		return
	}
	for _, line := range summaryLines(n.Fields()) {
		p.Reporter.Info("%s", line)
	}
	for _, x := range []struct{ name, value string }{
		{"Public IP Address", strings.Join(n.PublicIPs, ", ")},
		{"Private IP Address", strings.Join(n.PrivateIPs, ", ")},
		{"Floating IP Address", n.FloatingIP},
	} {
		if x.value != "" {
			p.Reporter.Info("%s: %s", x.name, x.value)
		}
	}
}

// connecting: the address is chosen, its SSH service is waited for.
func (p *progress) connecting(address string, noChef bool) {
	if !noChef {
		p.Reporter.Info("\nBootstrapping the server by using bootstrap_protocol: ssh and image_os_type: linux\n")
	}
	p.waiting = fmt.Sprintf("sshd to host (%s)", address)
	p.Reporter.Waiting(p.waiting, "", time.Now())
}

// Fields are a server's summary: names and values in knife-openstack's order.
// Empty values are left out.
func (n *Node) Fields() [][2]string {
	all := [][2]string{
		{"Instance ID", n.ID},
		{"Name", n.Name},
		{"Public IP", strings.Join(n.PublicIPs, ", ")},
		{"Private IP", strings.Join(n.PrivateIPs, ", ")},
		{"Flavor", n.Flavor},
		{"Image", n.Image},
		{"Keypair", n.KeyPair},
		{"Key File", n.KeyFile},
		{"State", n.State},
		{"Availability Zone", n.AvailabilityZone},
	}
	var out [][2]string
	for _, f := range all {
		if f[1] != "" {
			out = append(out, f)
		}
	}
	return out
}

func summaryLines(fields [][2]string) []string {
	width := 0
	for _, f := range fields {
		width = max(width, len(f[0]))
	}
	lines := make([]string, len(fields))
	for i, f := range fields {
		lines[i] = fmt.Sprintf("%-*s  %s", width, f[0], f[1])
	}
	return lines
}
