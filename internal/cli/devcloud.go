package cli

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"os"
	"os/signal"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/galleyhq/galley/internal/devcloud"
	"github.com/galleyhq/galley/internal/ui"
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

func (a *deps) devcloudCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "devcloud",
		Short: "The embedded cloud: an OpenStack on this machine",
		Long: `A simulated OpenStack on this machine's loopback addresses, whose guests answer
real SSH. Any OpenStack client may use it:

  galley devcloud up
  eval "$(galley devcloud env)"`,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	var dir string
	cmd.PersistentFlags().StringVar(
		&dir,
		"dir",
		"",
		"the cloud's state `directory` (default GALLEY_DEVCLOUD_DIR, or galley/devcloud in the user's state directory)",
	)
	cmd.AddCommand(
		a.devcloudUp(&dir), a.devcloudDown(&dir), a.devcloudStatus(&dir), a.devcloudEnv(&dir),
		a.devcloudList(&dir), a.devcloudFault(&dir), a.devcloudImage(&dir), a.devcloudRequests(&dir), a.devcloudDaemon(&dir),
	)
	return cmd
}

func (a *deps) devcloudUp(dir *string) *cobra.Command {
	var (
		o      devcloud.Options
		quotas []string
	)
	cmd := &cobra.Command{
		Use:   "up",
		Short: "Start the cloud in the background",
		Long: `Start the embedded cloud in the background, or again after a down: what users have
created there is kept. It prints how to use it.`,
		Example: "  galley devcloud up\n  galley devcloud up --quota instances=2 --build-delay 5s",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			o.Dir = *dir
			o.Quotas = map[string]int{}
			for _, q := range quotas {
				name, value, _ := strings.Cut(q, "=")
				n, err := strconv.Atoi(value)
				if err != nil {
					return usagef("as in --quota instances=2", "quota %q is no NAME=NUMBER", q)
				}
				o.Quotas[name] = n
			}
			return a.up(cmd.Context(), o)
		},
	}
	fs := cmd.Flags()
	fs.StringVar(
		&o.Listen,
		"listen",
		"",
		"the API's loopback `address` (default a free port, the same after a restart)",
	)
	fs.StringVar(
		&o.Guests,
		"guests",
		"",
		"namespace for guests that answer SSH, none for servers with nothing behind them",
	)
	fs.StringVar(
		&o.GuestNetwork,
		"guest-network",
		"",
		"own for a network of each guest, host for guests that share this machine's network (default own)",
	)
	fs.IntVar(
		&o.SSHPort,
		"ssh-port",
		0,
		"the `port` that guests answer on (default 22 where it can be had, else 2222)",
	)
	fs.StringVar(&o.User, "user", "", "the user's name (default demo)")
	fs.StringVar(
		&o.Password,
		"password",
		"",
		"the user's and the administrator's password (default random, in the RC file)",
	)
	fs.DurationVar(&o.BuildDelay, "build-delay", 0, "time until a server is ACTIVE (default 1s)")
	fs.DurationVar(&o.BootDelay, "boot-delay", 0, "time from the boot until SSH answers (default the guest's own)")
	fs.DurationVar(&o.TokenLife, "token-life", 0, "how long a token is good for (default 8h)")
	fs.IntVar(&o.FloatingPool, "floating-pool", 0, "how many floating IPs there are (default 100, -1 for none)")
	fs.StringArrayVar(&quotas, "quota", nil, "a limit, as `NAME=NUMBER` (repeatable): instances=2")
	return cmd
}

func (a *deps) up(ctx context.Context, o devcloud.Options) error {
	client, started, err := devcloud.Up(ctx, o)
	if err != nil {
		return fmt.Errorf("starting the embedded cloud: %w", err)
	}
	st, err := client.Status(ctx)
	if err != nil {
		return err
	}
	rc, err := devcloud.RCFile(st.Dir, false)
	if err != nil {
		return err
	}
	word := "runs already"
	if started {
		word = "is up"
	}
	w := a.people()
	fmt.Fprintf(
		w,
		"The embedded cloud %s at %s; its guests answer SSH on %s, port %d.\n",
		word,
		st.URL,
		st.Net,
		st.SSHPort,
	)
	mode, err := client.GuestMode(ctx)
	if err != nil {
		fmt.Fprintf(a.streams.Err, "%s: warning: no guest can be started here: %v\n", a.name, err)
	} else if !mode.Apart {
		fmt.Fprintf(a.streams.Err, "%s: warning: guests are not kept apart here (%s): what runs in one runs on this machine, as you.\n", a.name, mode.Detail)
	}
	fmt.Fprintf(w, "Source its RC file to use it:\n\n    . %s\n\n", rc)
	fmt.Fprintln(w, "`galley devcloud down` ends it and all its guests.")
	return nil
}

func (a *deps) devcloudDown(dir *string) *cobra.Command {
	var wipe bool
	cmd := &cobra.Command{
		Use:   "down",
		Short: "Stop the cloud and all its guests",
		Long: `Stop the embedded cloud and everything it has started. With --wipe its state is
removed as well.`,
		Example: "  galley devcloud down\n  galley devcloud down --wipe",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := devcloud.Down(cmd.Context(), *dir, wipe); err != nil {
				return err
			}
			fmt.Fprintln(a.people(), "The embedded cloud is down.")
			return nil
		},
	}
	cmd.Flags().BoolVar(&wipe, "wipe", false, "remove its state as well")
	return cmd
}

func (a *deps) devcloudStatus(dir *string) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:     "status",
		Short:   "Show whether the cloud runs, and with what",
		Long:    `Show the address, process, network and resources of the embedded cloud.`,
		Example: "  galley devcloud status\n  galley devcloud status --format json",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			client, err := devcloud.Connect(cmd.Context(), *dir)
			if err != nil {
				return err
			}
			st, err := client.Status(cmd.Context())
			if err != nil {
				return err
			}
			if asJSON {
				return a.json(st)
			}
			t := ui.Table{Header: []string{"Field", "Value"}}
			add := func(name string, value any) {
				t.Rows = append(t.Rows, []ui.Cell{{Text: name}, {Text: fmt.Sprint(value)}})
			}
			add("URL", st.URL)
			add("Directory", st.Dir)
			add("Process", st.PID)
			add("Network", st.Net)
			add("SSH port", st.SSHPort)
			add("Guests", guests(st))
			add("Servers", st.Resources.Servers)
			add("Floating IPs", st.Resources.FloatingIPs)
			add("Volumes", st.Resources.Volumes)
			add("API calls", st.Requests)
			add("Faults", st.Faults)
			return t.Write(a.streams.Out, a.streams.Color(a.streams.Out, a.color()))
		},
	}
	cmd.Flags().Var(formatFlag{&asJSON}, "format", "print as table or json")
	completeFlag(cmd, "format", fixed("table", "json"))
	return cmd
}

// guests says how guests run, and how many in which mode.
func guests(st devcloud.Status) string {
	s := st.Guests
	for _, mode := range slices.Sorted(maps.Keys(st.Modes)) {
		s += fmt.Sprintf(", %d in mode %s", st.Modes[mode], mode)
	}
	return s
}

func (a *deps) devcloudEnv(dir *string) *cobra.Command {
	var admin, asJSON bool
	cmd := &cobra.Command{
		Use:   "env",
		Short: "Print the shell lines that make a client use the cloud",
		Long: `Print export lines for a shell to evaluate; any OpenStack client then uses the
embedded cloud.`,
		Example: "  eval \"$(galley devcloud env)\"\n  galley devcloud env --format json",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if _, err := devcloud.Connect(cmd.Context(), *dir); err != nil {
				return err
			}
			env, err := devcloud.ReadEnv(*dir, admin)
			if err != nil {
				return err
			}
			if asJSON {
				return a.json(env)
			}
			_, err = fmt.Fprint(a.streams.Out, devcloud.Exports(env))
			return err
		},
	}
	cmd.Flags().BoolVar(&admin, "admin", false, "the administrator's instead of the user's")
	cmd.Flags().Var(formatFlag{&asJSON}, "format", "print as table (shell lines) or json")
	completeFlag(cmd, "format", fixed("table", "json"))
	return cmd
}

func (a *deps) devcloudList(dir *string) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "ls",
		Short: "List what users of the cloud have created",
		Long: `List the servers, volumes, networks and other resources that users of the embedded
cloud have created.`,
		Example: "  galley devcloud ls\n  galley devcloud ls --format json",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			client, err := devcloud.Connect(cmd.Context(), *dir)
			if err != nil {
				return err
			}
			res, err := client.Resources(cmd.Context())
			if err != nil {
				return err
			}
			if asJSON {
				return a.json(res)
			}
			t := ui.Table{Header: []string{"Kind", "ID", "Name", "Status", "Detail"}}
			for _, kind := range res.All() {
				for _, r := range kind.Items {
					t.Rows = append(
						t.Rows,
						[]ui.Cell{
							{Text: kind.Kind},
							{Text: r.ID},
							{Text: r.Name},
							{Text: r.Status},
							{Text: r.Detail},
						},
					)
				}
			}
			return t.Write(a.streams.Out, a.streams.Color(a.streams.Out, a.color()))
		},
	}
	cmd.Flags().Var(formatFlag{&asJSON}, "format", "print as table or json")
	completeFlag(cmd, "format", fixed("table", "json"))
	return cmd
}

func (a *deps) devcloudImage(dir *string) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "image",
		Short: "Add images with content of their own",
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(&cobra.Command{
		Use:   "add NAME ROOTFS",
		Short: "Make an image of a root file system and print its ID",
		Long: `Make a public image whose guests boot from a root file system: a directory, a
tar archive (plain or .gz) or an OCI archive. Read a directory as root: other
users do not see its owners.`,
		Example: `  debootstrap --variant=minbase bookworm rootfs && galley devcloud image add debian-small rootfs
  skopeo copy docker://rockylinux:9 oci-archive:rocky.tar && galley devcloud image add rocky-9 rocky.tar`,
		Args: cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			client, err := devcloud.Connect(cmd.Context(), *dir)
			if err != nil {
				return err
			}
			image, err := client.AddImage(cmd.Context(), args[0], args[1])
			if err != nil {
				return err
			}
			_, err = fmt.Fprintln(a.streams.Out, image.ID)
			return err
		},
	})
	return cmd
}

func (a *deps) devcloudRequests(dir *string) *cobra.Command {
	var (
		since int
		reset bool
	)
	cmd := &cobra.Command{
		Use:     "requests",
		Short:   "Print the API calls that the cloud has answered, as JSON",
		Long:    `Print the API calls that the embedded cloud has answered, and how many of each kind.`,
		Example: "  galley devcloud requests\n  galley devcloud requests --since 100 --reset",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			client, err := devcloud.Connect(cmd.Context(), *dir)
			if err != nil {
				return err
			}
			log, err := client.Requests(cmd.Context(), since)
			if err != nil {
				return err
			}
			if err := a.json(log); err != nil || !reset {
				return err
			}
			return client.ResetRequests(cmd.Context())
		},
	}
	cmd.Flags().IntVar(&since, "since", 0, "leave out the calls before this `number`")
	cmd.Flags().BoolVar(&reset, "reset", false, "begin to count again")
	return cmd
}

// devcloudDaemon is what `up` starts.
func (a *deps) devcloudDaemon(dir *string) *cobra.Command {
	return &cobra.Command{
		Use:    devcloud.DaemonCommand,
		Hidden: true,
		Args:   cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			// A daemon ends in order at the first signal, and says nothing.
			ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
			defer stop()
			return devcloud.RunDir(ctx, *dir, devcloud.Options{Log: daemonLog(a.streams.Err)})
		},
	}
}

func daemonLog(w io.Writer) *slog.Logger {
	return slog.New(slog.NewTextHandler(w, &slog.HandlerOptions{Level: slog.LevelInfo}))
}
