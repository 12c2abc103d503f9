package cli

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/galleyhq/galley/internal/devcloud"
	"github.com/galleyhq/galley/internal/devcloud/fault"
)

const faultHelp = `Add a rule that makes the cloud misbehave, and print the rule's ID.

A rule selects requests by --service, --method, --path and number (--nth,
--count), or a server, volume or pool by --name. The actions are:

  latency        wait --delay before acting; stop waiting if the client leaves
  late-effect    act --delay after the request arrived, whether or not the
                 client still waits, and answer then
  late-answer    act at once, answer --delay later
  duplicate      act twice, as behind a proxy that repeats requests; the answer
                 is the second one
  status         answer --status, with --body, --empty-body or an error in the
                 service's own form, without acting
  answer         act, then answer exactly --body (none by default) with
                 --status (the real one by default)
  drop-before    close the connection without acting
  drop-after     act, then close the connection without an answer
  truncate       act, then close the connection in the middle of the answer
  hold-before    keep the request waiting before acting, until the rule is
                 cleared
  hold-after     act, then keep the request waiting for its answer
  hold-answered  answer, then keep every later request waiting
  server-error   send a new server to ERROR, with --message
  volume-error   send a new volume to "error"
  pool-empty     leave a floating IP pool without addresses

"galley devcloud fault list" shows how often each rule was hit and how many
requests it keeps waiting.

`

var faultExamples = `  # The server appears 20 seconds after it was asked for
  galley devcloud fault add late-effect --service compute --method POST --path '^/v2.1/servers$' --delay 20s

  # A 404 for a server that exists, as from a proxy that asked the wrong cloud
  galley devcloud fault add status --method DELETE --path '/servers/' --status 404

  # The login succeeds and the answer is empty
  galley devcloud fault add answer --service identity --method POST --status 200`

// faultAddOptions are those of devcloud fault add.
type faultAddOptions struct {
	*embeddedCloud
	fault fault.Rule
	delay time.Duration
}

func newFaultAddCommand(e *embeddedCloud) *cobra.Command {
	o := &faultAddOptions{embeddedCloud: e}
	cmd := &cobra.Command{
		Use:       "add ACTION",
		Short:     "Add a fault and print its ID",
		Long:      faultHelp,
		Example:   faultExamples,
		Args:      cobra.ExactArgs(1),
		ValidArgs: fault.Actions,
		RunE: e.with(func(ctx context.Context, client *devcloud.Client, args []string) error {
			o.fault.Action, o.fault.Delay = args[0], fault.Duration(o.delay)
			st, err := client.AddFault(ctx, o.fault)
			if err != nil {
				return err
			}
			_, err = fmt.Fprintln(o.streams.Out, st.ID)
			return err
		}),
	}
	fs := cmd.Flags()
	f := &o.fault
	fs.StringVar(&f.Service, "service", "", "`SERVICE`: identity, compute, network, image, volume, object-store or placement")
	fs.StringVar(&f.Method, "method", "", "the HTTP `METHOD`")
	fs.StringVar(&f.Path, "path", "", "`REGEXP` for the path below the service's")
	fs.StringVar(&f.Name, "name", "", "`REGEXP` for the name of the server, volume or pool")
	fs.IntVar(&f.Nth, "nth", 1, "`NUMBER` of the first matching request to hit")
	fs.IntVar(&f.Count, "count", 1, "`NUMBER` of requests to hit, -1 for all")
	fs.DurationVar(&o.delay, "delay", 0, "the `TIME` of latency, late-effect and late-answer")
	fs.IntVar(&f.Status, "status", 0, "the HTTP `CODE` of status and answer")
	fs.StringVar(&f.Body, "body", "", "the body `TEXT` of status (default an error in the service's form) and answer (default empty)")
	fs.BoolVar(&f.EmptyBody, "empty-body", false, "for status: no body at all")
	fs.StringVar(&f.RetryAfter, "retry-after", "", "the `VALUE` of Retry-After for status and answer")
	fs.StringVar(&f.Message, "message", "", "the `TEXT` of the error, for status and server-error")
	return cmd
}

func newFaultListCommand(e *embeddedCloud) *cobra.Command {
	return &cobra.Command{
		Use:     "list",
		Short:   "Print the active faults as JSON",
		Long:    `Print the active faults with how often each has matched and hit, as JSON.`,
		Example: "  galley devcloud fault list\n  galley devcloud fault list > faults.json",
		Args:    cobra.NoArgs,
		RunE: e.with(func(ctx context.Context, client *devcloud.Client, _ []string) error {
			faults, err := client.Faults(ctx)
			if err != nil {
				return err
			}
			return e.json(faults)
		}),
	}
}

func newFaultClearCommand(e *embeddedCloud) *cobra.Command {
	return &cobra.Command{
		Use:   "clear [ID]",
		Short: "Remove a fault, or all, and let held requests continue",
		Long: `Remove the fault with this ID, or all faults, and let the requests that they hold
continue.`,
		Example: "  galley devcloud fault clear f1\n  galley devcloud fault clear",
		Args:    cobra.MaximumNArgs(1),
		RunE: e.with(func(ctx context.Context, client *devcloud.Client, args []string) error {
			return client.ClearFaults(ctx, strings.Join(args, ""))
		}),
	}
}
