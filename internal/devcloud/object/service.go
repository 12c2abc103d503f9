package object

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"mime"
	"net/http"
	"net/url"
	"path"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/galleyhq/galley/internal/devcloud/api"
	"github.com/galleyhq/galley/internal/devcloud/db"
)

// Service answers calls to the object store below a prefix of the cloud's port.
type Service struct {
	// Prefix, Authenticate and AuthURL are as in an [api.Service].
	Prefix       string
	Authenticate func(token string) *api.Auth
	AuthURL      string

	mu    sync.RWMutex // of containers and their metadata
	store *store
}

// New returns a service that keeps its objects in a directory.
func New(dir string) *Service { return &Service{store: &store{dir: dir}} }

// limits of Swift's (swift: constraints).
const (
	listingLimit = 10000
	maxName      = 1024
	maxSize      = 5368709122
)

type call struct {
	http.ResponseWriter
	*http.Request
	account, container, object string
}

// ServeHTTP answers /v1/AUTH_project[/container[/object]].
func (s *Service) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	trans := "tx" + db.NewHexID()[:21] + "-0000000000"
	w.Header().Set("X-Trans-Id", trans)
	w.Header().Set("X-Openstack-Request-Id", trans)
	c := &call{ResponseWriter: w, Request: r}
	path := strings.TrimPrefix(r.URL.EscapedPath(), s.Prefix)
	if path == "/info" {
		body, _ := json.Marshal(capabilities)
		_ = c.answer("application/json; charset=UTF-8", body)
		return
	}
	rest, ok := strings.CutPrefix(path, "/v1/")
	if !ok {
		refuse(w, http.StatusNotFound, "The resource could not be found.")
		return
	}
	parts := strings.SplitN(rest, "/", 3)
	for i, to := range []*string{&c.account, &c.container, &c.object} {
		if i < len(parts) {
			text, err := url.PathUnescape(parts[i])
			if err != nil || len(text) > maxName {
				refuse(w, http.StatusPreconditionFailed, "Invalid UTF8 or contains NULL")
				return
			}
			*to = text
		}
	}
	if status := s.admit(c); status != 0 {
		if status == http.StatusUnauthorized {
			w.Header().Set("Www-Authenticate", fmt.Sprintf("Keystone uri=%q", s.AuthURL))
			refuse(w, status, "This server could not verify that you are authorized to access the document you requested.")
			return
		}
		refuse(w, status, "Access was denied to this resource.")
		return
	}
	var err error
	switch {
	case r.URL.Query().Has("bulk-delete") && (r.Method == http.MethodPost || r.Method == http.MethodDelete):
		err = s.bulkDelete(c)
	case c.object != "":
		err = s.serveObject(c)
	case c.container != "":
		err = s.serveContainer(c)
	default:
		err = s.serveAccount(c)
	}
	switch {
	case errors.Is(err, errMissing):
		refuse(w, http.StatusNotFound, "The resource could not be found.")
	case errors.Is(err, errNotEmpty):
		refuse(w, http.StatusConflict, "There was a conflict when trying to complete your request.")
	case errors.Is(err, errDigest):
		refuse(w, http.StatusUnprocessableEntity, "Unable to process the contained instructions")
	case err != nil:
		refuse(w, http.StatusInternalServerError, "The server has either erred or is incapable of performing the requested operation.")
	}
}

// refuse writes an error as Swift does, which is a little page.
func refuse(w http.ResponseWriter, status int, text string) {
	body := fmt.Sprintf("<html><h1>%s</h1><p>%s</p></html>", http.StatusText(status), text)
	w.Header().Set("Content-Type", "text/html; charset=UTF-8")
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	_, _ = w.Write([]byte(body))
}

// after answers a call that has no body, unless it failed.
func (c *call) after(status int, err error) error {
	if err != nil {
		return err
	}
	return c.done(status)
}

func (c *call) done(status int) error {
	c.Header().Set("Content-Type", "text/html; charset=UTF-8")
	if status != http.StatusNoContent {
		c.Header().Set("Content-Length", "0")
	}
	c.WriteHeader(status)
	return nil
}

func (c *call) Header() http.Header { return c.ResponseWriter.Header() }

func (c *call) notAllowed(methods string) error {
	c.Header().Set("Allow", methods)
	refuse(c.ResponseWriter, http.StatusMethodNotAllowed, "The method is not allowed for this resource.")
	return nil
}

// kept are headers besides metadata that are stored with a container or an
// object and come back with it.
var kept = map[string][]string{
	"Container": {"X-Container-Read", "X-Container-Write"},
	"Object":    {"Content-Disposition", "Content-Encoding", "X-Delete-At"},
}

// meta collects the request's metadata headers, such as X-Object-Meta-Colour;
// those to be removed are empty.
func (c *call) meta(kind string) map[string]string {
	m := map[string]string{}
	for name, v := range c.Request.Header {
		if strings.HasPrefix(name, "X-"+kind+"-Meta-") || slices.Contains(kept[kind], name) {
			m[name] = v[0]
		}
		if key, ok := strings.CutPrefix(name, "X-Remove-"+kind+"-Meta-"); ok {
			m["X-"+kind+"-Meta-"+key] = ""
		}
	}
	return m
}

func (c *call) setMeta(m map[string]string) {
	for name, v := range m {
		c.Header().Set(name, v)
	}
}

func (s *Service) serveAccount(c *call) error {
	if c.Method == http.MethodPost {
		s.mu.Lock()
		defer s.mu.Unlock()
		return c.after(http.StatusNoContent, s.store.setAccount(c.account, c.meta("Account")))
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	all, err := s.store.containers(c.account)
	if err != nil {
		return err
	}
	c.setMeta(s.store.account(c.account).Meta)
	var entries []entry
	objects := 0
	for _, i := range all {
		inside, err := s.store.objects(c.account, i.Name)
		if err != nil {
			return err
		}
		objects += len(inside)
		entries = append(entries, entry{i.Name, i.Size, api.Obj{
			"name": i.Name, "count": len(inside), "bytes": i.Size, "last_modified": stamp(i),
		}})
	}
	c.Header().Set("X-Account-Container-Count", strconv.Itoa(len(all)))
	c.Header().Set("X-Account-Object-Count", strconv.Itoa(objects))
	return c.list("Account", entries, "HEAD, GET, POST")
}

func (s *Service) serveContainer(c *call) error {
	switch c.Method {
	case http.MethodPut, http.MethodDelete, http.MethodPost:
		s.mu.Lock()
		defer s.mu.Unlock()
	default:
		s.mu.RLock()
		defer s.mu.RUnlock()
	}
	if c.Request.Header.Get("X-Versions-Enabled") != "" || c.Request.Header.Get("X-Versions-Location") != "" {
		refuse(c.ResponseWriter, http.StatusNotImplemented, "The embedded cloud keeps one version of each object.")
		return nil
	}
	switch c.Method {
	case http.MethodPut:
		made, err := s.store.putContainer(c.account, c.container, c.meta("Container"))
		return c.after(map[bool]int{true: http.StatusCreated, false: http.StatusAccepted}[made], err)
	case http.MethodDelete:
		return c.after(http.StatusNoContent, s.store.removeContainer(c.account, c.container))
	}
	all, err := s.store.objects(c.account, c.container)
	if err != nil {
		return err
	}
	about, err := readInfo(s.store.container(c.account, c.container) + about)
	if err != nil {
		return err
	}
	c.setMeta(about.Meta)
	if c.Method == http.MethodPost {
		_, err := s.store.putContainer(c.account, c.container, c.meta("Container"))
		return c.after(http.StatusNoContent, err)
	}
	var entries []entry
	for _, i := range all {
		entries = append(entries, entry{i.Name, i.Size, api.Obj{
			"name": i.Name, "bytes": i.Size, "hash": i.ETag, "content_type": i.Type, "last_modified": stamp(i),
		}})
	}
	c.Header().Set("X-Container-Object-Count", strconv.Itoa(len(all)))
	return c.list("Container", entries, "HEAD, GET, PUT, POST, DELETE")
}

// list answers a call about all entries of an account or a container.
func (c *call) list(kind string, all []entry, methods string) error {
	bytes := int64(0)
	for _, e := range all {
		bytes += e.size
	}
	c.Header().Set("X-"+kind+"-Bytes-Used", strconv.FormatInt(bytes, 10))
	switch c.Method {
	case http.MethodHead:
		return c.done(http.StatusNoContent)
	case http.MethodGet:
		return c.listing(all)
	}
	return c.notAllowed(methods)
}

// stamp writes a time as Swift's listings do.
func stamp(i info) string { return i.Modified.Format("2006-01-02T15:04:05.000000") }

// entry is one line of a listing.
type entry struct {
	name string
	size int64
	json api.Obj
}

// listing answers with the entries that the query asks for, as text or JSON.
func (c *call) listing(all []entry) error {
	q := c.URL.Query()
	limit := listingLimit
	if v := q.Get("limit"); v != "" {
		n, err := strconv.Atoi(v)
		if err != nil || n < 0 || n > listingLimit {
			refuse(c.ResponseWriter, http.StatusPreconditionFailed, fmt.Sprintf("Maximum limit is %d", listingLimit))
			return nil
		}
		limit = n
	}
	prefix, delimiter, marker, end := q.Get("prefix"), q.Get("delimiter"), q.Get("marker"), q.Get("end_marker")
	names, objs := []string{}, []api.Obj{}
	last := ""
	for _, e := range all {
		if !strings.HasPrefix(e.name, prefix) || marker != "" && e.name <= marker || end != "" && e.name >= end {
			continue
		}
		if delimiter != "" {
			if head, _, ok := strings.Cut(e.name[len(prefix):], delimiter); ok {
				sub := prefix + head + delimiter
				if sub == last || sub == marker {
					continue
				}
				last = sub
				e = entry{name: sub, json: api.Obj{"subdir": sub}}
			}
		}
		if len(names) == limit {
			break
		}
		names, objs = append(names, e.name), append(objs, e.json)
	}
	if q.Get("format") == "json" || strings.Contains(c.Request.Header.Get("Accept"), "application/json") {
		b, err := json.Marshal(objs)
		if err != nil {
			return err
		}
		return c.answer("application/json; charset=utf-8", b)
	}
	if len(names) == 0 {
		return c.done(http.StatusNoContent)
	}
	return c.answer("text/plain; charset=utf-8", []byte(strings.Join(names, "\n")+"\n"))
}

func (c *call) answer(kind string, body []byte) error {
	c.Header().Set("Content-Type", kind)
	c.Header().Set("Content-Length", strconv.Itoa(len(body)))
	c.WriteHeader(http.StatusOK)
	_, _ = c.Write(body)
	return nil
}

func (c *call) Write(p []byte) (int, error) { return c.ResponseWriter.Write(p) }

// serveObject holds no lock of containers: an upload takes as long as it takes,
// and a container that has one under way is not empty.
func (s *Service) serveObject(c *call) error {
	h := c.Request.Header
	switch c.Method {
	case "COPY":
		return s.copyObject(c)
	case http.MethodPut:
		if c.URL.Query().Has("multipart-manifest") || h.Get("X-Object-Manifest") != "" || h.Get("X-Copy-From") != "" {
			refuse(c.ResponseWriter, http.StatusNotImplemented, "The embedded cloud has no large objects, and copies with COPY alone.")
			return nil
		}
		if c.ContentLength > maxSize {
			refuse(c.ResponseWriter, http.StatusRequestEntityTooLarge, "The body of your request was too large for this server.")
			return nil
		}
		guess, _, _ := strings.Cut(mime.TypeByExtension(path.Ext(c.object)), ";") // Swift's has no character set
		o := info{Name: c.object, Type: cmp.Or(h.Get("Content-Type"), guess, "application/octet-stream")}
		merge(&o, c.meta("Object"))
		o, err := s.store.put(c.account, c.container, o, c.Body, strings.Trim(h.Get("Etag"), `"`))
		if err != nil {
			return err
		}
		c.Header().Set("Etag", o.ETag)
		c.Header().Set("Last-Modified", o.Modified.Format(http.TimeFormat))
		return c.done(http.StatusCreated)
	case http.MethodGet, http.MethodHead:
		o, f, err := s.store.open(c.account, c.container, c.object)
		if err != nil {
			return err
		}
		defer f.Close()
		c.setMeta(o.Meta)
		c.Header().Set("Content-Type", o.Type)
		// Without quotes, and If-Range is not known: so Swift does (swift:
		// common/middleware/etag_quoter).
		c.Header().Set("Etag", o.ETag)
		h.Del("If-Range")
		http.ServeContent(c.ResponseWriter, c.Request, "", o.Modified, f)
		return nil
	case http.MethodPost:
		return c.after(http.StatusAccepted, s.store.describe(c.account, c.container, c.object, func(i *info) {
			i.Meta, i.Type = nil, cmp.Or(h.Get("Content-Type"), i.Type)
			merge(i, c.meta("Object"))
		}))
	case http.MethodDelete:
		return c.after(http.StatusNoContent, s.store.remove(c.account, c.container, c.object))
	}
	return c.notAllowed("HEAD, GET, PUT, POST, DELETE")
}
