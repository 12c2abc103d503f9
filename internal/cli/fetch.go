package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/galleyhq/galley/internal/fetch"
	"github.com/galleyhq/galley/internal/secret"
	"github.com/galleyhq/galley/internal/state"
	"github.com/galleyhq/galley/internal/text"
)

// newFetchCommand returns the command that downloads.
func newFetchCommand(d *deps) *cobra.Command {
	f := &fetchOptions{program: d.program, clouds: d.clouds}
	cmd := &cobra.Command{
		Use:   "fetch URL...|image:NAME|--service SERVICE PATH",
		Short: "Download API responses to disk: compressed, resumable, in constant memory",
		Long: `Downloads the response of an HTTP API to disk, in constant memory: one body or
many pages, compressed on the way, verified, and renamed into place once it is
complete.

The next page is found by the Link header (--link), at a JSON path in the body
(--next), in a header (--next-header), or by counting records or pages. --api
NAME knows these options for common APIs; --api list shows them. The end of the
pages is never concluded from missing data: a page that lacks what the first one
had is an error, unless --end-on says that the last page looks like that.

A name that ends in .gz or .zst is compressed on all cores; a response that the
server has compressed so is stored as it comes, after a check. A download that
failed or was killed is resumed by the same command; --restart begins again.

Credentials are sent only to the host of the first URL. Keep them out of the
command line: --bearer env:NAME, or a --config file in YAML with headers, bearer,
user, password, netrc, oauth2 and ${NAME} for variables. Services of OpenStack
and image:NAME are requested with the OS_* variables, --rc or --os-cloud.

Exit codes of this command besides the usual ones: 21 the server refused the
request, 22 not found, 23 no connection or too slow, 24 incomplete pages or body,
25 wrong checksum or damaged compression, 26 a local file could not be written.`,
		Example: `  galley fetch https://api.example.org/v2/export -o export.json.gz
  galley fetch URL -o all.ndjson.gz --items data --next meta.next_token --cursor-param token
  galley fetch --api github https://api.github.com/repos/o/r/issues -o issues.ndjson
  galley fetch --service object-store backups/db.dump -o db.dump
  galley fetch 'https://example.org/part-{1..500}.json' -j 8 -o 'part-#1.json'`,
		Args: cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error { return f.run(cmd.Context(), args) },
	}
	f.addFlags(cmd)
	return cmd
}

// run carries the command out.
func (f *fetchOptions) run(ctx context.Context, args []string) error {
	// net/http writes what servers send unasked to this logger.
	log.SetOutput(io.Discard)
	if f.api == "list" {
		return f.listAPIs()
	}
	if err := f.check(); err != nil {
		return err
	}
	done, err := f.startConsole()
	if err != nil {
		return err
	}
	defer done()
	jobs, err := f.jobs(args)
	if err != nil {
		return fetchError(err)
	}
	if err := f.complete(); err != nil {
		return fetchError(err)
	}
	if len(jobs) > 1 {
		return f.runMany(ctx, jobs)
	}
	r, err := f.job(ctx, jobs[0])
	if err != nil {
		return fetchError(err)
	}
	r.Meter = &fetch.Meter{}
	stop := f.showProgress(func() string { return progressLine(r.Meter.Read()) })
	sum, err := fetch.Fetch(ctx, *r)
	stop()
	if serr := f.summarize(sum, err, r.Output.Writer != nil); serr != nil {
		return serr
	}
	f.showErrorBody(err)
	return fetchError(err)
}

// job makes the request of one job.
func (f *fetchOptions) job(ctx context.Context, j fetchJob) (*fetch.Request, error) {
	r := f.request // a copy
	if err := f.source(ctx, &r, j.what); err != nil {
		return nil, err
	}
	if f.getData != "" && r.URL != "" {
		sign := "?"
		if strings.Contains(r.URL, "?") {
			sign = "&"
		}
		r.URL += sign + f.getData
	}
	f.program.secrets.Add(secret.InURL(r.URL)...)
	if f.api != "" {
		if err := fetch.ApplyPreset(f.api, &r); err != nil {
			return nil, err
		}
	}
	if err := f.output(ctx, &r, j); err != nil {
		return nil, err
	}
	r.WantJSON = r.WantJSON || strings.Contains(r.Header.Get("Accept"), "json") || jsonName(r.Output.Path)
	return &r, nil
}

// jsonName reports whether a file's name says that its content is JSON.
func jsonName(path string) bool {
	path = strings.ToLower(path)
	for _, ending := range []string{".gz", ".zst"} {
		path = strings.TrimSuffix(path, ending)
	}
	return strings.HasSuffix(path, ".json") || strings.HasSuffix(path, ".ndjson") || strings.HasSuffix(path, ".jsonl")
}

// notify reports a notice.
func (f *fetchOptions) notify(msg string) { f.report.Info("%s", msg) }

// trace reports a line about a request or an answer.
func (f *fetchOptions) trace(line string) { f.report.Info("%s", text.CleanLine(line)) }

// summarize prints the summary, and the name that the server has chosen.
func (f *fetchOptions) summarize(sum *fetch.Summary, err error, toStdout bool) error {
	a := f.program
	switch {
	case f.summary:
		w := a.streams.Out
		if toStdout {
			w = a.streams.Err
		}
		var line strings.Builder
		if jerr := encodeJSON(&line, sum, ""); jerr != nil {
			return jerr
		}
		fmt.Fprint(w, a.clean(line.String()))
	case err != nil:
	case sum.Unchanged:
		f.report.Info("not changed since the last download")
	case f.remoteName:
		f.report.Info("saved as %s", text.And(sum.Files))
	}
	if err == nil && sum.Stale > 0 {
		f.report.Info("removed %s of an earlier, longer run", text.Count(sum.Stale, "page"))
	}
	return nil
}

// errorLines is how much of the body of an error is printed.
const errorLines = 5

// showErrorBody prints the first lines of the body of an answer that is an
// error, unless the message has all of it.
func (f *fetchOptions) showErrorBody(err error) {
	var e *fetch.Error
	if f.quiet || !errors.As(err, &e) || len(e.Body) == 0 {
		return
	}
	lines := strings.Split(strings.TrimSpace(text.Clean(string(e.Body))), "\n")
	if len(lines) == 1 && strings.Contains(e.Msg, strings.TrimSpace(lines[0])) {
		return
	}
	if len(lines) > errorLines {
		lines = append(lines[:errorLines], "…")
	}
	for _, l := range lines {
		f.report.Info("  | %s", text.Shorten(strings.TrimRight(l, "\r"), 200))
	}
}

// fetchError makes a request that contradicts itself a mistake on the command
// line.
func fetchError(err error) error {
	var e *fetch.Error
	if errors.As(err, &e) && e.Kind == fetch.KindUsage {
		return &usageError{err, e.Hint()}
	}
	return err
}

// fetchExit returns the exit code of a failed download.
func fetchExit(e *fetch.Error) int {
	switch e.Kind {
	case fetch.KindUsage:
		return exitUsage
	case fetch.KindHTTP, fetch.KindAuth, fetch.KindRedirect:
		if e.Status == 404 || e.Status == 410 {
			return exitNotFound
		}
		return exitRefused
	case fetch.KindNetwork, fetch.KindTimeout:
		return exitNetwork
	case fetch.KindTruncated, fetch.KindPaging, fetch.KindJSON, fetch.KindChanged, fetch.KindLimit:
		return exitIncomplete
	case fetch.KindChecksum, fetch.KindCoding:
		return exitDamaged
	case fetch.KindDisk:
		return exitLocalFile
	}
	return exitFailed
}

// listAPIs prints the kinds of API that --api knows.
func (f *fetchOptions) listAPIs() error {
	w := f.program.streams.Out
	for _, p := range fetch.Presets() {
		fmt.Fprintf(w, "%-14s %s\n%-14s %s\n", p.Name, p.About, "", p.Describe())
		if p.RateLimit != "" {
			fmt.Fprintf(w, "%-14s pauses by %s\n", "", p.RateLimit)
		}
	}
	return nil
}

// stateDir is where the versions of finished downloads are remembered.
func (f *fetchOptions) stateDir() string {
	u, err := state.UserFiles(os.Getenv)
	if err != nil {
		return ""
	}
	return u.Fetched()
}
