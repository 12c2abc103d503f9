package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/galleyhq/galley/internal/bootstrap"
	"github.com/galleyhq/galley/internal/bootstrap/node"
	"github.com/galleyhq/galley/internal/servers"
	"github.com/galleyhq/galley/internal/state"
	"github.com/galleyhq/galley/internal/ui"
	"github.com/galleyhq/galley/kitchen"
)

// serverCreateOptions are those of server create.
type serverCreateOptions struct {
	*program
	servers   serverAccess
	bootstrap *bootstrapper

	server serverFlags
	node   bootstrapFlags
	noChef bool
	format string
}

func newServerCreateCommand(d *deps) *cobra.Command {
	o := &serverCreateOptions{program: d.program, servers: serverAccess{d.program, d.clouds, d.chef}, bootstrap: newBootstrapper(d)}
	cmd := &cobra.Command{
		Use:   "create -I IMAGE -f FLAVOR",
		Short: "Create a server and bootstrap it as a Chef node",
		Long: `Create a server, wait until it answers SSH, register it with the Chef Server,
install Chef or Cinc on it and run the client for the first time; with --no-chef,
or where no Chef Server is configured, it stays a plain server. All names are
looked up on both sides before anything is created. What fails is removed from the
cloud and the Chef Server, also after Ctrl-C, unless --keep-on-failure is given;
what a killed create has left is removed by the next create or delete of that
name, or by "server delete --orphans".`,
		Example: `  galley server create -N web1 -f m1.small -I debian-12 --network-ids net1 -U debian -a -r 'role[web]' -E prod
  galley server create -N db1 -f 3 -I ubuntu-22.04 -S mykey -i ~/.ssh/mykey -U ubuntu --policy-name db --policy-group prod
  galley server create -N box1 -f m1.small -I debian-12 -U debian --no-chef`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return o.run(cmd.Context(), cmd.Flags()) },
	}
	o.server.add(cmd, d.clouds)
	o.node.add(cmd)
	cmd.Flags().BoolVar(&o.noChef, "no-chef", false, "create the server only: no Chef Server, no bootstrap")
	addFormat(cmd, &o.format, "F", "summary", formatJSON)
	d.knife.addTo(cmd, usesCloud|usesChef|asks)
	return cmd
}

func (o *serverCreateOptions) run(ctx context.Context, flags *pflag.FlagSet) error {
	w := o.people()
	if o.format == formatJSON {
		w = o.streams.Err // JSON alone is on standard output
	}
	bus, done, err := o.events(w)
	if err != nil {
		return err
	}
	defer done()
	r, err := o.request(ctx, flags, bus)
	if err != nil {
		return err
	}
	m, release, err := o.servers.manager(ctx, !r.NoChef && r.Node.ValidationKey == "")
	if err != nil {
		return err
	}
	defer release()
	m.Bus, m.Summary = bus, o.name == nameKnife
	n, err := m.Create(ctx, r)
	if taken := (*node.TakenError)(nil); errors.As(err, &taken) {
		if err = o.mayOverwrite(ctx, taken); err == nil {
			r.Node.Overwrite = true
			n, err = m.Create(ctx, r)
		}
	}
	if spec := (*node.SpecError)(nil); errors.As(err, &spec) {
		return &usageError{err, spec.Hint()}
	}
	if err != nil {
		return err
	}
	done()
	if o.format == formatJSON {
		return o.json(n)
	}
	if o.name == nameKnife {
		fmt.Fprintln(o.streams.Out)
	}
	return o.printServer(n)
}

// request reads flags and knife.rb.
func (o *serverCreateOptions) request(ctx context.Context, flags *pflag.FlagSet, bus *kitchen.Bus) (servers.Request, error) {
	conf, err := o.bootstrap.knife.config(ctx)
	if err != nil {
		return servers.Request{}, err
	}
	if err := errors.Join(o.node.settle(flags, conf), o.server.settle(flags, conf)); err != nil {
		return servers.Request{}, err
	}
	r := servers.Request{
		Reach: o.server.reach(), KeepOnFailure: o.server.KeepOnFailure || !o.server.DeleteOnFailure, NoChef: o.noChef,
	}
	if r.Server, err = o.server.spec(o.secrets.Add); err != nil {
		return r, err
	}
	if conf.ChefServerURL == "" && !r.NoChef && !conf.LocalMode {
		bus.Reporter("", 0, "").Warn("no Chef Server is configured: the server is created and not bootstrapped (chef_server_url or --server-url names one; --no-chef leaves it out)")
		r.NoChef = true
	}
	if r.Node, err = o.bootstrap.nodeSpec(ctx, &o.node, conf); err != nil {
		return r, err
	}
	if r.Node.Name == "" {
		r.Node.Name = servers.NodeName(o.server.Prefix)
	}
	r.Server.Name = r.Node.Name
	if r.SSH, err = o.bootstrap.sshConfig(&o.node, "", bus.Reporter("", 0, "")); err != nil {
		return r, err
	}
	freshHostKeys(&o.node, &r.SSH)
	r.Wait = seconds(o.node.MaxWait)
	return r, ownKey(&r)
}

// printServer prints a server's summary in two columns, as knife does.
func (o *serverCreateOptions) printServer(n *servers.Node) error {
	t := ui.Table{}
	for _, f := range n.Fields() {
		t.Rows = append(t.Rows, []ui.Cell{{Text: f[0], Color: ui.Cyan}, {Text: f[1]}})
	}
	return t.Write(o.streams.Out, o.colors(o.streams.Out))
}

// freshHostKeys ignores known_hosts unless it is asked for by flag: it cannot
// know a server that did not exist a moment ago, and may know another one that
// had its address. The console log of the cloud shows its keys, else the first
// one seen is pinned.
func freshHostKeys(b *bootstrapFlags, c *bootstrap.Config) {
	if c.HostKeys == nil || c.HostKeys.Off || b.changed("ssh-verify-host-key") || b.changed("host-key-verify") {
		return
	}
	c.HostKeys = &bootstrap.HostKeys{}
}

// ownKey has a key pair created for a server that is given none and is not
// logged in to by password: from the public half of the identity file, if
// there is one.
func ownKey(r *servers.Request) error {
	if r.Server.KeyName != "" || r.SSH.Password != "" {
		return nil
	}
	r.OwnKey = true
	for _, key := range r.SSH.Keys {
		line, err := os.ReadFile(strings.TrimSuffix(key, ".pub") + ".pub")
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err != nil {
			return fmt.Errorf("reading the public half of %s: %w", key, err)
		}
		r.PublicKey = strings.TrimSpace(string(line))
		break
	}
	return nil
}

// serverAccess joins what creates and removes servers: the cloud, the Chef
// Server if one is configured or needed, and the records.
type serverAccess struct {
	*program
	clouds *cloudAccess
	chef   *chefAccess
}

// manager logs in. done closes the cloud.
func (s serverAccess) manager(ctx context.Context, needChef bool) (m *servers.Manager, done func(), err error) {
	mine, err := state.UserFiles(s.streams.Getenv)
	if err != nil {
		return nil, nil, err
	}
	conf, err := s.chef.knife.config(ctx)
	if err != nil {
		return nil, nil, err
	}
	chef, err := s.chef.connect(ctx)
	if err != nil && (needChef || !noChefServer(err)) {
		return nil, nil, err
	}
	c, err := s.clouds.connect(ctx)
	if err != nil {
		return nil, nil, err
	}
	files := mine.Servers()
	return &servers.Manager{Cloud: c, Chef: chef, ChefURL: conf.ChefServerURL, Files: files, Mark: servers.Mark(files.Base)}, c.Close, nil
}
