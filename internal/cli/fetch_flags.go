package cli

import (
	"slices"
	"strings"

	"github.com/spf13/pflag"

	"github.com/galleyhq/galley/internal/fetch"
	"github.com/galleyhq/galley/kitchen"
)

// fetchOptions are the options of galley fetch: those of every request, and
// those that are more than a field of it.
type fetchOptions struct {
	program *program
	clouds  *cloudAccess
	report  *kitchen.Reporter
	flags   *pflag.FlagSet
	request fetch.Request

	api, inputFile, outputPath    string
	data                          []dataPiece
	json, user, bearer, netrcFile string
	headers, resolve, next        []string
	netrc, remoteName, force, get bool
	getData                       string // of --get, for the URL
	outputDir, config, proxy      string
	oauth2                        fetch.OAuth2
	oauth2Secret                  string
	compress, chunk, memory       string
	maxBytes, minSpeed, segment   string
	timeout, rates, endOn         []string
	items, count                  string
	first                         int64
	service                       string
	summary, quiet, progress      bool
	verbose, noGlob               bool
	referer, cookie               string
	jobsAtOnce                    int
	stopEmpty, ignored            bool
	continueAt                    string
}

func (f *fetchOptions) given(flag string) bool { return f.flags.Changed(flag) }

func (f *fetchOptions) addFlags(fs *pflag.FlagSet) {
	fs.SortFlags = false
	f.addOutputFlags(fs)
	f.addRequestFlags(fs)
	f.addPageFlags(fs)
	f.addLimitFlags(fs)
	f.addCurlFlags(fs)
}

func (f *fetchOptions) addOutputFlags(fs *pflag.FlagSet) {
	r := &f.request
	fs.StringVarP(&f.outputPath, "output", "o", "", "write to `FILE`, - for standard output, swift:CONTAINER/OBJECT for a cloud; with %05d in it a file per page, with #1 one per URL of a pattern")
	fs.BoolVarP(&f.remoteName, "remote-name", "O", false, "name the file as the server does, made safe")
	fs.StringVar(&f.outputDir, "output-dir", "", "`FOLDER` for -o and -O")
	fs.BoolVar(&f.force, "force", false, "let -O replace a file")
	fs.BoolVar(&r.Restart, "restart", false, "discard the part that an earlier download has left")
	fs.BoolVar(&r.Resume, "resume", false, "resume although the address is another (the same one is always resumed)")
	fs.BoolVar(&r.IfChanged, "if-changed", false, "download only if the content has changed since")
	fs.BoolVarP(&r.Output.RemoteTime, "remote-time", "R", false, "give the file the time of Last-Modified")
	fs.StringVar(&f.compress, "compress", "", "`FORMAT`: gzip, zstd or none (default: by the name's ending)")
	fs.IntVar(&r.Output.Level, "level", 0, "compression level `N`: gzip 1-9, zstd 1-4 (default 1)")
	fs.IntVar(&r.Output.Workers, "workers", 0, "compress on `N` cores (default all)")
	fs.BoolVar(&r.Output.NoSync, "no-sync", false, "do not wait until the data is on the disk")
	fs.BoolVar(&r.Raw, "raw", false, "store bodies as they come, without decoding")
	fs.BoolVar(&r.NoVerify, "no-verify", false, "store compressed bodies as they come without checking them")
	fs.BoolVar(&r.UTF8, "utf8", false, "convert text of another charset to UTF-8")
	fs.StringVar(&r.Output.Manifest, "manifest", "", "list the files with sizes and SHA-256 in this `FILE`")
	fs.StringVar(&f.segment, "segment-size", "", "`SIZE` of the segments of a swift: object (default 256M)")
}

func (f *fetchOptions) addRequestFlags(fs *pflag.FlagSet) {
	r := &f.request
	fs.StringVarP(&r.Method, "request", "X", "", "`METHOD` (default GET, or POST with a body)")
	fs.StringArrayVarP(&f.headers, "header", "H", nil, "send this `HEADER`, 'Name: value'; repeatable")
	fs.VarP(&dataFlag{&f.data, dataForm}, "data", "d", "send `DATA`, @FILE, or - for standard input, as a form; repeated ones are joined by &")
	fs.Var(&dataFlag{&f.data, dataRaw}, "data-raw", "as --data, without a meaning of @ in `DATA`")
	fs.Var(&dataFlag{&f.data, dataBinary}, "data-binary", "as --data, with the line breaks of a file `DATA`")
	fs.Var(&dataFlag{&f.data, dataEncode}, "data-urlencode", "send the form field `NAME=VALUE`, encoded; repeatable")
	fs.StringVar(&f.json, "json", "", "send `DATA`, @FILE, or - for standard input, as JSON")
	fs.BoolVarP(&f.get, "get", "G", false, "put the --data into the URL")
	fs.StringVar(&f.config, "config", "", "read headers and secrets from this YAML `FILE`")
	fs.StringVar(&f.bearer, "bearer", "", "send a bearer `TOKEN`; env:NAME reads a variable, @FILE a file")
	fs.StringVarP(&f.user, "user", "u", "", "basic authentication, `NAME:PASSWORD`; env:NAME reads a variable, @FILE a file")
	fs.BoolVar(&f.netrc, "netrc", false, "look the host up in NETRC or ~/.netrc")
	fs.StringVar(&f.netrcFile, "netrc-file", "", "look the host up in this `FILE`")
	fs.StringVar(&f.oauth2.TokenURL, "oauth2-token-url", "", "get tokens at this `URL` by client credentials")
	fs.StringVar(&f.oauth2.ClientID, "oauth2-client-id", "", "the client's `ID` for OAuth2")
	fs.StringVar(&f.oauth2Secret, "oauth2-client-secret", "", "the client's `SECRET`; env:NAME reads a variable, @FILE a file")
	fs.StringVar(&f.oauth2.Scope, "oauth2-scope", "", "`SCOPES` to ask for")
	fs.StringVar(&r.TLS.CACert, "cacert", "", "trust the authorities in this PEM `FILE` too")
	fs.StringVar(&r.TLS.Cert, "cert", "", "send the client certificate in this PEM `FILE`")
	fs.StringVar(&r.TLS.Key, "key", "", "PEM `FILE` of the certificate's key (default: in the same file)")
	fs.BoolVarP(&r.TLS.Insecure, "insecure", "k", false, "do not verify the server's certificate")
	fs.StringVarP(&f.proxy, "proxy", "x", "", "`URL` of a proxy, empty for none (default HTTPS_PROXY, HTTP_PROXY, ALL_PROXY, NO_PROXY)")
	fs.StringVar(&r.UnixSocket, "unix-socket", "", "connect to this socket `FILE`")
	fs.StringArrayVar(&f.resolve, "resolve", nil, "connect to another address, `HOST:PORT:ADDRESS`; repeatable")
	fs.BoolVar(&r.HTTP1, "http1.1", false, "do not use HTTP/2")
	fs.BoolVar(&r.NoCookies, "no-cookies", false, "do not send back the cookies of this run")
	fs.StringVarP(&r.UserAgent, "user-agent", "A", "galley/"+version(), "send this `NAME`")
	fs.StringVar(&f.service, "service", "", "the argument is a path below this `SERVICE` of the OpenStack catalogue")
}

func (f *fetchOptions) addPageFlags(fs *pflag.FlagSet) {
	p := &f.request.Pages
	fs.StringVar(&f.api, "api", "", "use the options for the kind of API of this `NAME`; --api list shows all")
	fs.StringVar(&f.items, "items", "", "write the elements of the array at this JSON `PATH`, one per line (. is the root; elements of XML become JSON)")
	fs.BoolVar(&p.Link, "link", false, "the next page is in the Link header, rel=next; numbered ones up to rel=last are requested in parallel")
	fs.StringArrayVar(&f.next, "next", nil, "the next page's URL or cursor is at this JSON `PATH`; the first of repeated ones that is found counts")
	fs.StringVar(&p.NextHeader, "next-header", "", "the next page's URL or cursor is in the header `NAME`")
	fs.StringVar(&p.Last, "last", "", "JSON `PATH`, or with --next-header the header, of the last page's URL or number: numbered pages up to it are requested in parallel")
	fs.StringVar(&p.CursorParam, "cursor-param", "", "send the cursor as the parameter `NAME`: of the URL, or of a JSON body")
	fs.StringVar(&p.CursorBody, "cursor-body", "", "put the cursor into the JSON body at this `PATH`")
	fs.StringVar(&p.CursorURL, "cursor-url", "", "`URL` or path of all pages but the first")
	fs.StringVar(&p.CursorTemplate, "cursor-json", "", "body of all requests but the first, in `JSON`")
	fs.BoolVar(&p.SameCursor, "same-cursor", false, "a cursor that repeats is not a loop")
	fs.StringVar(&p.OffsetParam, "offset-param", "", "count records in the query parameter `NAME`")
	fs.StringVar(&p.OffsetBody, "offset-body", "", "count records in the JSON body at this `PATH`")
	fs.StringVar(&p.PageParam, "page-param", "", "count pages in the query parameter `NAME`")
	fs.StringVar(&p.PageBody, "page-body", "", "count pages in the JSON body at this `PATH`")
	fs.Int64Var(&f.first, "first", 0, "first offset or page `NUMBER` (default 0 and 1)")
	fs.StringVar(&p.LimitParam, "limit-param", "", "ask for --limit records in the query parameter `NAME`")
	fs.StringVar(&p.LimitBody, "limit-body", "", "ask for --limit records in the JSON body at this `PATH`")
	fs.IntVar(&p.Limit, "limit", 0, "`NUMBER` of records in a full page")
	fs.StringVar(&f.count, "count", "", "count the records of the array at this JSON `PATH` (default --items)")
	fs.StringVar(&p.Total, "total", "", "JSON `PATH` of the number of all records")
	fs.StringVar(&p.TotalPages, "total-pages", "", "JSON `PATH` of the number of all pages")
	fs.StringVar(&p.More, "more", "", "JSON `PATH` of a boolean, true while pages follow")
	fs.StringVar(&p.Stop, "stop-path", "", "`PATH=VALUE` that holds on the last page, such as done=true")
	fs.StringArrayVar(&p.StopValues, "stop-value", nil, "cursor `VALUE` that means the end, such as 0; repeatable")
	fs.BoolVar(&f.stopEmpty, "stop-empty", false, "a page without records is the last, as --end-on empty")
	fs.IntSliceVar(&p.StopStatus, "stop-status", nil, "`STATUS` that means there is no such page")
	fs.StringSliceVar(&f.endOn, "end-on", nil, "`ABSENCE` that the last page may have: no-next, missing (also records), short (fewer than --limit) or empty")
	fs.BoolVar(&p.AllowErrors, "allow-errors", false, "pages with a member error, errors or ok:false are data")
	fs.IntVar(&p.Max, "max-pages", 0, "stop after `N` pages")
	fs.BoolVar(&p.CrossOrigin, "cross-origin", false, "follow pages to another host, without credentials")
}

func (f *fetchOptions) addLimitFlags(fs *pflag.FlagSet) {
	r := &f.request
	fs.StringVarP(&f.inputFile, "input-file", "i", "", "read URLs from this `FILE`, one per line, perhaps with a file to write to")
	fs.IntVarP(&f.jobsAtOnce, "jobs", "j", 0, "do `N` URLs, or pages whose addresses are known, at once (default 4 and 8)")
	fs.BoolVarP(&f.noGlob, "globoff", "g", false, "take {1..9}, {a,b} and [a-c] in URLs literally")
	fs.IntVar(&r.Split, "split", 0, "download one body over `N` connections")
	fs.StringVar(&r.Checksum, "checksum", "", "verify the body, `sha256:HEX` (also md5, sha1, sha384, sha512)")
	fs.IntVar(&r.Retry.Attempts, "retry", 0, "give up after `N` failures in a row (default 6; 1 does not repeat)")
	fs.DurationVar(&r.Retry.AfterMax, "retry-after-max", 0, "longest `TIME` that a server may ask to wait (default 5m)")
	fs.BoolVar(&r.Retry.Unsafe, "retry-unsafe", false, "repeat POST and the like as well")
	fs.StringArrayVar(&f.timeout, "timeout", nil, "`TIME` without any progress: connect=30s,first-byte=2m,stall=1m, or one for all")
	fs.DurationVarP(&r.Timeouts.Total, "max-time", "m", 0, "longest `TIME` for everything")
	fs.StringVar(&f.minSpeed, "min-speed", "", "a connection slower than this `RATE` over 15s is broken, such as 10K/s")
	fs.StringArrayVar(&f.rates, "rate-limit", nil, "at most this `RATE`: 2M/s of bytes, 10r/s of requests; repeatable")
	fs.StringVar(&f.maxBytes, "max-bytes", "", "fail when more than this `SIZE` comes")
	fs.IntVar(&r.Limits.Ratio, "max-ratio", 0, "fail when a body grows more than `N` times when it is decompressed (default 250, -1 never)")
	fs.StringVar(&f.chunk, "chunk-size", "", "read this `SIZE` at a time (default 256K)")
	fs.StringVar(&f.memory, "max-memory", "", "keep the process within about this `SIZE`, 28M at least")
	fs.StringVar(&r.FailBody, "fail-body", "", "write the body of a refusal to this `FILE`")
	fs.BoolVarP(&f.quiet, "quiet", "q", false, "print only errors")
	fs.BoolVarP(&f.verbose, "verbose", "v", false, "print requests and answers, without secrets")
	fs.BoolVar(&f.progress, "progress", false, "show progress although standard error is not a terminal")
	fs.BoolVar(&f.summary, "summary", false, "print a summary as JSON, on standard error if the output is standard output")
}

// addCurlFlags adds options of curl that mean nothing here, since they are
// always so, and a few that are other options under curl's name.
func (f *fetchOptions) addCurlFlags(fs *pflag.FlagSet) {
	hide := func(names ...string) {
		for _, n := range names {
			fs.Lookup(n).Hidden = true
		}
	}
	fs.BoolVarP(&f.ignored, "location", "L", false, "redirects are always followed")
	fs.BoolVarP(&f.ignored, "show-error", "S", false, "errors are always shown")
	fs.BoolVarP(&f.ignored, "fail", "f", false, "a refusal is always a failure")
	fs.BoolVar(&f.ignored, "fail-with-body", false, "see --fail-body")
	fs.BoolVar(&f.ignored, "compressed", false, "compression is always asked for where it helps")
	fs.BoolVarP(&f.ignored, "remote-header-name", "J", false, "-O does so")
	fs.BoolVarP(&f.ignored, "parallel", "Z", false, "see --jobs")
	fs.BoolVarP(&f.quiet, "silent", "s", false, "as --quiet")
	fs.StringVarP(&f.referer, "referer", "e", "", "send this `URL` as Referer")
	fs.StringVarP(&f.cookie, "cookie", "b", "", "send these `COOKIES`")
	fs.IntVar(&f.jobsAtOnce, "parallel-max", 0, "as --jobs `N`")
	fs.StringVarP(&f.continueAt, "continue-at", "C", "", "no-op: downloads are always resumed; only the `OFFSET` - is accepted")
	fs.StringArrayP("form", "F", nil, "not supported")
	hide("form", "location", "show-error", "fail", "fail-with-body", "compressed", "remote-header-name", "parallel", "silent", "referer", "cookie", "parallel-max", "continue-at")
}

// check refuses options that exclude each other, and values that would leave an
// option without effect: an empty one is most often a variable that was not
// set, and a checksum or token that is lost silently does harm.
func (f *fetchOptions) check() error {
	fs := f.flags
	for _, group := range [][]string{
		{"data", "json"},
		{"data-raw", "json"},
		{"data-binary", "json"},
		{"data-urlencode", "json"},
		{"bearer", "user", "netrc", "netrc-file", "oauth2-token-url"},
		{"output", "remote-name"},
		{"quiet", "progress"},
		{"quiet", "verbose"},
		{"resume", "restart"},
	} {
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
	for _, name := range []string{"level", "workers", "limit", "max-pages", "retry", "jobs", "split"} {
		if n, err := fs.GetInt(name); err == nil && fs.Changed(name) && n < 1 {
			return usagef("", "--%s is 1 at least", name)
		}
	}
	if n, err := fs.GetInt("max-ratio"); err == nil && fs.Changed("max-ratio") && n < 1 && n != -1 {
		return usagef("", "--max-ratio is 1 at least, or -1 for none")
	}
	for _, name := range []string{"retry-after-max", "max-time"} {
		if d, err := fs.GetDuration(name); err == nil && fs.Changed(name) && d <= 0 {
			return usagef("", "--%s is a time such as 30s", name)
		}
	}
	if f.given("form") {
		return usagef("upload files with curl -F; fields without files go into --data", "--form is not supported: galley fetch downloads")
	}
	if f.continueAt != "" && f.continueAt != "-" {
		return usagef("downloads are always resumed where they broke off; bytes from a place on: -H 'Range: bytes=N-'", "--continue-at %s is not supported", f.continueAt)
	}
	// These have a meaning when they are empty: no body, the root, no proxy.
	empty := []string{"json", "items", "count", "proxy"}
	var err error
	fs.Visit(func(flag *pflag.Flag) {
		if err == nil && flag.Value.Type() == "string" && flag.Value.String() == "" && !slices.Contains(empty, flag.Name) {
			err = usagef("leave it out, or check whether a variable is unset", "--%s is empty", flag.Name)
		}
	})
	for _, path := range f.next {
		if path == "" {
			err = usagef("leave it out, or check whether a variable is unset", "--next is empty")
		}
	}
	return err
}
