package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/galleyhq/galley/internal/fetch"
	"github.com/galleyhq/galley/internal/ui"
)

// fetchFlags are the flags of galley fetch that are more than a field of its
// request.
type fetchFlags struct {
	data, json, user, bearer, netrcFile string
	headers, fields, encode             []string
	netrc, remoteName, force            bool
	outputDir, config, proxy            string
	compress, chunk, memory, maxBytes   string
	timeout, rates                      []string
	items, count                        string
	first                               int64
	service                             string
	summary, quiet, progress            bool

	given func(flag string) bool
}

func (a *app) fetchCommand() *cobra.Command {
	var r fetch.Request
	var f fetchFlags
	cmd := &cobra.Command{
		Use:   "fetch URL|image:NAME|--service SERVICE PATH",
		Short: "Bring an API's answer straight to disk: compressed, resumable, in constant memory",
		Long: `Brings what an HTTP API gives to disk without ever holding it: one body or many
pages, compressed on the way, verified, and renamed into place once it is whole.

  galley fetch https://api.example.org/v2/export -o export.json.gz
  galley fetch URL -o all.ndjson.gz --items data --next meta.next_token --cursor-param token
  galley fetch URL -o 'page-%05d.json.zst' --link
  galley fetch --service object-store backups/db.dump -o db.dump --resume
  galley fetch image:debian-13 -o debian-13.qcow2

The pages follow the Link header (--link), a URL or cursor in the body (--next
with a JSON path such as meta.next or servers_links[rel=next]), in a header
(--next-header), an offset or a page number. Without --items they are written
one after the other, byte for byte, or each to a file of its own when the
output's name has a verb such as %05d.

A name that ends in .gz or .zst is compressed on all cores; what the server
sends in that form already is stored as it comes. What a failed fetch has
brought is kept beside the output, and --resume goes on from there.

Secrets stay off the command line in a --config file (YAML: headers, bearer,
user, password, netrc, cacert, cert, key, proxy). They are sent to the first
URL's host alone. OpenStack's services, and image:NAME, are asked with the
OS_* variables, --rc or --os-cloud.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.fetch(cmd, &r, &f, args[0])
		},
	}
	fs := cmd.Flags()
	fs.SortFlags = false
	fs.StringVarP(&r.Output.Path, "output", "o", "", "write to `file`, - for standard output; with %05d in it a file per page")
	fs.BoolVarP(&f.remoteName, "remote-name", "O", false, "name the file as the server does, made safe")
	fs.StringVar(&f.outputDir, "output-dir", "", "`folder` for -o and -O")
	fs.BoolVar(&f.force, "force", false, "let -O replace a file")
	fs.BoolVar(&r.Resume, "resume", false, "go on from what a failed fetch has left")
	fs.StringVar(&f.compress, "compress", "", "gzip, zstd or none (default: by the name's ending)")
	fs.IntVar(&r.Output.Level, "level", 0, "compression level: gzip 1-9, zstd 1-4 (default 1)")
	fs.IntVar(&r.Output.Workers, "workers", 0, "cores that compress (default all)")
	fs.BoolVar(&r.Output.NoSync, "no-sync", false, "do not wait until the disk has it")

	fs.StringVarP(&r.Method, "request", "X", "", "`method` (default GET, or POST with a body)")
	fs.StringArrayVarP(&f.headers, "header", "H", nil, "send this `header`, 'Name: value'; repeatable")
	fs.StringVarP(&f.data, "data", "d", "", "send `data`, @FILE, or - for standard input, as a form's")
	fs.StringVar(&f.json, "json", "", "send `data`, @FILE, or - for standard input, as JSON")
	fs.StringArrayVar(&f.encode, "data-urlencode", nil, "send the form field `name=value`; repeatable")
	fs.StringArrayVarP(&f.fields, "form", "F", nil, "send multipart/form-data: `name=value` or name=@FILE; repeatable")
	fs.StringVar(&f.config, "config", "", "read headers and secrets from this YAML `file`")
	fs.StringVar(&f.bearer, "bearer", "", "send a bearer `token`; @FILE reads it from a file")
	fs.StringVarP(&f.user, "user", "u", "", "basic authentication, `name:password`; @FILE reads it from a file")
	fs.BoolVar(&f.netrc, "netrc", false, "look the host up in NETRC or ~/.netrc")
	fs.StringVar(&f.netrcFile, "netrc-file", "", "look the host up in this `file`")
	fs.StringVar(&r.TLS.CACert, "cacert", "", "trust the authorities in this PEM `file` too")
	fs.StringVar(&r.TLS.Cert, "cert", "", "show the client certificate in this PEM `file`")
	fs.StringVar(&r.TLS.Key, "key", "", "PEM `file` of the certificate's key (default: beside it)")
	fs.BoolVarP(&r.TLS.Insecure, "insecure", "k", false, "do not verify the server's certificate")
	fs.StringVar(&f.proxy, "proxy", "", "`URL` of a proxy, empty for none (default HTTPS_PROXY, HTTP_PROXY, NO_PROXY)")
	fs.BoolVar(&r.HTTP1, "http1.1", false, "do not use HTTP/2")
	fs.StringVar(&r.UserAgent, "user-agent", "galley/"+version(), "send this `name`")
	fs.StringVar(&f.service, "service", "", "the argument is a path below this service of the OpenStack catalogue")

	fs.StringVar(&f.items, "items", "", "write the elements of the array at this JSON `path`, one per line (. is the root)")
	fs.BoolVar(&r.Pages.Link, "link", false, "the next page is in the Link header, rel=next")
	fs.StringVar(&r.Pages.Next, "next", "", "the next page's URL or cursor is at this JSON `path`")
	fs.StringVar(&r.Pages.NextHeader, "next-header", "", "the next page's URL or cursor is in the header `name`")
	fs.StringVar(&r.Pages.CursorParam, "cursor-param", "", "send the cursor as the query parameter `name`")
	fs.StringVar(&r.Pages.OffsetParam, "offset-param", "", "count records in the query parameter `name`")
	fs.StringVar(&r.Pages.PageParam, "page-param", "", "count pages in the query parameter `name`")
	fs.Int64Var(&f.first, "first", 0, "first offset or page `number` (default 0 and 1)")
	fs.StringVar(&r.Pages.LimitParam, "limit-param", "", "ask for --limit records in the query parameter `name`")
	fs.IntVar(&r.Pages.Limit, "limit", 0, "`number` of records in a full page")
	fs.StringVar(&f.count, "count", "", "count the records of the array at this JSON `path` (default --items)")
	fs.StringVar(&r.Pages.Total, "total", "", "JSON `path` of the number of all records")
	fs.StringVar(&r.Pages.TotalPages, "total-pages", "", "JSON `path` of the number of all pages")
	fs.StringVar(&r.Pages.More, "more", "", "JSON `path` of a boolean, true while pages follow")
	fs.IntVar(&r.Pages.Max, "max-pages", 0, "stop after that many pages")
	fs.IntSliceVar(&r.Pages.StopStatus, "stop-status", nil, "`status` that means there is no such page")
	fs.BoolVar(&r.Pages.CrossOrigin, "cross-origin", false, "follow pages to another host, without credentials")

	fs.StringVar(&r.Checksum, "checksum", "", "verify the body, `sha256:HEX` (also md5, sha1, sha384, sha512)")
	fs.IntVar(&r.Retry.Attempts, "retry", 0, "give up after that many failures in a row (default 6, 1 is no repetition)")
	fs.DurationVar(&r.Retry.AfterMax, "retry-after-max", 0, "wait that long at most when the server asks for it (default 5m)")
	fs.BoolVar(&r.Retry.Unsafe, "retry-unsafe", false, "repeat POST and the like as well")
	fs.StringArrayVar(&f.timeout, "timeout", nil, "`time` without anything: connect=30s,first-byte=2m,stall=1m, or one for all")
	fs.StringArrayVar(&f.rates, "rate-limit", nil, "at most this `rate`: 2M/s of bytes, 10r/s of requests; repeatable")
	fs.StringVar(&f.maxBytes, "max-bytes", "", "fail when more than this `size` comes")
	fs.IntVar(&r.Limits.Ratio, "max-ratio", 0, "fail when a body grows more than that when it is decompressed (default 250, -1 never)")
	fs.StringVar(&f.chunk, "chunk-size", "", "read this `size` at a time (default 256K)")
	fs.StringVar(&f.memory, "max-memory", "", "keep the process within about this `size`, 16M at least")
	fs.BoolVarP(&f.quiet, "quiet", "q", false, "say nothing but errors")
	fs.BoolVar(&f.progress, "progress", false, "show progress although standard error is no terminal")
	fs.BoolVar(&f.summary, "summary", false, "print a summary as JSON, on standard error if the output is standard output")
	return cmd
}

func (a *app) fetch(cmd *cobra.Command, r *fetch.Request, f *fetchFlags, what string) error {
	ctx := cmd.Context()
	f.given = cmd.Flags().Changed
	if err := checkFetchFlags(cmd.Flags()); err != nil {
		return err
	}
	if f.given("items") {
		r.Items = &f.items
	}
	if f.given("count") {
		r.Pages.Count = &f.count
	}
	if f.given("first") {
		r.Pages.First = &f.first
	}
	// The first mistake is told; the rest may be its consequences.
	for _, part := range []func(*fetch.Request, *fetchFlags) error{a.fetchSizes, a.fetchHeaders, a.fetchBody, a.fetchAuth, a.fetchOutput} {
		if err := part(r, f); err != nil {
			return fetchError(err)
		}
	}
	if err := a.fetchSource(ctx, r, f, what); err != nil {
		return err
	}
	if !f.quiet {
		clear := ""
		if ui.Terminal(a.streams.Err) != nil {
			clear = "\r\x1b[K" // the progress line is drawn again below
		}
		r.Notify = func(msg string) { fmt.Fprintf(a.streams.Err, "%s%s: %s\n", clear, a.name, a.secrets.Clean(msg)) }
	}
	shed()
	r.Meter = &fetch.Meter{}
	stop, small := a.fetchProgress(r, f), shedLater(r.Meter)
	sum, err := fetch.Fetch(ctx, *r)
	stop()
	small()
	if f.summary {
		w := a.streams.Out
		if r.Output.Writer != nil {
			w = a.streams.Err
		}
		var line strings.Builder
		e := json.NewEncoder(&line)
		e.SetEscapeHTML(false) // URLs are to be read
		if jerr := e.Encode(sum); jerr != nil {
			return jerr
		}
		fmt.Fprint(w, a.secrets.Clean(line.String()))
	} else if err == nil && f.remoteName && !f.quiet {
		fmt.Fprintf(a.streams.Err, "%s: saved as %s\n", a.name, strings.Join(sum.Files, " "))
	}
	return fetchError(err)
}

// shedLater sheds once more when bytes flow: from then on little of the program
// is in use.
func shedLater(m *fetch.Meter) (stop func()) {
	done := make(chan struct{})
	go func() {
		t := time.NewTicker(5 * time.Millisecond)
		defer t.Stop()
		for {
			select {
			case <-done:
				return
			case <-t.C:
				if m.Read().Received > 0 {
					shed()
					return
				}
			}
		}
	}()
	return func() { close(done) }
}

// checkFetchFlags refuses what excludes each other, and values that would
// leave an option without effect: an empty one is a variable that was not set,
// most often, and a checksum or token that is lost in silence does harm.
func checkFetchFlags(fs *pflag.FlagSet) error {
	for _, group := range [][]string{{"data", "json", "data-urlencode", "form"}, {"bearer", "user", "netrc", "netrc-file"}, {"output", "remote-name"}, {"quiet", "progress"}} {
		var given []string
		for _, name := range group {
			if fs.Changed(name) {
				given = append(given, "--"+name)
			}
		}
		if len(given) > 1 {
			return usagef("", "%s exclude each other", strings.Join(given, " and "))
		}
	}
	for _, name := range []string{"level", "workers", "limit", "max-pages", "retry"} {
		if n, err := fs.GetInt(name); err == nil && fs.Changed(name) && n < 1 {
			return usagef("", "--%s is 1 at least", name)
		}
	}
	if n, err := fs.GetInt("max-ratio"); err == nil && fs.Changed("max-ratio") && n < 1 && n != -1 {
		return usagef("", "--max-ratio is 1 at least, or -1 for none")
	}
	if d, err := fs.GetDuration("retry-after-max"); err == nil && fs.Changed("retry-after-max") && d <= 0 {
		return usagef("", "--retry-after-max is a time such as 30s")
	}
	// These mean something when they are empty: no body, the root, no proxy.
	empty := []string{"data", "json", "items", "count", "proxy"}
	var err error
	fs.Visit(func(f *pflag.Flag) {
		if err == nil && f.Value.Type() == "string" && f.Value.String() == "" && !slices.Contains(empty, f.Name) {
			err = usagef("leave it out, or see whether a variable is unset", "--%s is empty", f.Name)
		}
	})
	return err
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

func (a *app) fetchSizes(r *fetch.Request, f *fetchFlags) error {
	for _, s := range f.timeout {
		if err := fetch.ParseTimeouts(s, &r.Timeouts); err != nil {
			return err
		}
	}
	for _, s := range f.rates {
		bytes, requests, err := fetch.ParseRate(s)
		if err != nil {
			return err
		}
		if bytes > 0 {
			r.Limits.BytesPerSecond = bytes
		} else {
			r.Limits.RequestsPerSecond = requests
		}
	}
	var chunk, memory int64
	for _, z := range []struct {
		flag, text string
		to         *int64
	}{{"max-bytes", f.maxBytes, &r.Limits.Bytes}, {"chunk-size", f.chunk, &chunk}, {"max-memory", f.memory, &memory}} {
		if !f.given(z.flag) {
			continue
		}
		n, err := fetch.ParseSize(z.text)
		if err != nil {
			return err
		}
		if n == 0 {
			return usagef("", "--%s is more than nothing", z.flag)
		}
		*z.to = n
	}
	r.Limits.ChunkSize = int(min(chunk, 1<<30))
	// The program itself takes some memory; what the fetch may have is the
	// rest, and the collector of garbage keeps to the sum.
	const own = 10 << 20
	if memory > 0 {
		if memory < 16<<20 {
			return usagef("", "--max-memory is 16M at least")
		}
		r.Limits.Memory = memory - own
		debug.SetMemoryLimit(memory - own/2)
	}
	debug.SetGCPercent(20)
	return nil
}

func (a *app) fetchHeaders(r *fetch.Request, f *fetchFlags) error {
	r.Header = http.Header{}
	for _, h := range f.headers {
		if err := fetch.ParseHeader(h, r.Header); err != nil {
			return err
		}
	}
	return nil
}

func (a *app) fetchBody(r *fetch.Request, f *fetchFlags) (err error) {
	switch {
	case f.given("data"):
		r.Body, err = fetch.ParseBody(f.data, "application/x-www-form-urlencoded", a.streams.In)
	case f.given("json"):
		if r.Header.Get("Accept") == "" {
			r.Header.Set("Accept", "application/json")
		}
		r.Body, err = fetch.ParseBody(f.json, "application/json", a.streams.In)
	case len(f.encode) > 0:
		fields := url.Values{}
		for _, s := range f.encode {
			name, value, _ := strings.Cut(s, "=")
			fields.Add(name, value)
		}
		r.Body = fetch.FormBody(fields)
	case len(f.fields) > 0:
		var parts []fetch.Part
		for _, s := range f.fields {
			name, value, ok := strings.Cut(s, "=")
			if !ok || name == "" {
				return usagef("", "a form's field is name=value or name=@FILE")
			}
			p := fetch.Part{Name: name, Value: value}
			if file, ok := strings.CutPrefix(value, "@"); ok {
				p.Value, p.File = "", file
			}
			parts = append(parts, p)
		}
		r.Body, err = fetch.MultipartBody(parts)
	}
	return err
}

func (a *app) fetchAuth(r *fetch.Request, f *fetchFlags) error {
	secret := func(s string) (string, error) {
		if file, ok := strings.CutPrefix(s, "@"); ok {
			b, err := os.ReadFile(file)
			if err != nil {
				return "", usagef("", "the file of credentials: %v", err)
			}
			s = strings.TrimSpace(string(b))
		}
		a.secrets.Add(s)
		return s, nil
	}
	var err error
	switch {
	case f.bearer != "":
		var token string
		if token, err = secret(f.bearer); err == nil {
			r.Auth = fetch.Bearer(fetch.Secret(token))
		}
	case f.user != "":
		var pair string
		if pair, err = secret(f.user); err == nil {
			name, password, _ := strings.Cut(pair, ":")
			a.secrets.Add(password)
			r.Auth = fetch.Basic(name, fetch.Secret(password))
		}
	case f.netrc, f.netrcFile != "":
		path := f.netrcFile
		if path == "" {
			path = a.streams.Getenv("NETRC")
		}
		if path == "" {
			home, herr := os.UserHomeDir()
			if herr != nil {
				return usagef("name it with --netrc-file", "there is no home folder to look for .netrc in")
			}
			path = filepath.Join(home, ".netrc")
		}
		r.Auth, err = fetch.Netrc(path)
	}
	if err == nil && f.given("proxy") {
		r.Proxy, err = fetch.ParseProxy(f.proxy)
	}
	if err != nil || f.config == "" {
		return err
	}
	c, warning, err := fetch.ReadConfig(f.config)
	if err != nil {
		return err
	}
	if warning != "" && !f.quiet {
		fmt.Fprintf(a.streams.Err, "%s: warning: %s\n", a.name, warning)
	}
	secrets, err := c.Apply(r)
	a.secrets.Add(secrets...)
	return err
}

func (a *app) fetchOutput(r *fetch.Request, f *fetchFlags) error {
	o := &r.Output
	var err error
	if o.Compress, err = fetch.ParseFormat(f.compress); err != nil {
		return err
	}
	switch {
	case f.remoteName:
		o.Named, o.Overwrite, o.Path = true, f.force, f.outputDir
	case o.Path == "":
		return usagef("say -o FILE, -O for the server's name, or -o - for standard output", "there is no output")
	case o.Path == "-" && f.outputDir != "":
		return usagef("", "standard output lies in no folder: --output-dir goes with a file")
	case o.Path == "-":
		o.Path, o.Writer = "", a.streams.Out
		if o.Compress != fetch.Auto && o.Compress != fetch.None && ui.Terminal(a.streams.Out) != nil {
			return usagef("", "compressed bytes do not go to a terminal")
		}
	case f.outputDir != "":
		o.Path = filepath.Join(f.outputDir, o.Path)
	}
	return nil
}

// fetchProgress draws a line on a terminal while the fetch runs.
func (a *app) fetchProgress(r *fetch.Request, f *fetchFlags) (stop func()) {
	if f.quiet || ui.Terminal(a.streams.Err) == nil && !f.progress {
		return func() {}
	}
	term := ui.Terminal(a.streams.Err)
	every, draw := 200*time.Millisecond, "\r\x1b[K%s"
	if term == nil {
		every, draw = 2*time.Second, "%s\n" // a log
	}
	line := func() string { return ui.Fit(a.secrets.Clean(progressLine(r.Meter.Read())), term) }
	done, drawn := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(drawn)
		t := time.NewTicker(every)
		defer t.Stop()
		for {
			select {
			case <-t.C:
				fmt.Fprintf(a.streams.Err, draw, line())
			case <-done:
				fmt.Fprintf(a.streams.Err, strings.TrimSuffix(draw, "\n")+"\n", line())
				return
			}
		}
	}()
	return func() {
		close(done)
		<-drawn
	}
}

// progressLine is one state of a fetch, for a person.
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
