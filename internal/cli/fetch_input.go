package cli

import (
	"bytes"
	"cmp"
	"io"
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
	if f.jobsAtOnce > 0 {
		r.Parallel = f.jobsAtOnce
	}
	r.StateDir = f.stateDir()
	r.Notify = f.notify
	if f.verbose {
		r.Trace = f.trace
	}
	f.limitMemory(r)
	if err := f.body(r); err != nil {
		return err
	}
	return f.auth(r)
}

// ownMemory is what the program itself takes, measured for a plain download.
const ownMemory = 20 << 20

// limitMemory divides the memory allowed between the program and the download,
// and tells the garbage collector about it.
func (f *fetchOptions) limitMemory(r *fetch.Request) {
	r.Limits.ChunkSize = int(min(f.chunk, 1<<30))
	// Most of the heap is buffers of a fixed size, which a small percentage
	// keeps from doubling. A single fetch has few of them.
	debug.SetGCPercent(20)
	if f.memory == 0 && !f.given("jobs") && f.inputFile == "" && r.Split < 2 && r.Limits.ChunkSize == 0 {
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
	if f.memory != 0 {
		r.Limits.Memory = f.memory - ownMemory
		debug.SetMemoryLimit(f.memory - ownMemory + 2<<20)
	}
}

// paged reports whether pages are asked for.
func (f *fetchOptions) paged() bool {
	p := &f.request.Pages
	return f.api != "" || p.Link || p.Next != "" || p.NextHeader != "" || p.OffsetParam+p.OffsetBody+p.PageParam+p.PageBody != ""
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

// auth says who asks, where it is neither --bearer nor --user.
func (f *fetchOptions) auth(r *fetch.Request) error {
	a := f.program
	var err error
	switch {
	case f.oauth2.TokenURL != "":
		a.secrets.Add(secret.InURL(f.oauth2.TokenURL)...)
		var s string
		if s, err = f.secretValue(f.oauth2Secret); err == nil {
			f.oauth2.ClientSecret, f.oauth2.TLS = secret.Text(s), r.TLS
			r.Auth, err = fetch.OAuth2Auth(f.oauth2)
		}
	case f.oauth2.ClientID != "" || f.oauth2Secret != "" || f.oauth2.Scope != "":
		return usagef("", "OAuth2 needs the URL of its token endpoint, --oauth2-token-url")
	case f.netrc, f.netrcFile != "":
		path := cmp.Or(f.netrcFile, a.streams.Getenv("NETRC"))
		if path == "" {
			home, herr := os.UserHomeDir()
			if herr != nil {
				return usagef("name it with --netrc-file", "the home folder, for .netrc, is not known")
			}
			path = filepath.Join(home, ".netrc")
		}
		r.Auth, err = fetch.Netrc(path)
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
