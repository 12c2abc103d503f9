package fetch

import (
	"net/http"
	"net/url"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/time/rate"
)

// setUp checks the request, fills in its defaults and makes what the fetch
// works with.
func (f *run) setUp() error {
	f.begun = time.Now()
	f.verified = map[string]int{}
	r := f.req
	if f.meter = r.Meter; f.meter == nil {
		f.meter = &Meter{}
	}
	f.meter.started.Store(f.begun.UnixNano())
	f.contentAt = f.meter.content.Load()
	if f.fs = r.hooks.files; f.fs == nil {
		f.fs = osFiles{early: !r.Output.NoSync}
	}
	if err := f.setLimits(); err != nil {
		return err
	}
	if err := r.setDefaults(); err != nil {
		return err
	}
	auth, err := f.find()
	if err != nil {
		return err
	}
	if f.client, err = newClient(r, auth, f.url, f.meter); err != nil {
		return err
	}
	f.lines.to = f.storeContent
	f.lines.count = func() { f.meter.items.Add(1) }
	if f.pager, err = newPager(r, f.url, f.lines.item); err != nil {
		return err
	}
	if f.pager.mode != onePage && r.Body != nil && r.Body.once {
		return usage("each page is asked for with the request's body, and one that is read from a pipe can be sent once only")
	}
	f.pager.root = strings.TrimSuffix(f.target.Root, "/")
	if err := f.checkChecksum(); err != nil {
		return err
	}
	if err := f.checkOutput(); err != nil {
		return err
	}
	f.at = f.pager.begin()
	if r.Output.Named {
		return nil // the first answer names it
	}
	return f.open()
}

// setDefaults fills in what the caller left to us.
func (r *Request) setDefaults() error {
	def := func(d *time.Duration, v time.Duration) {
		if *d <= 0 {
			*d = v
		}
	}
	def(&r.Timeouts.Connect, 30*time.Second)
	def(&r.Timeouts.FirstByte, 2*time.Minute)
	def(&r.Timeouts.Stall, time.Minute)
	def(&r.Retry.Base, 500*time.Millisecond)
	def(&r.Retry.Max, time.Minute)
	def(&r.Retry.AfterMax, 5*time.Minute)
	if r.Retry.Attempts <= 0 {
		r.Retry.Attempts = 6
	}
	if r.UserAgent == "" {
		r.UserAgent = "galley"
	}
	if r.Method == "" {
		r.Method = http.MethodGet
		if r.Body != nil {
			r.Method = http.MethodPost
		}
	}
	r.Method = strings.ToUpper(r.Method)
	if r.Method == http.MethodHead {
		return usage("an answer to HEAD has no body to store")
	}
	return nil
}

// setLimits derives the sizes of buffers and the rates from the limits.
func (f *run) setLimits() error {
	l := &f.req.Limits
	if l.ChunkSize <= 0 {
		l.ChunkSize = 256 << 10
	}
	if l.Memory != 0 && l.Memory < 4<<20 {
		return usage("a fetch needs 4 MiB of memory at least")
	}
	if l.Memory > 0 {
		f.dec.window = max(min(uint64(l.Memory/2), maxWindow), 1<<20)
		l.ChunkSize = min(l.ChunkSize, int(l.Memory/8))
	}
	if l.ChunkSize > 64<<20 {
		return usage("a chunk of %s is too large; at most 64 MiB", FormatSize(int64(l.ChunkSize)))
	}
	if l.Ratio == 0 {
		l.Ratio = 250
	}
	if n := l.BytesPerSecond; n > 0 {
		f.byteRt = rate.NewLimiter(rate.Limit(n), max(min(l.ChunkSize, int(n/8)), 4<<10))
	}
	return nil
}

// find settles what is fetched, from where, and who signs the requests.
func (f *run) find() (Authorizer, error) {
	r := f.req
	auth := r.Auth
	f.target = Target{URL: r.URL}
	if r.Source != nil {
		if r.URL != "" || r.Auth != nil {
			return nil, usage("a source brings its own URL and credentials")
		}
		var err error
		if f.target, err = r.Source.Resolve(f.ctx); err != nil {
			return nil, err
		}
		auth = r.Source
		if f.target.TLS != (TLS{}) {
			r.TLS = f.target.TLS
		}
	}
	u, err := url.Parse(f.target.URL)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return nil, usage("%q is no http or https URL", clean(f.target.URL, 200))
	}
	if u.User != nil {
		if auth == nil {
			pass, _ := u.User.Password()
			auth = Basic(u.User.Username(), Secret(pass))
		}
		u.User = nil
	}
	u.Fragment = ""
	f.url = u
	f.sum.URL = showURL(u)
	return auth, nil
}

func (f *run) checkChecksum() error {
	r := f.req
	if r.Checksum == "" && r.Method == http.MethodGet {
		r.Checksum = f.target.Checksum
	}
	if r.Checksum == "" {
		return nil
	}
	if f.pager.mode != onePage {
		return usage("a checksum is of one body, not of pages")
	}
	_, err := parseChecksum(r.Checksum)
	return err
}

// checkOutput sees whether the output can be what is asked of it, and settles
// its format.
func (f *run) checkOutput() error {
	r, o := f.req, &f.req.Output
	switch {
	case o.Writer != nil && (o.Path != "" || o.Named):
		return usage("an output is a file or a writer, not both")
	case o.Writer == nil && o.Path == "" && !o.Named:
		return usage("there is no output: name a file")
	case r.Resume && (o.Writer != nil || o.Named):
		return usage("only an output whose name is given can be resumed")
	case r.Resume && r.Body != nil && r.Body.id == "":
		return usage("a request whose body is read from a pipe cannot be resumed")
	}
	f.perPage = o.Writer == nil && !o.Named && strings.Contains(filepath.Base(o.Path), "%")
	if f.perPage {
		base := filepath.Base(o.Path)
		if len(pageVerb.FindAllString(base, -1)) != 1 || strings.Count(base, "%") != 1 {
			return usage("%q: one verb such as %%05d stands for the page's number, and no other %%", base)
		}
		if f.pager.mode == onePage {
			return usage("%q asks for a file per page, but no way to the next page is given", base)
		}
	}
	if f.format = o.Compress; f.format == Auto {
		f.format = formatOf(o.Path)
		if o.Writer != nil || o.Named {
			f.format = None
		}
	}
	if o.Named {
		return nil // the name is still to come, and with it the format
	}
	return f.checkLevel()
}

// checkLevel settles the compression's level once the format is known.
func (f *run) checkLevel() error {
	o := &f.req.Output
	if f.level = o.Level; f.level == 0 {
		f.level = 1
		return nil
	}
	limit := map[Format]int{Gzip: 9, Zstd: 4}[f.format]
	switch {
	case f.format == None && o.Named && o.Compress == Auto:
		return nil // whether it is compressed was the server's choice
	case f.format == None:
		return usage("a level is one of compression, and the output is not compressed: name it .gz or .zst, or say how with --compress")
	case f.level < 1 || f.level > limit:
		return usage("level %d: %s has 1 to %d", f.level, f.format, limit)
	}
	return nil
}
