package source

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"github.com/galleyhq/galley/internal/cookbooks/version"
	"github.com/galleyhq/galley/internal/cookbooks/web"
	"github.com/galleyhq/galley/internal/jsonorder"
	"github.com/galleyhq/galley/internal/secret"
)

// Kind is the way in which a list of cookbooks is had.
type Kind string

// The kinds of lists. DeliverySupermarket is a Supermarket of which only the
// newest versions count.
const (
	Supermarket         Kind = "supermarket"
	DeliverySupermarket Kind = "delivery_supermarket"
	Artifactory         Kind = "artifactory"
	ChefServer          Kind = "chef_server"
)

// maxList is the size of the largest list that is read.
const maxList = 512 << 20

// listed is a source that has a list of cookbooks at /universe.
type listed struct {
	ctx   *Context
	kind  Kind
	url   string
	index *index
}

// New returns the source of a kind at a URL.
func New(c *Context, kind Kind, at string) Fetcher {
	return &listed{ctx: c, kind: kind, url: at}
}

func (s *listed) String() string { return fmt.Sprintf("%s(%s)", s.kind, secret.URL(s.url)) }

// Load implements [Source].
func (s *listed) Load(ctx context.Context) error {
	if s.index != nil {
		return nil
	}
	var err error
	if s.kind == ChefServer {
		s.index, err = s.fromServer(ctx)
	} else {
		s.index, err = s.fromWeb(ctx)
	}
	return err
}

// parse reads a list that came from the source.
func (s *listed) parse(data []byte) (*index, error) {
	x, err := parseIndex(data)
	if err != nil {
		return nil, &web.Error{What: "the list of cookbooks", URL: secret.URL(s.listURL()), Err: err, Broken: true}
	}
	return x, nil
}

func (s *listed) listURL() string { return strings.TrimRight(s.url, "/") + "/universe" }

// fromServer asks a Chef Server.
func (s *listed) fromServer(ctx context.Context) (*index, error) {
	server, err := s.ctx.ServerAt(ctx, s.url)
	if err != nil {
		return nil, err
	}
	defer s.ctx.Web.Meter.Wait("the list of cookbooks from " + HostOf(s.url))()
	var raw json.RawMessage
	if err := server.Do(ctx, http.MethodGet, "universe", nil, &raw); err != nil {
		return nil, fmt.Errorf("the list of cookbooks of %s: %w", secret.URL(s.url), err)
	}
	return s.parse(raw)
}

// validator is what a list's answer had to recognise it by.
type validator struct {
	ETag         string `json:"etag,omitempty"`
	LastModified string `json:"last_modified,omitempty"`
}

// ask makes a request one for a list that differs.
func (v validator) ask(header http.Header) {
	if v.ETag != "" {
		header.Set("If-None-Match", v.ETag)
	}
	if v.LastModified != "" {
		header.Set("If-Modified-Since", v.LastModified)
	}
}

// fromWeb fetches the list, or takes that of the cache where the server says
// that it is still the same, or where the network may not be used.
func (s *listed) fromWeb(ctx context.Context) (*index, error) {
	header := http.Header{}
	if s.kind == Artifactory {
		var err error
		if header, err = s.ctx.artifactoryHeader(ctx); err != nil {
			return nil, err
		}
	}
	file, note := s.ctx.Cache.File("universe", s.url, ".list"), s.ctx.Cache.File("universe", s.url, ".validator")
	if s.ctx.Web.Offline {
		if x, err := openIndex(file); err == nil {
			return x, nil
		}
	}
	var known validator
	if text, err := os.ReadFile(note); err == nil && json.Unmarshal(text, &known) == nil {
		if _, err := os.Stat(file); err == nil {
			known.ask(header)
		}
	}
	tmp, err := s.ctx.Cache.Temp()
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(tmp)
	fresh, got, same := filepath.Join(tmp, "list"), validator{}, false
	r := web.Request{What: "the list of cookbooks", URL: s.listURL(), Header: header}
	err = s.ctx.Web.Get(ctx, r, func(resp *http.Response) error {
		if same = resp.StatusCode == http.StatusNotModified; same {
			return nil
		}
		got = validator{ETag: resp.Header.Get("ETag"), LastModified: resp.Header.Get("Last-Modified")}
		return save(fresh, resp.Body)
	})
	if err != nil {
		return nil, err
	}
	if same {
		x, err := openIndex(file)
		if err != nil && os.Remove(note) == nil {
			return s.fromWeb(ctx) // the cache is broken: now the whole list comes
		}
		return x, err
	}
	data, err := os.ReadFile(fresh)
	if err != nil {
		return nil, err
	}
	x, err := s.parse(data)
	if err == nil {
		s.remember(x, file, note, fresh, got)
	}
	return x, err
}

// remember keeps a list for the next time; that it cannot be kept is no
// failure. Without a validator it serves --offline.
func (s *listed) remember(x *index, file, note, fresh string, v validator) {
	text, err := json.Marshal(v)
	if err != nil || os.RemoveAll(note) != nil || os.MkdirAll(filepath.Dir(file), 0o755) != nil ||
		appendTo(fresh, x.table()) != nil || os.Rename(fresh, file) != nil {
		return
	}
	_ = s.ctx.Cache.Write(note, text) // without it, the list is fetched again
}

func appendTo(file string, data []byte) error {
	f, err := os.OpenFile(file, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	return errors.Join(err, f.Close())
}

// save writes an answer of at most maxList bytes to a file, so that it is in
// memory once.
func save(file string, from io.Reader) error {
	out, err := os.Create(file)
	if err != nil {
		return err
	}
	n, err := io.Copy(out, io.LimitReader(from, maxList+1))
	if n > maxList {
		err = errors.New("the list of cookbooks is larger than can be true")
	}
	return errors.Join(err, out.Close())
}

// Releases implements [Source].
func (s *listed) Releases(name string) ([]Release, error) {
	list, err := s.index.releases(name)
	if err != nil || s.kind != DeliverySupermarket || len(list) < 2 {
		return list, err
	}
	best, newest := list[0], version.Version{}
	for _, r := range list {
		v, err := version.Parse(r.Version)
		if err != nil {
			return nil, fmt.Errorf("the list of cookbooks, at %s: %w", name, err)
		}
		if v.Compare(newest) >= 0 {
			best, newest = r, v
		}
	}
	return []Release{best}, nil
}

// Options implements [Source].
func (s *listed) Options(r Release) (*jsonorder.Object, error) {
	option, at := "artifactserver", r.URL
	switch s.kind {
	case ChefServer:
		option, at = "chef_server", s.url
	case Artifactory:
		option = "artifactory"
	}
	if u, err := url.Parse(at); err != nil || u.Host == "" {
		// It would be of no use in a lock.
		return nil, fmt.Errorf("%s lists %s %s with the download URL %q, which is not absolute", s, r.Name, r.Version, at)
	}
	return jsonorder.NewObject(option, at, "version", r.Version), nil
}

// Fetch implements [Fetcher].
func (s *listed) Fetch(ctx context.Context, r Release, want Wanted) (b *Book, key string, err error) {
	p := Place{URL: r.URL, Artifactory: s.kind == Artifactory}
	switch r.Type {
	case "chef_server":
		p.URL, p.Object = r.Location, "cookbooks/"+r.Name+"/"+r.Version
	case "uri":
		p.URL = r.Location
	case "supermarket", "opscode":
		if p.URL == "" {
			p.URL = strings.TrimRight(r.Location, "/") + "/cookbooks/" + r.Name + "/versions/" + r.Version + "/download"
		}
	case "github", "gitlab":
		return nil, "", &Problem{
			Msg:    fmt.Sprintf("%s has %s %s on %s, where Galley does not download", s, r.Name, r.Version, r.Type),
			Advice: fmt.Sprintf("name its repository: cookbook '%s', git: '%s'", r.Name, secret.URL(r.Location)),
		}
	default:
		return nil, "", fmt.Errorf("%s has %s %s at a place of the kind %q, which is not supported", s, r.Name, r.Version, r.Type)
	}
	base, err := url.Parse(s.url)
	if err != nil {
		return nil, "", err
	}
	at, err := base.Parse(p.URL) // it may be relative
	if err != nil {
		return nil, "", err
	}
	p.URL = at.String()
	b, err = s.ctx.Fetch(ctx, p, want)
	return b, p.Key(), err
}
