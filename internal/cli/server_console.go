package cli

import (
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"github.com/galleyhq/galley/internal/servers"
	"github.com/galleyhq/galley/internal/ui"
	"github.com/galleyhq/galley/kitchen"
)

// dotEvery is the time between two dots of a wait.
const dotEvery = time.Second

// serverConsole shows the person how a server becomes a node, in the lines of
// knife-openstack. It is a [servers.Reporter].
type serverConsole struct {
	w       io.Writer
	secrets *ui.Redactor
	level   ui.Level
	timeout int
	paint   func(ui.Color, string) string
	// summary prints a server's table; nil for none.
	summary func(w io.Writer, n *servers.Node)

	mu sync.Mutex
	// open says that a line of dots has no end yet; waiting is what it is of.
	open    bool
	waiting string
	dotted  time.Time
	host    string
}

func (c *serverConsole) line(format string, args ...any) {
	c.endLine("")
	fmt.Fprintln(c.w, c.secrets.Clean(fmt.Sprintf(format, args...)))
}

// endLine ends a line of dots.
func (c *serverConsole) endLine(word string) {
	if c.open {
		fmt.Fprintln(c.w, word)
		c.open, c.waiting = false, ""
	}
}

// Info implements [servers.Reporter].
func (c *serverConsole) Info(format string, args ...any) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.level <= ui.InfoLevel {
		c.line(format, args...)
	}
}

// Warn implements [servers.Reporter].
func (c *serverConsole) Warn(format string, args ...any) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.level <= ui.WarnLevel {
		c.line("%s %s", c.paint(ui.Yellow, "WARNING:"), fmt.Sprintf(format, args...))
	}
}

// Debug implements [servers.Reporter].
func (c *serverConsole) Debug(format string, args ...any) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.level <= ui.DebugLevel {
		c.line("DEBUG: %s", fmt.Sprintf(format, args...))
	}
}

// Waiting implements [servers.Reporter]: a dot now and then, as the peer.
func (c *serverConsole) Waiting(what, detail string, _ time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.level > ui.InfoLevel {
		return
	}
	head := "Waiting for " + what
	switch {
	case strings.HasPrefix(what, "the server to become ACTIVE"):
		head = fmt.Sprintf("Waiting for server [wait time = %d]", c.timeout)
	case c.host != "" && strings.HasPrefix(what, "SSH service"):
		head = fmt.Sprintf("Waiting for sshd to host (%s)", c.host)
	}
	if c.waiting != head {
		c.dots(head)
		return
	}
	if time.Since(c.dotted) >= dotEvery {
		fmt.Fprint(c.w, ".")
		c.dotted = time.Now()
	}
}

// dots begins a line that dots are added to.
func (c *serverConsole) dots(head string) {
	c.endLine("")
	fmt.Fprint(c.w, c.secrets.Clean(head))
	c.open, c.waiting, c.dotted = true, head, time.Now()
}

// Reached implements [servers.Reporter].
func (c *serverConsole) Reached(s servers.Stage, n *servers.Node) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.level > ui.InfoLevel {
		return
	}
	switch s {
	case servers.Making:
		c.dots(fmt.Sprintf("Waiting for server [wait time = %d]", c.timeout))
	case servers.Active:
		c.endLine("")
		if c.summary != nil {
			c.summary(c.w, n)
		}
		if len(n.PublicIPs) > 0 {
			c.line("Public IP Address: %s", strings.Join(n.PublicIPs, ", "))
		}
		if len(n.PrivateIPs) > 0 {
			c.line("Private IP Address: %s", strings.Join(n.PrivateIPs, ", "))
		}
		if n.FloatingIP != "" {
			c.line("Floating IP Address: %s", n.FloatingIP)
		}
	case servers.Connecting:
		c.line("\nBootstrapping the server by using %s: ssh and %s: linux\n", c.paint(ui.Magenta, "bootstrap_protocol"), c.paint(ui.Magenta, "image_os_type"))
		c.host = n.Address
		c.dots(fmt.Sprintf("Waiting for sshd to host (%s)", n.Address))
	case servers.Connected:
		c.endLine("done")
		c.line("Connecting to %s", n.Address)
	}
}

// Output implements [servers.Reporter]: what the machine says, behind its
// address.
func (c *serverConsole) Output() io.WriteCloser {
	return kitchen.NewBus(func(e kitchen.Event) {
		c.mu.Lock()
		defer c.mu.Unlock()
		if c.level <= ui.InfoLevel {
			c.line(" %s %s", c.paint(ui.Cyan, "["+c.host+"]"), e.Text)
		}
	}).Reporter("", 0, "").Output()
}

// close ends a line that a failure has left open.
func (c *serverConsole) close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.endLine("")
}

// writeServer writes a server's summary in two columns; what is empty is left
// out.
func writeServer(w io.Writer, n *servers.Node, head func(string) string) {
	rows := [][2]string{
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
	width := 0
	for _, r := range rows {
		if r[1] != "" {
			width = max(width, len(r[0]))
		}
	}
	for _, r := range rows {
		if r[1] != "" {
			fmt.Fprintf(w, "%s%s  %s\n", head(r[0]), strings.Repeat(" ", width-len(r[0])), r[1])
		}
	}
}
