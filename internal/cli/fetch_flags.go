package cli

import (
	"encoding/base64"
	"net/http"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/galleyhq/galley/internal/fetch"
	"github.com/galleyhq/galley/internal/secret"
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

	api, inputFile, outputPath string
	data                       []dataPiece
	json, netrcFile, config    string
	netrc, remoteName, force   bool
	get                        bool
	getData                    string // of --get, for the URL
	outputDir                  string
	oauth2                     fetch.OAuth2
	oauth2Secret               string
	memory, segment, chunk     int64
	service                    string
	summary, quiet, progress   bool
	verbose, noGlob, ignored   bool
	jobsAtOnce                 int
}

func (f *fetchOptions) given(flag string) bool { return f.flags.Changed(flag) }

// value defines a flag whose value set reads. An empty one is refused.
func (f *fetchOptions) value(name, letter, usage string, set func(string) error) {
	f.flags.FuncP(name, letter, usage, func(s string) error {
		if s == "" {
			return emptyFlag(name)
		}
		return fetchError(set(s))
	})
}

// emptyFlag refuses an empty value, which would leave a flag without effect: it
// is most often a variable that was not set, and a checksum or token that is
// lost silently does harm.
func emptyFlag(name string) error {
	return usagef("leave it out, or check whether a variable is unset", "--%s is empty", name)
}

// size defines a flag for a number of bytes, least at the fewest.
func (f *fetchOptions) size(to *int64, name, usage, least string) {
	f.value(name, "", usage, func(s string) (err error) {
		if *to, err = fetch.ParseSize(s); err != nil {
			return err
		}
		if n, err := fetch.ParseSize(least); err != nil || *to < n {
			return usagef("", "--%s is %s at least", name, least)
		}
		return nil
	})
}

func (f *fetchOptions) addFlags(cmd *cobra.Command) {
	fs := cmd.Flags()
	f.flags, f.request.Header = fs, http.Header{}
	fs.SortFlags = false
	f.addOutputFlags(fs)
	f.addRequestFlags(fs)
	f.addPageFlags(fs)
	f.addLimitFlags(fs)
	f.addCurlFlags(fs)
	for _, group := range []string{
		"data json", "data-raw json", "data-binary json", "data-urlencode json", "bearer user netrc netrc-file oauth2-token-url",
		"output remote-name", "quiet progress", "quiet verbose", "resume restart",
	} {
		cmd.MarkFlagsMutuallyExclusive(strings.Fields(group)...)
	}
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
	f.value("compress", "", "`FORMAT`: gzip, zstd or none (default: by the name's ending)", func(s string) (err error) {
		r.Output.Compress, err = fetch.ParseFormat(s)
		return err
	})
	fs.IntVar(&r.Output.Level, "level", 0, "compression level `N`: gzip 1-9, zstd 1-4 (default 1)")
	fs.IntVar(&r.Output.Workers, "workers", 0, "compress on `N` cores (default all)")
	fs.BoolVar(&r.Output.NoSync, "no-sync", false, "do not wait until the data is on the disk")
	fs.BoolVar(&r.Raw, "raw", false, "store bodies as they come, without decoding")
	fs.BoolVar(&r.NoVerify, "no-verify", false, "store compressed bodies as they come without checking them")
	fs.BoolVar(&r.UTF8, "utf8", false, "convert text of another charset to UTF-8")
	fs.StringVar(&r.Output.Manifest, "manifest", "", "list the files with sizes and SHA-256 in this `FILE`")
	f.size(&f.segment, "segment-size", "`SIZE` of the segments of a swift: object (default 256M)", "1M")
}

func (f *fetchOptions) addRequestFlags(fs *pflag.FlagSet) {
	r := &f.request
	fs.StringVarP(&r.Method, "request", "X", "", "`METHOD` (default GET, or POST with a body)")
	f.value("header", "H", "send this `HEADER`, 'Name: value'; repeatable", func(s string) error { return fetch.ParseHeader(s, r.Header) })
	fs.VarP(&dataFlag{&f.data, dataForm}, "data", "d", "send `DATA`, @FILE, or - for standard input, as a form; repeated ones are joined by &")
	fs.Var(&dataFlag{&f.data, dataRaw}, "data-raw", "as --data, without a meaning of @ in `DATA`")
	fs.Var(&dataFlag{&f.data, dataBinary}, "data-binary", "as --data, with the line breaks of a file `DATA`")
	fs.Var(&dataFlag{&f.data, dataEncode}, "data-urlencode", "send the form field `NAME=VALUE`, encoded; repeatable")
	fs.StringVar(&f.json, "json", "", "send `DATA`, @FILE, or - for standard input, as JSON")
	fs.BoolVarP(&f.get, "get", "G", false, "put the --data into the URL")
	fs.StringVar(&f.config, "config", "", "read headers and secrets from this YAML `FILE`")
	f.value("bearer", "", "send a bearer `TOKEN`; env:NAME reads a variable, @FILE a file", func(s string) error {
		token, err := f.secretValue(s)
		r.Auth = fetch.Bearer(secret.Text(token))
		return err
	})
	f.value("user", "u", "basic authentication, `NAME:PASSWORD`; env:NAME reads a variable, @FILE a file", func(s string) error {
		pair, err := f.secretValue(s)
		name, password, _ := strings.Cut(pair, ":")
		f.program.secrets.Add(password, base64.StdEncoding.EncodeToString([]byte(pair)))
		r.Auth = fetch.Basic(name, secret.Text(password))
		return err
	})
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
	fs.FuncP("proxy", "x", "`URL` of a proxy, empty for none (default HTTPS_PROXY, HTTP_PROXY, ALL_PROXY, NO_PROXY)", func(s string) (err error) {
		f.program.secrets.Add(secret.InURL(s)...)
		r.Proxy, err = fetch.ParseProxy(s)
		return fetchError(err)
	})
	fs.StringVar(&r.UnixSocket, "unix-socket", "", "connect to this socket `FILE`")
	f.value("resolve", "", "connect to another address, `HOST:PORT:ADDRESS`; repeatable", func(s string) error { return fetch.ParseHostAddress(s, r) })
	fs.BoolVar(&r.HTTP1, "http1.1", false, "do not use HTTP/2")
	fs.BoolVar(&r.NoCookies, "no-cookies", false, "do not send back the cookies of this run")
	fs.StringVarP(&r.UserAgent, "user-agent", "A", "galley/"+version(), "send this `NAME`")
	fs.StringVar(&f.service, "service", "", "the argument is a path below this `SERVICE` of the OpenStack catalogue")
}

func (f *fetchOptions) addPageFlags(fs *pflag.FlagSet) {
	r, p := &f.request, &f.request.Pages
	fs.StringVar(&f.api, "api", "", "use the options for the kind of API of this `NAME`; --api list shows all")
	fs.Func("items", "write the elements of the array at this JSON `PATH`, one per line (. is the root)", func(s string) error { r.Items = &s; return nil })
	fs.BoolVar(&p.Link, "link", false, "the next page is in the Link header, rel=next; numbered ones up to rel=last are requested in parallel")
	f.value("next", "", "the next page's URL or cursor is at this JSON `PATH`; the first of repeated ones that is found counts", func(s string) error {
		if p.Next != "" {
			p.NextAlso = append(p.NextAlso, s)
			return nil
		}
		p.Next = s
		return nil
	})
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
	f.value("first", "", "first offset or page `NUMBER` (default 0 and 1)", func(s string) error {
		n, err := strconv.ParseInt(s, 10, 64)
		p.First = &n
		return err
	})
	fs.StringVar(&p.LimitParam, "limit-param", "", "ask for --limit records in the query parameter `NAME`")
	fs.StringVar(&p.LimitBody, "limit-body", "", "ask for --limit records in the JSON body at this `PATH`")
	fs.IntVar(&p.Limit, "limit", 0, "`NUMBER` of records in a full page")
	fs.Func("count", "count the records of the array at this JSON `PATH` (default --items)", func(s string) error { p.Count = &s; return nil })
	fs.StringVar(&p.Total, "total", "", "JSON `PATH` of the number of all records")
	fs.StringVar(&p.TotalPages, "total-pages", "", "JSON `PATH` of the number of all pages")
	fs.StringVar(&p.More, "more", "", "JSON `PATH` of a boolean, true while pages follow")
	fs.StringVar(&p.Stop, "stop-path", "", "`PATH=VALUE` that holds on the last page, such as done=true")
	fs.StringArrayVar(&p.StopValues, "stop-value", nil, "cursor `VALUE` that means the end, such as 0; repeatable")
	fs.BoolVar(&p.End.Empty, "stop-empty", false, "a page without records is the last, as --end-on empty")
	fs.IntSliceVar(&p.StopStatus, "stop-status", nil, "`STATUS` that means there is no such page")
	f.value("end-on", "", "`ABSENCE` that the last page may have: no-next, missing (also records), short (fewer than --limit) or empty", f.endOn)
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
	f.value("timeout", "", "`TIME` without any progress: connect=30s,first-byte=2m,stall=1m, or one for all", func(s string) error {
		return fetch.ParseTimeouts(s, &r.Timeouts)
	})
	fs.DurationVarP(&r.Timeouts.Total, "max-time", "m", 0, "longest `TIME` for everything")
	f.value("min-speed", "", "a connection slower than this `RATE` over 15s is broken, such as 10K/s", func(s string) (err error) {
		if r.Limits.MinBytesPerSecond, _, err = fetch.ParseRate(s); err == nil && r.Limits.MinBytesPerSecond == 0 {
			err = usagef("", "--min-speed is a rate of bytes such as 10K/s")
		}
		return err
	})
	f.value("rate-limit", "", "at most this `RATE`: 2M/s of bytes, 10r/s of requests; repeatable", func(s string) error {
		bytes, requests, err := fetch.ParseRate(s)
		if bytes > 0 {
			r.Limits.BytesPerSecond = bytes
		} else {
			r.Limits.RequestsPerSecond = requests
		}
		return err
	})
	f.size(&r.Limits.Bytes, "max-bytes", "fail when more than this `SIZE` comes", "1")
	fs.IntVar(&r.Limits.Ratio, "max-ratio", 0, "fail when a body grows more than `N` times when it is decompressed (default 250, -1 never)")
	f.size(&f.chunk, "chunk-size", "read this `SIZE` at a time (default 256K)", "1")
	f.size(&f.memory, "max-memory", "keep the process within about this `SIZE`, 28M at least", "28M")
	fs.StringVar(&r.FailBody, "fail-body", "", "write the body of a refusal to this `FILE`")
	fs.BoolVarP(&f.quiet, "quiet", "q", false, "print only errors")
	fs.BoolVarP(&f.verbose, "verbose", "v", false, "print requests and answers, without secrets")
	fs.BoolVar(&f.progress, "progress", false, "show progress although standard error is not a terminal")
	fs.BoolVar(&f.summary, "summary", false, "print a summary as JSON, on standard error if the output is standard output")
}

// addCurlFlags adds options of curl that mean nothing here, since they are
// always so, and a few that are other options under curl's name.
func (f *fetchOptions) addCurlFlags(fs *pflag.FlagSet) {
	fs.BoolVarP(&f.ignored, "location", "L", false, "redirects are always followed")
	fs.BoolVarP(&f.ignored, "show-error", "S", false, "errors are always shown")
	fs.BoolVarP(&f.ignored, "fail", "f", false, "a refusal is always a failure")
	fs.BoolVar(&f.ignored, "fail-with-body", false, "see --fail-body")
	fs.BoolVar(&f.ignored, "compressed", false, "compression is always asked for where it helps")
	fs.BoolVarP(&f.ignored, "remote-header-name", "J", false, "-O does so")
	fs.BoolVarP(&f.ignored, "parallel", "Z", false, "see --jobs")
	fs.BoolVarP(&f.quiet, "silent", "s", false, "as --quiet")
	header := func(name string) func(string) error {
		return func(s string) error { f.request.Header.Set(name, s); return nil }
	}
	f.value("referer", "e", "send this `URL` as Referer", header("Referer"))
	f.value("cookie", "b", "send these `COOKIES`", header("Cookie"))
	fs.IntVar(&f.jobsAtOnce, "parallel-max", 0, "as --jobs `N`")
	f.value("continue-at", "C", "no-op: downloads are always resumed; only the `OFFSET` - is accepted", func(s string) error {
		if s == "-" {
			return nil
		}
		return usagef("downloads are always resumed where they broke off; bytes from a place on: -H 'Range: bytes=N-'", "--continue-at %s is not supported", s)
	})
	f.value("form", "F", "not supported", func(string) error {
		return usagef("upload files with curl -F; fields without files go into --data", "--form is not supported: galley fetch downloads")
	})
	hide(fs, "form", "location", "show-error", "fail", "fail-with-body", "compressed", "remote-header-name", "parallel", "silent", "referer", "cookie", "parallel-max", "continue-at")
}

// check refuses numbers and times that mean nothing, and empty values.
func (f *fetchOptions) check() error {
	fs := f.flags
	for _, name := range []string{"level", "workers", "limit", "max-pages", "retry", "jobs", "split"} {
		if n, err := fs.GetInt(name); err == nil && fs.Changed(name) && n < 1 {
			return usagef("", "--%s is 1 at least", name)
		}
	}
	if n := f.request.Limits.Ratio; fs.Changed("max-ratio") && n < 1 && n != -1 {
		return usagef("", "--max-ratio is 1 at least, or -1 for none")
	}
	for _, name := range []string{"retry-after-max", "max-time"} {
		if d, err := fs.GetDuration(name); err == nil && fs.Changed(name) && d <= 0 {
			return usagef("", "--%s is a time such as 30s", name)
		}
	}
	var err error
	fs.Visit(func(flag *pflag.Flag) {
		// An empty --json is a request without a body.
		if err == nil && flag.Value.Type() == "string" && flag.Value.String() == "" && flag.Name != "json" {
			err = emptyFlag(flag.Name)
		}
	})
	return err
}

// endOn reads which absences end the pages.
func (f *fetchOptions) endOn(words string) error {
	e := &f.request.Pages.End
	for word := range strings.SplitSeq(words, ",") {
		switch word {
		case "no-next":
			e.NoNext = true
		case "missing":
			e.Missing = true
		case "short":
			e.Short = true
		case "empty":
			e.Empty = true
		default:
			return usagef("", "--end-on %s: it is no-next, missing, short or empty", word)
		}
	}
	return nil
}
