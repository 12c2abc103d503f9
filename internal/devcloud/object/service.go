package object

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"mime"
	"net/http"
	"net/url"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/galleyhq/galley/internal/devcloud/api"
	"github.com/galleyhq/galley/internal/devcloud/db"
)

// Service answers calls to the object store below a prefix of the cloud's port.
type Service struct {
	// Prefix, Authenticate and AuthURL are as in an [api.Service].
	Prefix       string
	Authenticate func(token string) *api.Auth
	AuthURL      string
	store        *store
}

// New returns a service that keeps its objects in a directory.
func New(dir string) *Service { return &Service{store: &store{dir: dir}} }

// limits of Swift's (swift: constraints).
const (
	listingLimit = 10000
	maxName      = 1024
	maxSize      = 5368709122
)

// call is one request with the names in its path.
type call struct {
	*http.Request
	w                          http.ResponseWriter
	account, container, object string
}

// failed is a 412, which is what Swift answers to names and limits that cannot
// be.
func failed(message string) error {
	return &api.Error{Status: http.StatusPreconditionFailed, Message: message}
}

// ServeHTTP answers /v1/AUTH_project[/container[/object]].
func (s *Service) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c := &call{Request: r, w: w}
	trans := "tx" + db.NewHexID()[:21] + "-0000000000"
	c.set("X-Trans-Id", trans)
	c.set("X-Openstack-Request-Id", trans)
	err := s.serve(c)
	if err == nil {
		return
	}
	var e *api.Error
	if !errors.As(err, &e) {
		e = &api.Error{Status: 500, Message: "The server has either erred or is incapable of performing the requested operation."}
	}
	maps.Copy(w.Header(), e.Header)
	page := fmt.Sprintf("<html><h1>%s</h1><p>%s</p></html>", http.StatusText(e.Status), e.Message)
	_ = c.answer(e.Status, "text/html; charset=UTF-8", []byte(page))
}

func (s *Service) serve(c *call) error {
	path := strings.TrimPrefix(c.URL.EscapedPath(), s.Prefix)
	if path == "/info" {
		return c.json(capabilities)
	}
	rest, ok := strings.CutPrefix(path, "/v1/")
	if !ok {
		return errMissing
	}
	parts := strings.SplitN(rest, "/", 3)
	for i, to := range []*string{&c.account, &c.container, &c.object} {
		if i < len(parts) {
			text, err := url.PathUnescape(parts[i])
			if err != nil || len(text) > maxName {
				return failed("Invalid UTF8 or contains NULL")
			}
			*to = text
		}
	}
	if err := s.admit(c); err != nil {
		return err
	}
	switch {
	case c.URL.Query().Has("bulk-delete") && (c.Method == http.MethodPost || c.Method == http.MethodDelete):
		return s.bulkDelete(c)
	case c.object != "":
		return s.serveObject(c)
	case c.container != "":
		return s.serveContainer(c)
	}
	return s.serveAccount(c)
}

// set puts a header on the answer.
func (c *call) set(name, value string) { c.w.Header().Set(name, value) }

func (c *call) answer(status int, kind string, body []byte) error {
	c.set("Content-Type", kind)
	if status != http.StatusNoContent {
		c.set("Content-Length", strconv.Itoa(len(body)))
	}
	c.w.WriteHeader(status)
	_, _ = c.w.Write(body)
	return nil
}

func (c *call) json(v any) error {
	body, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return c.answer(http.StatusOK, "application/json; charset=utf-8", body)
}

// done answers without a body.
func (c *call) done(status int) error { return c.answer(status, "text/html; charset=UTF-8", nil) }

// after is done, unless the call failed.
func (c *call) after(status int, err error) error {
	if err != nil {
		return err
	}
	return c.done(status)
}

func notAllowed(methods string) error {
	return &api.Error{
		Status: http.StatusMethodNotAllowed, Header: http.Header{"Allow": {methods}}, Message: "The method is not allowed for this resource.",
	}
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
	for name, v := range c.Header {
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
		c.set(name, v)
	}
}

func (s *Service) serveAccount(c *call) error {
	if c.Method == http.MethodPost {
		_, err := s.store.describe(true, set(c.meta("Account")), c.account)
		return c.after(http.StatusNoContent, err)
	}
	all, err := s.store.containers(c.account)
	if err != nil {
		return err
	}
	account, _ := s.store.info(c.account) // one of which nothing is known is empty
	c.setMeta(account.Meta)
	var entries []entry
	objects := 0
	for _, i := range all {
		objects += i.Count
		entries = append(entries, entry{i.Name, i.Size, api.Obj{
			"name": i.Name, "count": i.Count, "bytes": i.Size, "last_modified": stamp(i),
		}})
	}
	c.set("X-Account-Container-Count", strconv.Itoa(len(all)))
	c.set("X-Account-Object-Count", strconv.Itoa(objects))
	return c.list("Account", entries, "HEAD, GET, POST")
}

func (s *Service) serveContainer(c *call) error {
	if c.Header.Get("X-Versions-Enabled") != "" || c.Header.Get("X-Versions-Location") != "" {
		return &api.Error{Status: http.StatusNotImplemented, Message: "The embedded cloud keeps one version of each object."}
	}
	switch c.Method {
	case http.MethodPut:
		made, err := s.store.describe(true, set(c.meta("Container")), c.account, c.container)
		return c.after(map[bool]int{true: http.StatusCreated, false: http.StatusAccepted}[made], err)
	case http.MethodPost:
		_, err := s.store.describe(false, set(c.meta("Container")), c.account, c.container)
		return c.after(http.StatusNoContent, err)
	case http.MethodDelete:
		return c.after(http.StatusNoContent, s.store.remove(c.account, c.container))
	}
	all, container, err := s.store.objects(c.account, c.container)
	if err != nil {
		return err
	}
	c.setMeta(container.Meta)
	var entries []entry
	for _, i := range all {
		entries = append(entries, entry{i.Name, i.Size, api.Obj{
			"name": i.Name, "bytes": i.Size, "hash": i.ETag, "content_type": i.Type, "last_modified": stamp(i),
		}})
	}
	c.set("X-Container-Object-Count", strconv.Itoa(len(all)))
	return c.list("Container", entries, "HEAD, GET, PUT, POST, DELETE")
}

// list answers a call about all entries of an account or a container.
func (c *call) list(kind string, all []entry, methods string) error {
	bytes := int64(0)
	for _, e := range all {
		bytes += e.size
	}
	c.set("X-"+kind+"-Bytes-Used", strconv.FormatInt(bytes, 10))
	switch c.Method {
	case http.MethodHead:
		return c.done(http.StatusNoContent)
	case http.MethodGet:
		return c.listing(all)
	}
	return notAllowed(methods)
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
			return failed(fmt.Sprintf("Maximum limit is %d", listingLimit))
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
	switch {
	case q.Get("format") == "json" || strings.Contains(c.Header.Get("Accept"), "application/json"):
		return c.json(objs)
	case len(names) == 0:
		return c.done(http.StatusNoContent)
	}
	return c.answer(http.StatusOK, "text/plain; charset=utf-8", []byte(strings.Join(names, "\n")+"\n"))
}

func (s *Service) serveObject(c *call) error {
	h := c.Header
	switch c.Method {
	case "COPY":
		return s.copyObject(c)
	case http.MethodPut:
		if c.URL.Query().Has("multipart-manifest") || h.Get("X-Object-Manifest") != "" || h.Get("X-Copy-From") != "" {
			return &api.Error{Status: http.StatusNotImplemented, Message: "The embedded cloud has no large objects, and copies with COPY alone."}
		}
		if c.ContentLength > maxSize {
			return api.OverLimit("The body of your request was too large for this server.")
		}
		guess, _, _ := strings.Cut(mime.TypeByExtension(path.Ext(c.object)), ";") // Swift's has no character set
		o := info{Name: c.object, Type: cmp.Or(h.Get("Content-Type"), guess, "application/octet-stream")}
		set(c.meta("Object"))(&o)
		o, err := s.store.put(c.account, c.container, o, c.Body, strings.Trim(h.Get("Etag"), `"`))
		if err != nil {
			return err
		}
		c.set("Etag", o.ETag)
		c.set("Last-Modified", o.Modified.Format(http.TimeFormat))
		return c.done(http.StatusCreated)
	case http.MethodGet, http.MethodHead:
		o, f, err := s.store.open(c.account, c.container, c.object)
		if err != nil {
			return err
		}
		defer f.Close()
		c.setMeta(o.Meta)
		c.set("Content-Type", o.Type)
		// Without quotes, and If-Range is not known: so Swift does (swift:
		// common/middleware/etag_quoter).
		c.set("Etag", o.ETag)
		h.Del("If-Range")
		http.ServeContent(c.w, c.Request, "", o.Modified, f)
		return nil
	case http.MethodPost:
		_, err := s.store.describe(false, func(i *info) {
			i.Meta, i.Type = nil, cmp.Or(h.Get("Content-Type"), i.Type)
			set(c.meta("Object"))(i)
		}, c.account, c.container, c.object)
		return c.after(http.StatusAccepted, err)
	case http.MethodDelete:
		return c.after(http.StatusNoContent, s.store.remove(c.account, c.container, c.object))
	}
	return notAllowed("HEAD, GET, PUT, POST, DELETE")
}
