package cli

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/galleyhq/galley/internal/config/knife"
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
	if err := fillFlags(cmd.Flags(), conf, serverKeys); err != nil {
		return err
	}
	r := servers.Request{Reach: f.reach(), KeepOnFailure: f.keepOnFailure || !f.deleteOnFailure}
	if r.Server, err = f.spec(a.secrets.Add); err != nil {
		return err
	}
	if err := b.request(a, cmd, conf, &r); err != nil {
		return err
	}
	if r.Node.Name == "" {
		r.Node.Name = servers.NodeName(f.prefix)
	}
	r.Server.Name = r.Node.Name
	if err := ownKey(&r); err != nil {
		return err
	}
	m, done, err := a.servers(cmd)
	if err != nil {
		return err
	}
	defer done()
	console, err := a.serverConsole(format, f.timeout)
	if err != nil {
		return err
	}
	defer console.close()
	m.Report = console
	n, err := m.Create(ctx, r)
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
// one is configured, and the records. done lets go of the cloud.
func (a *app) servers(cmd *cobra.Command) (m *servers.Manager, done func(), err error) {
	dir, err := state.ServersDir(a.streams.Getenv)
	if err != nil {
		return nil, nil, err
	}
	chef, url, err := a.chefServer(cmd)
	if err != nil {
		return nil, nil, err
	}
	c, err := a.cloud(cmd.Context())
	if err != nil {
		return nil, nil, err
	}
	return &servers.Manager{Cloud: c, Chef: chef, ChefURL: url, Files: state.Servers{Base: dir}, Mark: servers.Mark(dir)}, c.Close, nil
}

// serverConsole is where a create tells what it does. Beside JSON on standard
// output, all of it is for standard error.
func (a *app) serverConsole(format string, timeout int) (*serverConsole, error) {
	level, err := a.level()
	if err != nil {
		return nil, err
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

// fillFlags sets the flags that were not given from knife[...].
func fillFlags(fs *pflag.FlagSet, conf *knife.Config, keys map[string][]string) error {
	for name, from := range keys {
		flag := fs.Lookup(name)
		if flag == nil || flag.Changed {
			continue
		}
		for _, key := range from {
			v, ok := conf.Lookup(key)
			if !ok {
				continue
			}
			if err := fillFlag(fs, flag, conf, key); err != nil {
				return fmt.Errorf("%s: knife[:%s]: %w", v.Where(), key, err)
			}
			break
		}
	}
	return nil
}

func fillFlag(fs *pflag.FlagSet, flag *pflag.Flag, conf *knife.Config, key string) error {
	if list, ok := flag.Value.(pflag.SliceValue); ok {
		values, _, err := conf.Strings(key)
		if err != nil {
			return err
		}
		return list.Replace(values)
	}
	if flag.Value.Type() == "bool" {
		b, _, err := conf.Bool(key)
		if err != nil {
			return err
		}
		return flag.Value.Set(fmt.Sprint(b))
	}
	text, _, err := conf.String(key)
	if err != nil {
		return err
	}
	return flag.Value.Set(text)
}
