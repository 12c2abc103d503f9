package cli

import (
	"bytes"
	"cmp"
	"context"
	"crypto/md5"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/galleyhq/galley/internal/fetch"
	"github.com/galleyhq/galley/internal/openstack"
	"github.com/galleyhq/galley/internal/retry"
)

const (
	defaultSegment = 256 << 20
	// maxSegments is the number that Swift allows in a manifest by default.
	maxSegments = 1000
)

// swiftStore is an object in the cloud's object store as an output of fetch. It
// is sent in segments, each spooled to a temporary file so that it can be sent
// again; the object becomes visible when its manifest is written.
type swiftStore struct {
	ctx               context.Context
	cloud             *openstack.Cloud
	client            *http.Client
	base              string // of the account
	container, object string
	prefix            string // of the segments, in their container
	size              int64

	spool    *os.File
	n        int64
	sum      hash.Hash
	segments []swiftSegment
	made     bool // the container of the segments exists
}

// swiftSegment is an entry of a manifest (Object Storage API, "Static large
// objects").
type swiftSegment struct {
	Path string `json:"path"`
	ETag string `json:"etag"`
	Size int64  `json:"size_bytes"`
}

// swiftStore returns the output CONTAINER/OBJECT.
func (f *fetchOptions) swiftStore(ctx context.Context, r *fetch.Request, name string) (fetch.Store, error) {
	container, object, _ := strings.Cut(strings.TrimPrefix(name, "/"), "/")
	if container == "" || object == "" {
		return nil, usagef("", "an object in the cloud is written as swift:CONTAINER/OBJECT")
	}
	s := &swiftStore{container: container, object: object, size: cmp.Or(f.segment, defaultSegment), sum: md5.New()}
	if !f.given("compress") {
		// The object's name decides, as a file's does.
		for _, e := range []struct {
			ending string
			format fetch.Format
		}{{".gz", fetch.Gzip}, {".zst", fetch.Zstd}} {
			if strings.HasSuffix(strings.ToLower(object), e.ending) {
				r.Output.Compress = e.format
			}
		}
	}
	s.ctx = ctx
	var err error
	if s.cloud, err = f.clouds.connect(s.ctx); err != nil {
		return nil, err
	}
	if s.base, err = s.cloud.Endpoint("object-store"); err != nil {
		return nil, err
	}
	t := http.DefaultTransport.(*http.Transport).Clone()
	if t.TLSClientConfig, err = s.cloud.TLSConfig(); err != nil {
		return nil, err
	}
	t.ResponseHeaderTimeout = 5 * time.Minute
	s.client = &http.Client{Transport: t}
	s.prefix = fmt.Sprintf("%s/%d", object, time.Now().UnixNano())
	if s.spool, err = os.CreateTemp("", "galley-segment-"); err != nil {
		return nil, err
	}
	// The name is not needed; a kill leaves nothing behind.
	return s, os.Remove(s.spool.Name())
}

// Name implements [fetch.Store].
func (s *swiftStore) Name() string { return "swift:" + s.container + "/" + s.object }

// Write spools p, and sends a segment when it is full.
func (s *swiftStore) Write(p []byte) (int, error) {
	taken := 0
	for len(p) > 0 {
		part := p[:min(int64(len(p)), s.size-s.n)]
		n, err := s.spool.Write(part)
		s.sum.Write(part[:n])
		s.n += int64(n)
		taken += n
		if err != nil {
			return taken, fmt.Errorf("the temporary file of a segment: %w", err)
		}
		p = p[n:]
		if s.n == s.size {
			if err := s.sendSegment(); err != nil {
				return taken, err
			}
		}
	}
	return taken, nil
}

// sendSegment sends the spooled bytes as the next segment.
func (s *swiftStore) sendSegment() error {
	if len(s.segments) == maxSegments {
		return fmt.Errorf("the object needs more than %d segments: make them larger with --segment-size", maxSegments)
	}
	in := s.container + "_segments"
	if !s.made {
		if err := s.request(http.MethodPut, s.address(in, ""), nil, 0, ""); err != nil {
			return err
		}
		s.made = true
	}
	name := fmt.Sprintf("%s/%08d", s.prefix, len(s.segments)+1)
	if err := s.sendSpool(in, name); err != nil {
		return err
	}
	s.segments = append(s.segments, swiftSegment{Path: "/" + in + "/" + name, ETag: fmt.Sprintf("%x", s.sum.Sum(nil)), Size: s.n})
	s.n = 0
	s.sum.Reset()
	_, err := s.spool.Seek(0, io.SeekStart)
	return errors.Join(err, s.spool.Truncate(0))
}

// sendSpool sends the spooled bytes as an object.
func (s *swiftStore) sendSpool(container, name string) error {
	return s.request(http.MethodPut, s.address(container, name), io.NewSectionReader(s.spool, 0, s.n), s.n, fmt.Sprintf("%x", s.sum.Sum(nil)))
}

// Commit implements [fetch.Store].
func (s *swiftStore) Commit(ctx context.Context) error {
	defer s.spool.Close()
	s.ctx = ctx
	if err := s.request(http.MethodPut, s.address(s.container, ""), nil, 0, ""); err != nil {
		return err
	}
	if len(s.segments) == 0 {
		return s.sendSpool(s.container, s.object)
	}
	if s.n > 0 {
		if err := s.sendSegment(); err != nil {
			return err
		}
	}
	text, err := json.Marshal(s.segments)
	if err != nil {
		return err
	}
	return s.request(http.MethodPut, s.address(s.container, s.object)+"?multipart-manifest=put", bytes.NewReader(text), int64(len(text)), "")
}

// Abort implements [fetch.Store].
func (s *swiftStore) Abort(ctx context.Context) {
	s.spool.Close()
	s.ctx = ctx
	for _, g := range s.segments {
		container, name, _ := strings.Cut(strings.TrimPrefix(g.Path, "/"), "/")
		_ = s.request(http.MethodDelete, s.address(container, name), nil, 0, "")
	}
}

// address is the URL of a container, or of an object in it.
func (s *swiftStore) address(container, object string) string {
	u := s.base + "/" + url.PathEscape(container)
	if object != "" {
		u += "/" + strings.ReplaceAll(url.PathEscape(object), "%2F", "/")
	}
	return u
}

// request sends one request, and again after a failure that may pass. PUT of
// the same bytes and DELETE may be repeated.
func (s *swiftStore) request(method, address string, body io.ReadSeeker, size int64, etag string) error {
	op := method + " " + address
	renewed := false
	return retry.Default.Do(s.ctx, func(ctx context.Context) error {
		var in io.Reader
		if body != nil {
			if _, err := body.Seek(0, io.SeekStart); err != nil {
				return err
			}
			in = io.NopCloser(body)
		}
		r, err := http.NewRequestWithContext(ctx, method, address, in)
		if err != nil {
			return err
		}
		r.ContentLength = size
		if size == 0 {
			r.Body = http.NoBody
		}
		if etag != "" {
			r.Header.Set("ETag", etag)
		}
		token := s.cloud.Token()
		r.Header.Set("X-Auth-Token", token.Reveal())
		a, err := s.client.Do(r)
		if err != nil {
			if retry.Transient(err) {
				err = retry.Again(err, 0)
			}
			return err
		}
		_, _ = io.CopyN(io.Discard, a.Body, 64<<10)
		a.Body.Close()
		switch {
		case a.StatusCode >= 200 && a.StatusCode <= 299, method == http.MethodDelete && a.StatusCode == http.StatusNotFound:
			return nil
		case a.StatusCode == http.StatusUnauthorized && !renewed:
			renewed = true
			if err := s.cloud.RenewToken(ctx, token); err != nil {
				return err
			}
			return retry.Again(fmt.Errorf("%s: the token was refused", op), 0)
		}
		err = fmt.Errorf("%s: the object store answered %s", op, a.Status)
		if retry.Status(a.StatusCode) {
			after, _ := retry.After(a.Header, time.Now())
			err = retry.Again(err, after)
		}
		return err
	})
}
