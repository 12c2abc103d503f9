package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/galleyhq/galley/internal/bootstrap"
	"github.com/galleyhq/galley/internal/bootstrap/node"
	"github.com/galleyhq/galley/internal/servers"
	"github.com/galleyhq/galley/internal/state"
	"github.com/galleyhq/galley/internal/ui"
)

func (a *app) serverCreate() *cobra.Command {
	var (
		f      serverFlags
		b      bootstrapFlags
		format string
	)
	cmd := &cobra.Command{
		Use:   "create -I IMAGE -f FLAVOR",
		Short: "Make a server and have it join the Chef Server",
		Long: `Makes a server, waits until it answers SSH, registers it with the Chef Server,
installs Chef or Cinc on it and runs the client for the first time. Image,
flavor, networks, key pair, groups and the node's name are looked up on both
sides before anything is made.

What fails is taken back on the cloud and on the Chef Server, also after Ctrl-C;
--keep-on-failure leaves it for a look. What a killed create has left is taken
back by the next create or delete of that name, or by "server delete --orphans".

` + exitCodes,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if format != formatSummary && format != formatJSON {
				return usagef("", "unknown format %q: it is summary or json", format)
			}
			return a.createServer(cmd, &f, &b, format)
		},
	}
	f.add(cmd)
	b.add(cmd)
	cmd.Flags().StringVarP(&format, "format", "F", formatSummary, "print the server as summary or json")
	return cmd
}

// The formats of a server that was made.
const (
	formatSummary = "summary"
	formatJSON    = "json"
)

func (a *app) createServer(cmd *cobra.Command, f *serverFlags, b *bootstrapFlags, format string) error {
	ctx := cmd.Context()
	conf, err := a.knife(cmd)
	if err != nil {
		return err
	}
	if err := errors.Join(b.settle(cmd, conf), fromKnife(cmd.Flags(), conf, serverKeys)); err != nil {
		return err
	}
	r := servers.Request{Reach: f.reach(), KeepOnFailure: f.keepOnFailure || !f.deleteOnFailure}
	if r.Server, err = f.spec(a.secrets.Add); err != nil {
		return err
	}
	console, err := a.serverConsole(format, f.timeout)
	if err != nil {
		return err
	}
	defer console.close()
	env := a.knifeFlags.env
	if r.Node, err = a.nodeSpec(ctx, b, conf, env, a.knifeFlags.verbosity); err != nil {
		return err
	}
	if r.Node.Name == "" {
		r.Node.Name = servers.NodeName(f.prefix)
	}
	r.Server.Name = r.Node.Name
	if r.SSH, err = a.sshConfig(b, env, "", console); err != nil {
		return err
	}
	freshHostKeys(b, &r.SSH)
	r.Wait = seconds(b.maxWait)
	if err := ownKey(&r); err != nil {
		return err
	}
	m, done, err := a.servers(cmd, r.Node.ValidationKey == "")
	if err != nil {
		return err
	}
	defer done()
	m.Report = console
	n, err := m.Create(ctx, r)
	if err, r.Node.Overwrite = a.replace(ctx, err); r.Node.Overwrite && err == nil {
		n, err = m.Create(ctx, r)
	}
	if err != nil {
		return err
	}
	console.close()
	if format == formatJSON {
		return a.json(n)
	}
	if a.name == "knife" {
		fmt.Fprintln(a.streams.Out)
	}
	writeServer(a.streams.Out, n, a.head(a.streams.Out))
	return nil
}

// replace asks whether a node that has the name may be replaced, and says yes
// where -y does.
func (a *app) replace(ctx context.Context, err error) (error, bool) {
	var taken *node.TakenError
	if !errors.As(err, &taken) || !a.knifeFlags.yes && (a.knifeFlags.defaults || a.streams.Prompter() == nil) {
		return err, false
	}
	yes, qerr := a.sure(ctx, capital(taken.Error())+". Overwrite it")
	if qerr != nil {
		return qerr, false
	}
	if !yes {
		return err, false
	}
	return nil, true
}

// freshHostKeys leaves known_hosts out unless the person insists on it by
// flag: of a server that did not exist a moment ago it knows nothing, and may
// know another one that had its address. The console of the cloud shows its
// keys, else the first one seen is its own.
func freshHostKeys(b *bootstrapFlags, c *bootstrap.Config) {
	if c.HostKeys == nil || c.HostKeys.Off || b.changed("ssh-verify-host-key") || b.changed("host-key-verify") {
		return
	}
	c.HostKeys = &bootstrap.HostKeys{}
}

// ownKey has a key pair made for a server that is given none and is not
// logged in to by password: of the public half of the identity file, if that
// is there.
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

// servers joins what makes and removes servers: the cloud, the Chef Server if
// one is configured or needed, and the records. done lets go of the cloud.
func (a *app) servers(cmd *cobra.Command, needChef bool) (m *servers.Manager, done func(), err error) {
	mine, err := state.UserFiles(a.streams.Getenv)
	if err != nil {
		return nil, nil, err
	}
	conf, err := a.knife(cmd)
	if err != nil {
		return nil, nil, err
	}
	chef, err := a.chefServer(cmd)
	if err != nil && (needChef || !noChefServer(err)) {
		return nil, nil, err
	}
	c, err := a.cloud(cmd.Context())
	if err != nil {
		return nil, nil, err
	}
	return &servers.Manager{Cloud: c, Chef: chef, ChefURL: conf.ChefServerURL, Files: mine.Servers(), Mark: servers.Mark(mine.Servers().Base)}, c.Close, nil
}

// serverConsole is where a create tells what it does. Beside JSON on standard
// output, all of it is for standard error.
func (a *app) serverConsole(format string, timeout int) (*serverConsole, error) {
	level, err := a.level()
	if err != nil {
		return nil, err
	}
	if a.knifeFlags.verbosity > 0 && level > ui.DebugLevel {
		level = ui.DebugLevel
	}
	w := a.people()
	if format == formatJSON {
		w = a.streams.Err
	}
	return &serverConsole{
		w: w, secrets: a.secrets, level: level, timeout: timeout, paint: a.painter(w),
		summary: func(w io.Writer, n *servers.Node) { writeServer(w, n, a.head(w)) },
	}, nil
}

// painter colours text for w, where w takes colours.
func (a *app) painter(w io.Writer) func(ui.Color, string) string {
	if !a.streams.Color(w, a.color()) {
		return func(_ ui.Color, s string) string { return s }
	}
	return ui.Color.Paint
}

// head colours the names of a summary as knife does.
func (a *app) head(w io.Writer) func(string) string {
	paint := a.painter(w)
	return func(s string) string { return paint(ui.Cyan, s) }
}
