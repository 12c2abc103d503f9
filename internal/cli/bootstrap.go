package cli

import (
	"context"
	"errors"
	"net/netip"
	"net/url"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/galleyhq/galley/internal/bootstrap"
	"github.com/galleyhq/galley/internal/bootstrap/node"
	"github.com/galleyhq/galley/internal/servers"
	"github.com/galleyhq/galley/internal/state"
)

// bootstrapOptions are those of bootstrap.
type bootstrapOptions struct {
	*bootstrapper

	machine string
	node    bootstrapFlags
	keep    bool
}

func newBootstrapCommand(d *deps) *cobra.Command {
	o := &bootstrapOptions{bootstrapper: newBootstrapper(d)}
	cmd := &cobra.Command{
		Use:   "bootstrap [ssh://][USER@]HOST[:PORT] -N NAME",
		Short: "Bootstrap an existing machine as a Chef node",
		Long: `Register a node and its client at the Chef Server with your own key, install Chef
or Cinc on the machine unless it has one, write key and configuration there and run
the client for the first time. knife.rb, config.rb and credentials are read as knife
reads them, and every option can be set in knife.rb under its key. A name that the
Chef Server has already is replaced after a confirmation. What was registered for a
machine that did not become a node is removed again, after a kill by the next
bootstrap of that name; where only the client's first run fails, the node is kept.`,
		Example: `  galley bootstrap 10.0.0.5 -N web1 -U debian -i ~/.ssh/id_ed25519 -r 'role[web]' -E prod
  galley bootstrap kim@db.example -N db1 --policy-name db --policy-group prod -j '{"db": {"size": 4}}'`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.machine = args[0]
			return o.run(cmd.Context(), cmd.Flags())
		},
	}
	o.node.add(cmd)
	cmd.Flags().BoolVar(&o.keep, "keep-on-failure", false, "keep the node and client of a failed bootstrap at the Chef Server")
	d.knife.addTo(cmd, usesChef|asks)
	return cmd
}

// target reads [ssh://][USER@]HOST[:PORT]; its parts take precedence over
// the flags (knife: connection_protocol).
func (f *bootstrapFlags) target(arg string) (host string, err error) {
	bad := func() error {
		return usagef("as in `galley bootstrap kim@web.example -N web1`", "%q is not a machine to bootstrap: use [ssh://][USER@]HOST[:PORT]", arg)
	}
	rest := arg
	if protocol, after, ok := strings.Cut(arg, "://"); ok {
		if f.changed("connection-protocol") && !strings.EqualFold(protocol, f.Protocol) {
			return "", usagef("name one of them", "the address says %s, and --connection-protocol %s", protocol, f.Protocol)
		}
		f.Protocol, rest = protocol, after
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
			return "", usagef("give it with -P", "an address must not contain a password")
		}
		f.User = u.User.Username()
	}
	if p := u.Port(); p != "" {
		if f.Port, err = strconv.Atoi(p); err != nil || f.Port < 1 || f.Port > 65535 {
			return "", bad()
		}
	}
	return u.Hostname(), nil
}

func (o *bootstrapOptions) run(ctx context.Context, flags *pflag.FlagSet) error {
	cfg, err := o.knife.config(ctx)
	if err != nil {
		return err
	}
	if err := o.node.settle(flags, cfg); err != nil {
		return err
	}
	host, err := o.node.target(o.machine)
	if err != nil {
		return err
	}
	spec, err := o.nodeSpec(ctx, &o.node, cfg)
	if err != nil {
		return err
	}
	if spec.Name == "" {
		return usagef("the name by which the Chef Server is to know the machine", "the node needs a name: -N NAME")
	}
	bus, done, err := o.events(o.people())
	if err != nil {
		return err
	}
	defer done()
	report := bus.Reporter("", 0, "")
	ssh, err := o.sshConfig(&o.node, host, report)
	if err != nil {
		return err
	}
	mine, err := state.UserFiles(o.streams.Getenv)
	if err != nil {
		return err
	}
	b := servers.Bootstrap{Node: spec, Host: host, Files: mine.Nodes(), Bus: bus, Overwrite: o.mayOverwrite, KeepOnFailure: o.keep}
	if spec.ValidationKey == "" {
		if b.Chef, err = o.chef.connect(ctx); err != nil {
			return err
		}
	}
	if err := node.Check(spec); err != nil {
		var bad *node.SpecError
		if errors.As(err, &bad) {
			return &usageError{err, bad.Hint()}
		}
		return err
	}
	report.Info("Connecting to %s using ssh", host)
	var client *bootstrap.Client
	if o.node.MaxWait > 0 {
		client, err = bootstrap.Wait(ctx, ssh, bootstrap.WaitOptions{Timeout: seconds(o.node.MaxWait)})
	} else {
		client, err = bootstrap.Dial(ctx, ssh)
	}
	if err != nil {
		return err
	}
	defer client.Close()
	return b.Run(ctx, client)
}

// mayOverwrite asks whether to replace an existing node and client; where
// nobody can be asked, they are kept.
func (p *program) mayOverwrite(ctx context.Context, taken *node.TakenError) error {
	if !p.yes && (p.useDefaults || p.streams.Prompter() == nil) {
		return taken
	}
	said := taken.Error()
	yes, err := p.confirm(ctx, strings.ToUpper(said[:1])+said[1:]+". Overwrite it")
	if err == nil && !yes {
		err = taken
	}
	return err
}
