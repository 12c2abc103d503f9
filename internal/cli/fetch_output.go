package cli

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"github.com/galleyhq/galley/internal/fetch"
	"github.com/galleyhq/galley/internal/retry"
	"github.com/galleyhq/galley/internal/ui"
)

// output says where the response of one job goes.
func (f *fetchOptions) output(ctx context.Context, r *fetch.Request, j fetchJob) error {
	a, o := f.program, &r.Output
	path := f.outputPath
	if j.output != "" {
		path = j.output
	} else {
		path = j.replace(path)
	}
	if swift, ok := strings.CutPrefix(path, "swift:"); ok {
		var err error
		o.Store, err = f.swiftStore(ctx, r, swift)
		return err
	}
	if f.segment != 0 {
		return usagef("", "--segment-size goes with -o swift:CONTAINER/OBJECT")
	}
	switch {
	case f.remoteName && j.output == "", strings.HasSuffix(path, "/"):
		o.Named, o.Overwrite, o.Path = true, f.force, filepath.Join(f.outputDir, path)
		if f.outputDir == "" && path == "" {
			o.Path = ""
		}
	case path == "":
		return usagef("say -o FILE, -O for the server's name, or -o - for standard output", "no output is given")
	case path == "-" && f.outputDir != "":
		return usagef("", "standard output is not in a folder: --output-dir goes with a file")
	case path == "-":
		o.Path, o.Writer = "", a.streams.Out
		if o.Compress != fetch.Auto && o.Compress != fetch.None && ui.Terminal(a.streams.Out) != nil {
			return usagef("", "compressed data is not written to a terminal")
		}
	default:
		o.Path = filepath.Join(f.outputDir, path)
	}
	return nil
}

// startConsole begins the stream of events that the download reports to. done
// ends its console.
func (f *fetchOptions) startConsole() (done func(), err error) {
	if f.quiet {
		return func() {}, nil // a nil reporter discards
	}
	bus, done, err := f.program.events(f.program.streams.Err)
	if err == nil {
		f.report = bus.Reporter("", 0, "")
	}
	return done, err
}

// progressEvery is how often the state of a download is reported.
const progressEvery = 200 * time.Millisecond

// showProgress reports the state of a download while it runs, and at its end as
// a line that stays: on a terminal, or where --progress asks for it.
func (f *fetchOptions) showProgress(state func() string) (stop func()) {
	if ui.Terminal(f.program.streams.Err) == nil && !f.progress {
		return func() {}
	}
	end := retry.Every(progressEvery, func(since time.Time) { f.report.Progress(since, "%s", state()) })
	return func() {
		end()
		f.report.Info("%s", state())
	}
}

// progressLine describes the state of a download.
func progressLine(p fetch.Progress) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s in", fetch.FormatSize(p.Received))
	if p.Total > 0 {
		fmt.Fprintf(&b, " (%d%%)", p.At*100/p.Total)
	}
	fmt.Fprintf(&b, ", %s out", fetch.FormatSize(p.Written))
	if p.Written > 0 && p.Received > p.Written {
		fmt.Fprintf(&b, " (%.1f:1)", float64(p.Received)/float64(p.Written))
	}
	fmt.Fprintf(&b, ", %s/s", fetch.FormatSize(int64(p.Rate())))
	if p.Page > 1 {
		fmt.Fprintf(&b, ", page %d", p.Page)
	}
	if p.Items > 0 {
		fmt.Fprintf(&b, ", %d items", p.Items)
	}
	if left, ok := p.Remaining(); ok && p.At < p.Total {
		fmt.Fprintf(&b, ", %s left", left.Round(time.Second))
	}
	if p.Waiting != "" {
		fmt.Fprintf(&b, "; %s", p.Waiting)
	}
	return b.String()
}
