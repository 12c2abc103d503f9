package cli

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/galleyhq/galley/internal/devcloud"
	"github.com/galleyhq/galley/internal/text"
)

// reexec runs the processes that the embedded cloud starts of this very
// program: a guest. It happens before anything else, so that a guest carries
// none of the command line's weight.
func reexec(args []string) (int, bool) {
	if len(args) >= 3 && args[1] == "devcloud" && args[2] == devcloud.GuestCommand {
		return devcloud.GuestMain(args[3:]), true
	}
	return 0, false
}

// embeddedCloud is the embedded cloud of a state directory.
type embeddedCloud struct {
	*program
	dir string
}

func newDevcloudCommand(d *deps) *cobra.Command {
	e := &embeddedCloud{program: d.program}
	image := noun("image", "Add images with their own content", newDevcloudImageAddCommand(e))
	fault := noun("fault", "Make the cloud misbehave at chosen requests",
		newFaultAddCommand(e), newFaultListCommand(e), newFaultClearCommand(e))
	cmd := noun("devcloud", "The embedded cloud: an OpenStack on this machine",
		newDevcloudUpCommand(e), newDevcloudDownCommand(e), newDevcloudStatusCommand(e), newDevcloudEnvCommand(e),
		newDevcloudListCommand(e), fault, image, newDevcloudRequestsCommand(e), newDevcloudDaemonCommand(e))
	cmd.Long = `A simulated OpenStack on this machine's loopback addresses, whose guests answer
real SSH. Any OpenStack client may use it:

  galley devcloud up
  eval "$(galley devcloud env)"`
	cmd.PersistentFlags().StringVar(&e.dir, "dir", "",
		"the cloud's state `DIRECTORY` (default GALLEY_DEVCLOUD_DIR, or galley/devcloud in the user's state directory)")
	return cmd
}

// with is the work of a command that connects to the running cloud.
func (e *embeddedCloud) with(do func(context.Context, *devcloud.Client, []string) error) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, args []string) error {
		client, err := devcloud.Connect(cmd.Context(), e.dir)
		if err != nil {
			return err
		}
		return do(cmd.Context(), client, args)
	}
}

// devcloudUpOptions are those of devcloud up.
type devcloudUpOptions struct {
	*embeddedCloud
	cloud  devcloud.Options
	quotas []string
}

func newDevcloudUpCommand(e *embeddedCloud) *cobra.Command {
	o := &devcloudUpOptions{embeddedCloud: e}
	cmd := &cobra.Command{
		Use:   "up",
		Short: "Start the cloud in the background",
		Long: `Start the embedded cloud in the background, or again after a down: what users have
created there is kept. It prints how to use it.`,
		Example: "  galley devcloud up\n  galley devcloud up --quota instances=2 --build-delay 5s",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			var given []string
			cmd.LocalNonPersistentFlags().VisitAll(func(f *pflag.Flag) {
				if f.Changed {
					given = append(given, "--"+f.Name)
				}
			})
			return o.run(cmd.Context(), given)
		},
	}
	fs := cmd.Flags()
	c := &o.cloud
	fs.StringVar(&c.Listen, "listen", "", "the API's loopback `ADDRESS` (default a free port, the same after a restart)")
	fs.StringVar(&c.Guests, "guests", "", "`KIND` of guests: namespace for guests that answer SSH, none for servers with nothing behind them")
	fs.StringVar(&c.GuestNetwork, "guest-network", "",
		"`NETWORK` of the guests: own for one of each guest, host for guests that share this machine's network (default own)")
	fs.IntVar(&c.SSHPort, "ssh-port", 0, "the `PORT` that guests answer on (default 22 where it is free to use, else 2222)")
	fs.StringVar(&c.User, "user", "", "the `NAME` of the user (default demo)")
	fs.StringVar(&c.Password, "password", "", "the user's and the administrator's `PASSWORD` (default random, in the RC file)")
	fs.DurationVar(&c.BuildDelay, "build-delay", 0, "`TIME` until a server is ACTIVE (default 1s)")
	fs.DurationVar(&c.BootDelay, "boot-delay", 0, "`TIME` from the boot until SSH answers (default the guest's own)")
	fs.DurationVar(&c.TokenLife, "token-life", 0, "`TIME` that a token is valid (default 8h)")
	fs.BoolVar(&c.Empty, "empty", false, "seed a new cloud with flavors, images and the public network alone")
	fs.IntVar(&c.FloatingPool, "floating-pool", 0, "`NUMBER` of floating IPs (default 100, -1 for none)")
	fs.StringArrayVar(&o.quotas, "quota", nil, "a limit, as `NAME=NUMBER` (repeatable): instances=2")
	return cmd
}

// run starts the cloud; given are the flags that say how.
func (o *devcloudUpOptions) run(ctx context.Context, given []string) error {
	o.cloud.Dir, o.cloud.Quotas = o.dir, map[string]int{}
	for _, q := range o.quotas {
		name, value, _ := strings.Cut(q, "=")
		n, err := strconv.Atoi(value)
		if err != nil {
			return usagef("as in --quota instances=2", "invalid quota %q: use NAME=NUMBER", q)
		}
		o.cloud.Quotas[name] = n
	}
	client, started, err := devcloud.Up(ctx, o.cloud)
	if err != nil {
		return fmt.Errorf("starting the embedded cloud: %w", err)
	}
	st, err := client.Status(ctx)
	if err != nil {
		return err
	}
	word := "is up"
	if !started {
		word = "runs already"
		if len(given) > 0 {
			o.warnf("%s: the options of a running cloud stay as they are; `galley devcloud down` stops it, and keeps the servers.", text.And(given))
		}
	}
	o.notef("The embedded cloud %s at %s; its guests answer SSH on %s, port %d.", word, st.URL, st.Net, st.SSHPort)
	mode, err := client.GuestMode(ctx)
	if err != nil {
		o.warnf("no guest can be started here: %v", err)
	} else if !mode.Apart {
		o.warnf("guests are not kept apart here (%s): what runs in one runs on this machine, as you.", mode.Detail)
	}
	o.notef("Source its RC file to use it:\n\n    . %s\n\n`galley devcloud down` stops it and all its guests.", filepath.Join(st.Dir, devcloud.RCFile))
	return nil
}

func newDevcloudDownCommand(e *embeddedCloud) *cobra.Command {
	wipe := false
	cmd := &cobra.Command{
		Use:   "down",
		Short: "Stop the cloud and all its guests",
		Long: `Stop the embedded cloud and everything it has started. With --wipe its state is
removed as well.`,
		Example: "  galley devcloud down\n  galley devcloud down --wipe",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := devcloud.Down(cmd.Context(), e.dir, wipe); err != nil {
				return err
			}
			e.notef("The embedded cloud is down.")
			return nil
		},
	}
	cmd.Flags().BoolVar(&wipe, "wipe", false, "remove its state as well")
	return cmd
}

// devcloudShowOptions are those of the commands that show the embedded cloud,
// as a table or as JSON.
type devcloudShowOptions struct {
	*embeddedCloud
	format string
}

// newDevcloudShowCommand completes such a command; show prints, in a form for
// people or as JSON.
func newDevcloudShowCommand(e *embeddedCloud, cmd *cobra.Command, form string, show func(*devcloudShowOptions, context.Context, *devcloud.Client) error) *cobra.Command {
	o := &devcloudShowOptions{embeddedCloud: e}
	cmd.Args = cobra.NoArgs
	cmd.RunE = e.with(func(ctx context.Context, c *devcloud.Client, _ []string) error { return show(o, ctx, c) })
	addFormat(cmd, &o.format, "", form, formatJSON)
	return cmd
}

func newDevcloudStatusCommand(e *embeddedCloud) *cobra.Command {
	return newDevcloudShowCommand(e, &cobra.Command{
		Use:     "status",
		Short:   "Show whether the cloud runs, and with what",
		Long:    `Show the address, process, network and resources of the embedded cloud.`,
		Example: "  galley devcloud status\n  galley devcloud status --format json",
	}, formatTable, (*devcloudShowOptions).status)
}

func (o *devcloudShowOptions) status(ctx context.Context, client *devcloud.Client) error {
	st, err := client.Status(ctx)
	if err != nil {
		return err
	}
	if o.format == formatJSON {
		return o.json(st)
	}
	guests := st.Guests
	for _, mode := range slices.Sorted(maps.Keys(st.Modes)) {
		guests += fmt.Sprintf(", %d in mode %s", st.Modes[mode], mode)
	}
	l := listing{columns: []string{"Field", "Value"}}
	l.add("URL", st.URL)
	l.add("Directory", st.Dir)
	l.add("Process", st.PID)
	l.add("Network", st.Net)
	l.add("SSH port", st.SSHPort)
	l.add("Guests", guests)
	l.add("Servers", st.Resources.Servers)
	l.add("Floating IPs", st.Resources.FloatingIPs)
	l.add("Volumes", st.Resources.Volumes)
	l.add("API calls", st.Requests)
	l.add("Faults", st.Faults)
	return o.table(l)
}

func newDevcloudListCommand(e *embeddedCloud) *cobra.Command {
	return newDevcloudShowCommand(e, &cobra.Command{
		Use:   "ls",
		Short: "List the resources that users of the cloud have created",
		Long: `List the servers, volumes, networks and other resources that users of the embedded
cloud have created.`,
		Example: "  galley devcloud ls\n  galley devcloud ls --format json",
	}, formatTable, (*devcloudShowOptions).list)
}

func (o *devcloudShowOptions) list(ctx context.Context, client *devcloud.Client) error {
	res, err := client.Resources(ctx)
	if err != nil {
		return err
	}
	if o.format == formatJSON {
		return o.json(res)
	}
	l := listing{columns: []string{"Kind", "ID", "Name", "Status", "Detail"}}
	for _, kind := range res.All() {
		for _, r := range kind.Items {
			l.add(kind.Kind, r.ID, r.Name, r.Status, r.Detail)
		}
	}
	if len(l.rows) == 0 {
		o.notef("There are no resources.")
		return nil
	}
	return o.table(l)
}

func newDevcloudEnvCommand(e *embeddedCloud) *cobra.Command {
	admin := false
	cmd := newDevcloudShowCommand(e, &cobra.Command{
		Use:   "env",
		Short: "Print the shell lines that make a client use the cloud",
		Long: `Print export lines for a shell to evaluate; any OpenStack client then uses the
embedded cloud.`,
		Example: "  eval \"$(galley devcloud env)\"\n  galley devcloud env --format json",
	}, formatText, func(o *devcloudShowOptions, ctx context.Context, client *devcloud.Client) error {
		env, err := client.Env(ctx, admin)
		if err != nil {
			return err
		}
		if o.format == formatJSON {
			return o.json(env)
		}
		_, err = fmt.Fprint(o.streams.Out, devcloud.Exports(env))
		return err
	})
	cmd.Flags().BoolVar(&admin, "admin", false, "the administrator's instead of the user's")
	return cmd
}

func newDevcloudImageAddCommand(e *embeddedCloud) *cobra.Command {
	return &cobra.Command{
		Use:   "add NAME ROOTFS",
		Short: "Make an image of a root file system and print its ID",
		Long: `Make a public image whose guests boot from a root file system: a directory, a
tar archive (plain or .gz) or an OCI archive. Read a directory as root: other
users do not see its owners.`,
		Example: `  debootstrap --variant=minbase bookworm rootfs && galley devcloud image add debian-small rootfs
  skopeo copy docker://rockylinux:9 oci-archive:rocky.tar && galley devcloud image add rocky-9 rocky.tar`,
		Args: cobra.ExactArgs(2),
		RunE: e.with(func(ctx context.Context, client *devcloud.Client, args []string) error {
			image, err := client.AddImage(ctx, args[0], args[1])
			if err != nil {
				return err
			}
			_, err = fmt.Fprintln(e.streams.Out, image.ID)
			return err
		}),
	}
}

// devcloudRequestsOptions are those of devcloud requests.
type devcloudRequestsOptions struct {
	*embeddedCloud
	since int
	reset bool
}

func newDevcloudRequestsCommand(e *embeddedCloud) *cobra.Command {
	o := &devcloudRequestsOptions{embeddedCloud: e}
	cmd := &cobra.Command{
		Use:     "requests",
		Short:   "Print the API calls that the cloud has answered, as JSON",
		Long:    `Print the API calls that the embedded cloud has answered, and how many of each kind.`,
		Example: "  galley devcloud requests\n  galley devcloud requests --since 100 --reset",
		Args:    cobra.NoArgs,
		RunE:    e.with(o.run),
	}
	cmd.Flags().IntVar(&o.since, "since", 0, "leave out the calls before this `number`")
	cmd.Flags().BoolVar(&o.reset, "reset", false, "begin to count again")
	return cmd
}

func (o *devcloudRequestsOptions) run(ctx context.Context, client *devcloud.Client, _ []string) error {
	log, err := client.Requests(ctx, o.since)
	if err != nil {
		return err
	}
	if err := o.json(log); err != nil || !o.reset {
		return err
	}
	return client.ResetRequests(ctx)
}

// newDevcloudDaemonCommand returns the command that up starts.
func newDevcloudDaemonCommand(e *embeddedCloud) *cobra.Command {
	return &cobra.Command{
		Use:    devcloud.DaemonCommand,
		Hidden: true,
		Args:   cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			// A daemon ends in order at the first signal, and says nothing.
			ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
			defer stop()
			return devcloud.RunDir(ctx, e.dir, devcloud.Options{Log: daemonLog(e.streams.Err)})
		},
	}
}

func daemonLog(w io.Writer) *slog.Logger {
	return slog.New(slog.NewTextHandler(w, &slog.HandlerOptions{Level: slog.LevelInfo}))
}
