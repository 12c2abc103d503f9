package cli

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/galleyhq/galley/internal/ui"
)

// Main runs the command line args, args[0] being the program's name, and
// returns the exit code.
func Main(args []string, streams *ui.Streams) int {
	if len(args) == 0 {
		args = []string{nameGalley}
	}
	if code, ok := reexec(args); ok {
		return code
	}
	d := newDeps(programName(args[0]), streams)
	ctx, stop := d.withSignals()
	defer stop()
	root := newRootCommand(d, args[1:])
	root.SetArgs(normalise(root, args[1:]))
	err := root.ExecuteContext(ctx)
	if err != nil {
		d.printError(err)
	}
	return d.exitCode(ctx, err)
}

// programName is "kitchen" or "knife" when the program is called that, else
// "galley".
func programName(arg0 string) string {
	base := strings.TrimSuffix(filepath.Base(arg0), ".exe")
	switch base {
	case nameKitchen, nameKnife:
		return base
	}
	return nameGalley
}

// signalBurst is how long signals count as one request to stop: `timeout` and
// a terminal send them to a process and to its group.
const signalBurst = time.Second

// withSignals returns a context that a first request to stop cancels; a second
// one ends the process at once. What has been created stays recorded either
// way. A hangup that the parent ignores (nohup) stays ignored.
func (p *program) withSignals() (context.Context, func()) {
	ctx, cancel := context.WithCancelCause(context.Background())
	ch := make(chan os.Signal, 8)
	stopping := []os.Signal{os.Interrupt, syscall.SIGTERM}
	if !signal.Ignored(syscall.SIGHUP) {
		stopping = append(stopping, syscall.SIGHUP)
	}
	signal.Notify(ch, stopping...)
	done := make(chan struct{})
	go p.awaitStop(ch, done, cancel)
	return ctx, func() {
		signal.Stop(ch)
		close(done)
		cancel(nil)
	}
}

// awaitStop waits for requests to stop.
func (p *program) awaitStop(ch <-chan os.Signal, done <-chan struct{}, cancel context.CancelCauseFunc) {
	select {
	case <-ch:
	case <-done:
		return
	}
	first := time.Now()
	if !p.quiet.Load() {
		fmt.Fprintln(p.streams.Err, "\nStopping gracefully; press Ctrl-C again to abort (created resources stay recorded).")
	}
	cancel(errInterrupted)
	for {
		select {
		case <-ch:
			if time.Since(first) > signalBurst {
				os.Exit(exitInterrupted)
			}
		case <-done:
			return
		}
	}
}
