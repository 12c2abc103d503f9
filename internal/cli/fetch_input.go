package cli

import (
	"bytes"
	"encoding/base64"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strings"

	"github.com/galleyhq/galley/internal/fetch"
	"github.com/galleyhq/galley/internal/secret"
)

// complete makes the parts of the request that are the same for every URL.
func (f *fetchOptions) complete() error {
	r := &f.request
	if f.given("items") {
		r.Items = &f.items
	}
	if f.given("count") {
		r.Pages.Count = &f.count
	}
	if f.given("first") {
		r.Pages.First = &f.first
	}
	if len(f.next) > 0 {
		r.Pages.Next, r.Pages.NextAlso = f.next[0], f.next[1:]
	}
	if f.jobsAtOnce > 0 {
		r.Parallel = f.jobsAtOnce
	}
	r.StateDir = f.stateDir()
	r.Notify = f.notify
	if f.verbose {
		r.Trace = f.trace
	}
	// The first mistake is reported; others may be its consequences.
	for _, part := range []func(*fetch.Request) error{f.ends, f.sizes, f.header, f.body, f.auth} {
		if err := part(r); err != nil {
			return err
		}
	}
	return nil
}

// ends reads which absences end the pages.
func (f *fetchOptions) ends(r *fetch.Request) error {
	e := &r.Pages.End
	e.Empty = f.stopEmpty
	for _, word := range f.endOn {
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

func (f *fetchOptions) sizes(r *fetch.Request) error {
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
	if f.minSpeed != "" {
		bytes, _, err := fetch.ParseRate(f.minSpeed)
		if err != nil {
			return err
		}
		if r.Limits.MinBytesPerSecond = bytes; bytes == 0 {
			return usagef("", "--min-speed is a rate of bytes such as 10K/s")
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
			return usagef("", "--%s must be more than 0", z.flag)
		}
		*z.to = n
	}
	r.Limits.ChunkSize = int(min(chunk, 1<<30))
	return f.limitMemory(r, memory)
}

// ownMemory is what the program itself takes, measured for a plain download.
const ownMemory = 20 << 20

// limitMemory divides the memory allowed between the program and the download,
// and tells the garbage collector about it.
func (f *fetchOptions) limitMemory(r *fetch.Request, memory int64) error {
	// Most of the heap is buffers of a fixed size, which a small percentage
	// keeps from doubling. A single fetch has few of them.
	debug.SetGCPercent(20)
	if memory == 0 && !f.given("jobs") && f.inputFile == "" && r.Split < 2 && r.Limits.ChunkSize == 0 {
		workers := r.Output.Workers
		if workers == 0 {
			workers = runtime.GOMAXPROCS(0)
		}
		limit := int64(8+4*workers) << 20
		if f.paged() {
			limit += 8 << 20 // the pages visited are remembered
		}
		debug.SetGCPercent(100)
		debug.SetMemoryLimit(limit)
	}
	if memory == 0 {
		return nil
	}
	if memory < 28<<20 {
		return usagef("", "--max-memory is 28M at least")
	}
	r.Limits.Memory = memory - ownMemory
	debug.SetMemoryLimit(memory - ownMemory + 2<<20)
	return nil
}

// paged reports whether pages are asked for.
func (f *fetchOptions) paged() bool {
	p := &f.request.Pages
	return f.api != "" || p.Link || len(f.next) > 0 || p.NextHeader != "" || p.OffsetParam+p.OffsetBody+p.PageParam+p.PageBody != ""
}

func (f *fetchOptions) header(r *fetch.Request) error {
	r.Header = http.Header{}
	for _, h := range f.headers {
		if err := fetch.ParseHeader(h, r.Header); err != nil {
			return err
		}
	}
	for name, v := range map[string]string{"Referer": f.referer, "Cookie": f.cookie} {
		if v != "" {
			r.Header.Set(name, v)
		}
	}
	for _, s := range f.resolve {
		if err := fetch.ParseHostAddress(s, r); err != nil {
			return err
		}
	}
	return nil
}

// The ways of curl to give a piece of a form.
const (
	dataForm   = "data"
	dataRaw    = "data-raw"
	dataBinary = "data-binary"
	dataEncode = "data-urlencode"
)

// dataPiece is one of the options that together make the body of a form.
type dataPiece struct{ kind, text string }

// dataFlag collects pieces in the order in which they are given.
type dataFlag struct {
	pieces *[]dataPiece
	kind   string
}

func (d *dataFlag) String() string { return "" }
func (d *dataFlag) Type() string   { return "data" }
func (d *dataFlag) Set(s string) error {
	*d.pieces = append(*d.pieces, dataPiece{d.kind, s})
	return nil
}

// maxFormFile bounds a file that is read to become part of a form.
const maxFormFile = 64 << 20

// text returns the piece as it is sent.
func (d dataPiece) read(in io.Reader) ([]byte, error) {
	file := func(name string) ([]byte, error) {
		src := in
		if name != "-" {
			f, err := os.Open(name)
			if err != nil {
				return nil, usagef("", "the request's body: %v", err)
			}
			defer f.Close()
			src = f
		}
		b, err := io.ReadAll(io.LimitReader(src, maxFormFile+1))
		if err == nil && len(b) > maxFormFile {
			err = usagef("send it alone with --data-binary", "the file %s is too large to be part of a form", name)
		}
		return b, err
	}
	switch {
	case d.kind == dataEncode:
		name, value, ok := strings.Cut(d.text, "=")
		if i := strings.IndexByte(d.text, '@'); i >= 0 && (!ok || i < len(name)) {
			b, err := file(d.text[i+1:])
			name, value, ok = d.text[:i], string(b), true
			if err != nil {
				return nil, err
			}
		}
		if !ok {
			name, value = "", d.text
		}
		if name != "" {
			name += "="
		}
		return []byte(name + url.QueryEscape(value)), nil
	case d.kind != dataRaw && d.text == "-":
		return file("-")
	case d.kind != dataRaw && strings.HasPrefix(d.text, "@"):
		b, err := file(d.text[1:])
		if d.kind == dataForm {
			// As curl does: only --data-binary keeps line breaks.
			b = bytes.ReplaceAll(bytes.ReplaceAll(b, []byte("\r"), nil), []byte("\n"), nil)
		}
		return b, err
	}
	return []byte(d.text), nil
}

const formType = "application/x-www-form-urlencoded"

func (f *fetchOptions) body(r *fetch.Request) (err error) {
	switch {
	case f.given("json"):
		if r.Header.Get("Accept") == "" {
			r.Header.Set("Accept", "application/json")
		}
		r.Body, err = fetch.ParseBody(f.json, "application/json", f.program.streams.In)
	case len(f.data) > 0:
		return f.form(r)
	}
	return err
}

// form makes the body, or the query, of all pieces of a form.
func (f *fetchOptions) form(r *fetch.Request) error {
	if only := f.data[0]; len(f.data) == 1 && !f.get && (only.text == "-" || only.text == "@-" || only.kind == dataBinary) && only.kind != dataRaw && only.kind != dataEncode {
		// Streamed: it may be large, or have no end yet.
		var err error
		r.Body, err = fetch.ParseBody(only.text, formType, f.program.streams.In)
		return err
	}
	var all [][]byte
	for _, d := range f.data {
		b, err := d.read(f.program.streams.In)
		if err != nil {
			return err
		}
		all = append(all, b)
	}
	text := bytes.Join(all, []byte("&"))
	if f.get {
		f.getData = string(text)
		return nil
	}
	r.Body = fetch.BytesBody(text, formType)
	return nil
}

// secretValue reads a secret: itself, env:NAME or @FILE.
func (f *fetchOptions) secretValue(s string) (string, error) {
	switch {
	case strings.HasPrefix(s, "env:"):
		name := s[len("env:"):]
		if s = f.program.streams.Getenv(name); s == "" {
			return "", usagef("", "the variable %s, which should hold a secret, is not set", name)
		}
	case strings.HasPrefix(s, "@"):
		b, err := os.ReadFile(s[1:])
		if err != nil {
			return "", usagef("", "the file of credentials: %v", err)
		}
		s = strings.TrimSpace(string(b))
	}
	f.program.secrets.Add(s)
	return s, nil
}

func (f *fetchOptions) auth(r *fetch.Request) error {
	a := f.program
	var err error
	switch {
	case f.bearer != "":
		var token string
		if token, err = f.secretValue(f.bearer); err == nil {
			r.Auth = fetch.Bearer(secret.Text(token))
		}
	case f.user != "":
		var pair string
		if pair, err = f.secretValue(f.user); err == nil {
			name, password, _ := strings.Cut(pair, ":")
			a.secrets.Add(password, base64.StdEncoding.EncodeToString([]byte(pair)))
			r.Auth = fetch.Basic(name, secret.Text(password))
		}
	case f.oauth2.TokenURL != "":
		var s string
		if s, err = f.secretValue(f.oauth2Secret); err == nil {
			f.oauth2.ClientSecret, f.oauth2.TLS = secret.Text(s), r.TLS
			r.Auth, err = fetch.OAuth2Auth(f.oauth2)
		}
	case f.oauth2.ClientID != "" || f.oauth2Secret != "" || f.oauth2.Scope != "":
		return usagef("", "OAuth2 needs the URL of its token endpoint, --oauth2-token-url")
	case f.netrc, f.netrcFile != "":
		path := f.netrcFile
		if path == "" {
			path = a.streams.Getenv("NETRC")
		}
		if path == "" {
			home, herr := os.UserHomeDir()
			if herr != nil {
				return usagef("name it with --netrc-file", "the home folder, for .netrc, is not known")
			}
			path = filepath.Join(home, ".netrc")
		}
		r.Auth, err = fetch.Netrc(path)
	}
	a.secrets.Add(secret.InURL(f.proxy)...)
	a.secrets.Add(secret.InURL(f.oauth2.TokenURL)...)
	if err == nil && f.given("proxy") {
		r.Proxy, err = fetch.ParseProxy(f.proxy)
	}
	if err != nil || f.config == "" {
		return err
	}
	c, warning, err := fetch.ReadConfig(f.config, a.streams.Getenv)
	if err != nil {
		return err
	}
	if warning != "" {
		f.report.Warn("%s", warning)
	}
	secrets, err := c.Apply(r)
	a.secrets.Add(secrets...)
	return err
}
