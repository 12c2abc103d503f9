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
	// fresh are the newest versions alone, for a DeliverySupermarket.
	fresh map[string][]Release
}

// New returns the source of a kind at a URL.
func New(c *Context, kind Kind, at string) Source {
	return &listed{ctx: c, kind: kind, url: at, fresh: map[string][]Release{}}
}

func (s *listed) String() string { return fmt.Sprintf("%s(%s)", s.kind, secret.URL(s.url)) }

// URL is that of the source.
func (s *listed) URL() string { return s.url }

// Load implements [Source].
func (s *listed) Load(ctx context.Context) error {
	if s.index != nil {
		return nil
	}
	var data []byte
	var err error
	if s.kind == ChefServer {
		data, err = s.fromServer(ctx)
	} else {
		data, err = s.fromWeb(ctx)
	}
	if err != nil {
		return err
	}
	if s.index != nil {
		return nil
	}
	if s.index, err = parseIndex(data); err != nil {
		return &web.Error{What: "the list of cookbooks", URL: secret.URL(s.listURL()), Err: err, Broken: true}
	}
	return nil
}

func (s *listed) listURL() string { return strings.TrimRight(s.url, "/") + "/universe" }

// fromServer asks a Chef Server.
func (s *listed) fromServer(ctx context.Context) ([]byte, error) {
	server, err := s.ctx.ServerAt(ctx, s.url)
	if err != nil {
		return nil, err
	}
	var raw json.RawMessage
	if err := server.Do(ctx, http.MethodGet, "universe", nil, &raw); err != nil {
		return nil, fmt.Errorf("the list of cookbooks of %s: %w", secret.URL(s.url), err)
	}
	return raw, nil
}

// validator is what a list's answer had to recognise it by.
type validator struct {
	ETag         string `json:"etag,omitempty"`
	LastModified string `json:"last_modified,omitempty"`
}

// fromWeb fetches the list, or takes that of the cache where the server says
// that it is still the same, or where the network may not be used.
func (s *listed) fromWeb(ctx context.Context) ([]byte, error) {
	header := http.Header{}
	if s.kind == Artifactory {
		var err error
		if header, err = s.ctx.ArtifactoryHeader(ctx); err != nil {
			return nil, err
		}
	}
	file, note := s.ctx.Cache.File(
		"universe",
		s.url,
		".json",
	), s.ctx.Cache.File("universe", s.url, ".validator")
	if s.ctx.Web.Offline {
		if data, err := os.ReadFile(file); err == nil {
			return data, nil
		}
	}
	var known validator
	if text, err := os.ReadFile(note); err == nil && json.Unmarshal(text, &known) == nil {
		if _, err := os.Stat(file); err == nil {
			if known.ETag != "" {
				header.Set("If-None-Match", known.ETag)
			}
			if known.LastModified != "" {
				header.Set("If-Modified-Since", known.LastModified)
			}
		}
	}
	tmp, err := s.ctx.Cache.Temp()
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(tmp)
	fresh, got := filepath.Join(tmp, "list"), validator{}
	same := false
	err = s.ctx.Web.Get(
		ctx,
		web.Request{What: "the list of cookbooks", URL: s.listURL(), Header: header},
		func(resp *http.Response) error {
			if same = resp.StatusCode == http.StatusNotModified; same {
				return nil
			}
			got = validator{ETag: resp.Header.Get("ETag"), LastModified: resp.Header.Get("Last-Modified")}
			return save(fresh, resp.Body)
		},
	)
	if err != nil {
		return nil, err
	}
	if same {
		return os.ReadFile(file)
	}
	data, err := os.ReadFile(fresh)
	if err != nil {
		return nil, err
	}
	if s.index, err = parseIndex(data); err == nil {
		s.remember(file, note, fresh, got)
	}
	return data, nil // the caller parses it again for the error
}

// remember keeps a list for the next time; that it cannot be kept is no
// failure. Without a validator it serves --offline.
func (s *listed) remember(file, note, fresh string, v validator) {
	text, err := json.Marshal(v)
	if err != nil || os.RemoveAll(note) != nil || os.MkdirAll(filepath.Dir(file), 0o755) != nil ||
		os.Rename(fresh, file) != nil {
		return
	}
	_ = s.ctx.Cache.Write(note, text) // without it, the list is fetched again
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
	if newest, ok := s.fresh[name]; ok {
		return newest, nil
	}
	best, bestVersion := list[0], version.Version{}
	for i, r := range list {
		v, err := version.Parse(r.Version)
		if err != nil {
			return nil, fmt.Errorf("the list of cookbooks, at %s: %w", name, err)
		}
		if i == 0 || v.Compare(bestVersion) >= 0 {
			best, bestVersion = r, v
		}
	}
	s.fresh[name] = []Release{best}
	return s.fresh[name], nil
}

// Resolve makes a URL of a list absolute.
func Resolve(base, ref string) (string, error) {
	b, err := url.Parse(base)
	if err != nil {
		return "", err
	}
	r, err := url.Parse(ref)
	if err != nil {
		return "", err
	}
	return b.ResolveReference(r).String(), nil
}
