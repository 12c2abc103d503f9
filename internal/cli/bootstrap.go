package cli

import (
	"context"
	"errors"
	"io"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/galleyhq/galley/internal/bootstrap"
	"github.com/galleyhq/galley/internal/bootstrap/chefserver"
	"github.com/galleyhq/galley/internal/bootstrap/node"
	"github.com/galleyhq/galley/internal/ui"
)

// unregisterTime bounds the removal of what a failed bootstrap has made.
const unregisterTime = 30 * time.Second

func (a *app) bootstrapCommand() *cobra.Command {
	f := &bootstrapFlags{}
	var keep bool
	cmd := &cobra.Command{
		Use:   "bootstrap [ssh://][USER@]HOST[:PORT] -N NAME",
		Short: "Make a machine that exists a node of the Chef Server",
		Long: `Registers a node and its client at the Chef Server with your own key, installs
Chef or Cinc on the machine where it has none, puts key and configuration there
and runs the client for the first time. knife.rb, config.rb and credentials are
read as knife reads them, and every option may stand in knife.rb under its key.

A name that the Chef Server has already is replaced after a question, or with
-y. What was registered for a machine that did not become a node is removed
again; where only the client's first run fails, the node stays.

` + exitCodes,
		Example: `  galley bootstrap 10.0.0.5 -N web1 -U debian -i ~/.ssh/id_ed25519 -r 'role[web]' -E prod
  galley bootstrap kim@db.example -N db1 --policy-name db --policy-group prod -j '{"db": {"size": 4}}'`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.bootstrap(cmd, f, args[0], keep)
		},
	}
	f.add(cmd)
	cmd.Flags().BoolVar(&keep, "keep-on-failure", false, "leave the node and client of a failed bootstrap at the Chef Server")
	return cmd
}

// target reads [ssh://][USER@]HOST[:PORT]; what it says stands before the
// flags (knife: connection_protocol).
func (f *bootstrapFlags) target(arg string) (host string, err error) {
	bad := func() error {
		return usagef("as in `galley bootstrap kim@web.example -N web1`", "%q is no machine to bootstrap", arg)
	}
	rest := arg
	if protocol, after, ok := strings.Cut(arg, "://"); ok {
		if f.changed("connection-protocol") && !strings.EqualFold(protocol, f.protocol) {
			return "", usagef("name one of them", "the address says %s, and --connection-protocol %s", protocol, f.protocol)
		}
		f.protocol, rest = protocol, after
	}
	if ip, err := netip.ParseAddr(rest); err == nil {
		return ip.String(), nil
	}
	u, err := url.Parse("ssh://" + rest)
	if err != nil || u.Hostname() == "" || strings.Trim(u.Path, "/") != "" || u.RawQuery != "" || u.Fragment != "" {
		return "", bad()
	}
	if u.User != nil {
		if _, ok := u.User.Password(); ok {
			return "", usagef("give it with -P", "a password does not belong into an address")
		}
		f.user = u.User.Username()
	}
	if p := u.Port(); p != "" {
		if f.port, err = strconv.Atoi(p); err != nil || f.port < 1 || f.port > 65535 {
			return "", bad()
		}
	}
	return u.Hostname(), nil
}

func (a *app) bootstrap(cmd *cobra.Command, f *bootstrapFlags, arg string, keep bool) error {
	ctx := cmd.Context()
	cfg, err := a.knife(cmd)
	if err != nil {
		return err
	}
	env := a.knifeFlags.env
	if err := f.settle(cmd, cfg); err != nil {
		return err
	}
	host, err := f.target(arg)
	if err != nil {
		return err
	}
	spec, err := a.nodeSpec(ctx, f, cfg, env, a.knifeFlags.verbosity)
	if err != nil {
		return err
	}
	if spec.Name == "" {
		return usagef("the name by which the Chef Server is to know the machine", "the node needs a name: -N NAME")
	}
	rep, err := a.newBootstrapConsole()
	if err != nil {
		return err
	}
	ssh, err := a.sshConfig(f, env, host, rep)
	if err != nil {
		return err
	}
	b := &bootstrapRun{app: a, spec: spec, rep: rep, host: host, keep: keep}
	if spec.ValidationKey == "" {
		if b.server, err = a.chefServer(cmd); err != nil {
			return err
		}
	}
	if err := node.Check(spec); err != nil {
		return err
	}
	rep.Info("Connecting to %s using ssh", host)
	var client *bootstrap.Client
	if f.maxWait > 0 {
		client, err = bootstrap.Wait(ctx, ssh, bootstrap.WaitOptions{Timeout: seconds(f.maxWait)})
	} else {
		client, err = bootstrap.Dial(ctx, ssh)
	}
	if err != nil {
		return err
	}
	defer client.Close()
	return b.run(ctx, client)
}

// bootstrapRun is one bootstrap of a machine that is reached.
type bootstrapRun struct {
	app    *app
	server *chefserver.Client // nil where the node registers itself
	spec   node.Spec
	rep    *bootstrapConsole
	host   string
	keep   bool
}

func (b *bootstrapRun) run(ctx context.Context, m node.Machine) error {
	if err := node.CheckLogin(ctx, m, b.spec, b.rep); err != nil {
		return err
	}
	key, err := b.register(ctx)
	if err != nil {
		return err
	}
	b.rep.Info("Bootstrapping %s", b.host)
	out := b.rep.output(b.host)
	err = node.Bootstrap(ctx, m, b.spec, key, out, b.rep)
	err = errors.Join(err, out.Close())
	switch {
	case err == nil:
		return nil
	case errors.As(err, new(*node.RunError)):
		b.rep.Warn("the node %s is registered and its machine configured: when the cause is mended, run the client there, or bootstrap again", b.spec.Name)
	case b.server == nil:
	case b.keep:
		b.rep.Warn("node and client %s are left at the Chef Server, as --keep-on-failure asks", b.spec.Name)
	default:
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), unregisterTime)
		defer cancel()
		b.rep.Info("Taking %s away from the Chef Server again", b.spec.Name)
		if left := node.Unregister(ctx, b.server, b.spec.Name, b.rep); left != nil {
			b.rep.Warn("%v", left)
		}
	}
	return err
}

// register makes the node's objects, after a question where the name is taken.
func (b *bootstrapRun) register(ctx context.Context) (chefserver.PrivateKey, error) {
	if b.server == nil {
		b.rep.Warn("the node registers itself with the validation key, the legacy way: without validation_key in knife.rb it gets a key of its own")
		return "", nil
	}
	made := func(string, string) error { return nil }
	key, err := node.Register(ctx, b.server, b.spec, made, b.rep)
	var taken *node.TakenError
	if !errors.As(err, &taken) {
		return key, err
	}
	if !b.app.knifeFlags.yes && (b.app.knifeFlags.defaults || b.app.streams.Prompter() == nil) {
		return "", taken
	}
	yes, qerr := b.app.sure(ctx, capital(taken.Error())+". Overwrite it")
	if qerr != nil {
		return "", qerr
	}
	if !yes {
		return "", taken
	}
	b.spec.Overwrite = true
	return node.Register(ctx, b.server, b.spec, made, b.rep)
}

func capital(s string) string {
	if s == "" {
		return s
	}
	return strings.ToUpper(s[:1]) + s[1:]
}

// bootstrapConsole tells the person how a machine becomes a node.
type bootstrapConsole struct {
	lines
	debug bool

	mu      sync.Mutex
	waiting string
}

func (a *app) newBootstrapConsole() (*bootstrapConsole, error) {
	level, err := a.level()
	if err != nil {
		return nil, err
	}
	return &bootstrapConsole{lines: lines{a}, debug: level == ui.DebugLevel || a.knifeFlags.verbosity > 0}, nil
}

// Debug implements [bootstrap.Reporter].
func (c *bootstrapConsole) Debug(format string, args ...any) {
	if c.debug {
		c.Info("DEBUG: "+format, args...)
	}
}

// Waiting implements [bootstrap.Reporter]: a line whenever something else is
// waited for.
func (c *bootstrapConsole) Waiting(what, detail string, _ time.Time) {
	text := "Waiting for " + what
	if detail != "" {
		text += " (" + detail + ")"
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.waiting != text {
		c.waiting = text
		c.Info("%s", text)
	}
}

// output is where the machine's lines go, each behind its address as the peer
// has it.
func (c *bootstrapConsole) output(host string) io.WriteCloser {
	head := " [" + host + "]"
	if c.a.streams.Color(c.a.people(), c.a.color()) {
		head = ui.Cyan.Paint(head)
	}
	return &headed{w: cleaned{c.a}, head: head + " ", mu: &c.mu}
}

// cleaned passes whole lines on without the secrets.
type cleaned struct{ a *app }

func (c cleaned) Write(p []byte) (int, error) {
	_, err := io.WriteString(c.a.people(), c.a.secrets.Clean(string(p)))
	return len(p), err
}
