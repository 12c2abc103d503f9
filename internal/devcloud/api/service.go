package api

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/galleyhq/galley/internal/devcloud/db"
)

// Handler answers one call; no reply and no error is 204. The error it returns
// is written in the service's dialect when it is an *Error, and is the service's
// "unexpected error" otherwise. It runs with the database locked: in a view of
// it, or for other methods than GET in a transaction, which an error undoes.
type Handler func(*Request) (*Reply, error)

// Route joins a method and a path pattern to a handler. In the pattern {name}
// matches one path segment; a literal segment wins over a variable one.
type Route struct {
	Method, Path string
	Do           Handler
	// Min and Max bound the microversions that have this call; zero is no
	// bound.
	Min, Max Version
	// Open marks a call that needs no token.
	Open bool
	// Free marks a call that locks the database itself, or moves much data.
	Free bool
	// Writes marks a GET that may change something.
	Writes bool

	shape []string // the path's segments, variables as "{}"
}

// Calls are handlers by "METHOD /path".
type Calls map[string]Handler

// Routes are the calls as routes, with the marks and bounds of like.
func (c Calls) Routes(like Route) []Route {
	var out []Route
	for _, call := range slices.Sorted(maps.Keys(c)) {
		like.Method, like.Path, _ = strings.Cut(call, " ")
		like.Do = c[call]
		out = append(out, like)
	}
	return out
}

// Empty answers with an empty list of that name.
func Empty(name string) Handler {
	return func(*Request) (*Reply, error) { return OK(Obj{name: List{}}) }
}

// Auth is whom a token speaks for.
type Auth struct {
	Token                       *db.Token
	UserID, UserName            string
	ProjectID, ProjectName      string
	UserDomainID, ProjectDomain string
	Roles                       []string
}

// Admin tells whether the token carries the role that policies ask for.
func (a *Auth) Admin() bool { return slices.Contains(a.Roles, "admin") }

// Microversions are what a service negotiates with its callers.
type Microversions struct {
	// Service is its name in the header OpenStack-API-Version.
	Service  string
	Min, Max Version
	// Legacy is an older header that says the same, "" where there is none.
	Legacy string
}

// SizeLimit is the largest body that the services with oslo.middleware's
// sizelimit take, in bytes.
const SizeLimit = 114688

// Service is one API below a prefix of the cloud's one port. Its own package
// sets Name, what follows it up to MaxBody, and the routes, the cloud the rest.
type Service struct {
	Name string
	// Front is the path below which the service itself answers, where the list
	// of its versions comes from a separate layer.
	Front string
	// Versions are nil for a service without microversions.
	Versions *Microversions
	// IDs are headers with the request ID besides X-Openstack-Request-Id.
	IDs []string
	// Vary is what answers depend on besides the microversion.
	Vary string
	// Empty is the content type of an answer without a body, "" for none.
	Empty string
	// Error writes an error's body.
	Error func(e *Error, r *Request) (contentType string, body []byte)
	// NotFound is the answer to a path that no route has; handled tells that
	// another method has it. Nil is a plain 404.
	NotFound func(r *Request, handled bool) *Error
	// MaxBody bounds the bodies of calls in bytes, as oslo.middleware's
	// sizelimit does; 0 means any size.
	MaxBody int
	Prefix  string // "/compute"
	// DB is locked around handlers.
	DB *db.DB
	// Authenticate finds whom a token speaks for; nil when it is unknown,
	// expired or revoked.
	Authenticate func(token string) *Auth
	// AuthURL is what a 401 names.
	AuthURL string

	routes router
}

// Request is one call as its handler sees it.
type Request struct {
	HTTP *http.Request
	// ID is the request ID, "req-" and a UUID.
	ID string
	// Path is below the service's prefix.
	Path    string
	Vars    map[string]string
	Body    []byte
	Version Version
	Auth    *Auth
	// Root is the URL of the service's prefix, without a slash at its end.
	Root string
	// Refused tells that the call did not get as far as the service: no valid
	// token, no such path.
	Refused bool
}

// Var is the value of a path variable.
func (r *Request) Var(name string) string { return r.Vars[name] }

// Query is the first value of a query parameter.
func (r *Request) Query(name string) string { return r.HTTP.URL.Query().Get(name) }

// Flag is a query parameter that says true.
func (r *Request) Flag(name string) bool { return strings.EqualFold(r.Query(name), "true") }

// JSON decodes the body.
func (r *Request) JSON(into any) error {
	if err := json.Unmarshal(r.Body, into); err != nil {
		return &Error{Status: http.StatusBadRequest, Malformed: true, Message: "Malformed request body"}
	}
	return nil
}

// Object decodes the body as an object and returns its element of that name,
// which has to be an object too.
func (r *Request) Object(name string) (Obj, error) {
	var body map[string]json.RawMessage
	if err := r.JSON(&body); err != nil {
		return nil, err
	}
	raw, ok := body[name]
	if !ok {
		e := BadRequest("'%s' is a required property", name)
		e.Missing = name
		return nil, e
	}
	var o Obj
	if err := json.Unmarshal(raw, &o); err != nil || o == nil {
		e := BadRequest("Invalid input for field/attribute %s. Value: %s. %s is not of type 'object'", name, raw, raw)
		e.Missing = name
		return nil, e
	}
	return o, nil
}

// Action decodes the body of a call to /action: one action's name with what it
// is given.
func (r *Request) Action() (name string, arg any, err error) {
	var body map[string]any
	if err := r.JSON(&body); err != nil {
		return "", nil, err
	}
	if len(body) != 1 {
		return "", nil, BadRequest("Malformed request body")
	}
	for name, arg = range body {
	}
	return name, arg, nil
}

// Reply is the answer to a call. A nil Body writes none.
type Reply struct {
	Status int
	Body   any
	Header http.Header
	// File, with Type, is sent instead of a Body, in part when the call says so,
	// and closed.
	File *os.File
	Type string
}

// OK answers 200 with a JSON body.
func OK(body any) (*Reply, error) { return &Reply{Status: http.StatusOK, Body: body}, nil }

// Created answers 201 with a JSON body.
func Created(body any) (*Reply, error) { return &Reply{Status: http.StatusCreated, Body: body}, nil }

// Accepted answers 202; body may be nil.
func Accepted(body any) (*Reply, error) { return &Reply{Status: http.StatusAccepted, Body: body}, nil }

// OrNil shows an empty string as null.
func OrNil(s string) any {
	if s == "" {
		return nil
	}
	return s
}

// Dict shows pairs that may be nil as an object.
func Dict(m map[string]string) map[string]string {
	if m == nil {
		return map[string]string{}
	}
	return m
}

// Seconds is a time as most services write it.
func Seconds(t time.Time) string { return t.Format("2006-01-02T15:04:05Z") }

// Micros is a time as Nova and Cinder write it beside their own resources; none
// is null.
func Micros(t time.Time) any {
	if t.IsZero() {
		return nil
	}
	return t.Truncate(time.Second).Format("2006-01-02T15:04:05.000000")
}

// Obj is a JSON object under construction or inspection.
type Obj = map[string]any

// List is a JSON list.
type List = []any

// Handle adds routes.
func (s *Service) Handle(routes ...Route) {
	for _, rt := range routes {
		s.routes.add(rt)
	}
}

// ServeHTTP answers a call to the service.
func (s *Service) ServeHTTP(w http.ResponseWriter, hr *http.Request) {
	r := &Request{
		HTTP: hr,
		ID:   "req-" + db.NewUUID(),
		Path: strings.TrimPrefix(hr.URL.Path, s.Prefix),
		Root: "http://" + hr.Host + s.Prefix,
	}
	reply, err := s.answer(r)
	var e *Error
	if errors.As(err, &e) && (e.Plain || e.Status == http.StatusUnauthorized) {
		r.Refused = true
	}
	h := w.Header()
	s.headers(h, r)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	if reply == nil {
		reply = &Reply{Status: http.StatusNoContent}
	}
	maps.Copy(h, reply.Header)
	if reply.File != nil {
		defer reply.File.Close()
		h.Set("Content-Type", reply.Type)
		http.ServeContent(w, hr, "", time.Time{}, reply.File)
		return
	}
	var data []byte
	kind := reply.Type
	if reply.Body != nil {
		if data, err = marshal(reply.Body); err != nil {
			s.fail(w, r, err)
			return
		}
		kind = "application/json"
	}
	write(w, r, reply.Status, cmp.Or(kind, s.Empty), data)
}

// write sends an answer; kind is its content type, "" for none.
func write(w http.ResponseWriter, r *Request, status int, kind string, body []byte) {
	if kind != "" {
		w.Header().Set("Content-Type", kind)
	}
	if status != http.StatusNoContent {
		w.Header().Set("Content-Length", fmt.Sprint(len(body)))
	}
	w.WriteHeader(status)
	if r.HTTP.Method != http.MethodHead {
		_, _ = w.Write(body)
	}
}

// headers are what the service puts on its answers.
func (s *Service) headers(h http.Header, r *Request) {
	if !strings.HasPrefix(r.Path, s.Front) {
		return
	}
	for _, name := range append([]string{"X-Openstack-Request-Id"}, s.IDs...) {
		h.Set(name, r.ID)
	}
	if s.Vary != "" {
		h.Set("Vary", s.Vary)
	}
	if v := s.Versions; v != nil && r.Version != (Version{}) && !r.Refused {
		h.Set("Openstack-Api-Version", v.Service+" "+r.Version.String())
		h.Set("Vary", cmp.Or(v.Legacy, "OpenStack-API-Version"))
		if v.Legacy != "" {
			h.Set(v.Legacy, r.Version.String())
		}
	}
}

func (s *Service) answer(r *Request) (*Reply, error) {
	if !strings.HasPrefix(r.HTTP.Header.Get("Content-Type"), "application/octet-stream") {
		body, err := io.ReadAll(r.HTTP.Body)
		if err != nil {
			return nil, &Error{Status: http.StatusBadRequest, Message: "Malformed request body"}
		}
		if s.MaxBody > 0 && len(body) > s.MaxBody {
			return nil, &Error{Status: http.StatusRequestEntityTooLarge, Message: "Request is too large.", Plain: true}
		}
		r.Body = body
	}
	if v := s.Versions; v != nil && strings.HasPrefix(r.Path, s.Front) {
		if err := r.negotiate(v); err != nil {
			return nil, err
		}
	}
	token := r.HTTP.Header.Get("X-Auth-Token")
	if token != "" {
		r.Auth = s.Authenticate(token)
	}
	rt, vars, handled := s.routes.find(r.HTTP.Method, strings.TrimSuffix(r.Path, ".json"), r.Version)
	if rt == nil {
		if r.Auth == nil && token != "" {
			return nil, s.unauthorized()
		}
		if s.NotFound == nil {
			return nil, NotFound("The resource could not be found.")
		}
		return nil, s.NotFound(r, handled)
	}
	if !rt.Open && r.Auth == nil {
		return nil, s.unauthorized()
	}
	r.Vars = vars
	return s.run(rt, r)
}

// run calls a route's handler with the database locked as it needs.
func (s *Service) run(rt *Route, r *Request) (reply *Reply, err error) {
	switch {
	case rt.Free || s.DB == nil:
		reply, err = rt.Do(r)
	case rt.Method == http.MethodGet && !rt.Writes:
		s.DB.View(func() { reply, err = rt.Do(r) })
	default:
		err = s.DB.Update(func() (err error) {
			reply, err = rt.Do(r)
			return err
		})
	}
	return reply, err
}

func (s *Service) unauthorized() *Error {
	return &Error{
		Status: http.StatusUnauthorized, Type: "Unauthorized", Message: "The request you have made requires authentication.",
	}
}

func (s *Service) fail(w http.ResponseWriter, r *Request, err error) {
	var e *Error
	if !errors.As(err, &e) {
		e = &Error{
			Status: http.StatusInternalServerError, Type: "InternalServerError",
			Message: "Unexpected API Error. " + err.Error(),
		}
	}
	kind, body := s.Error(e, r)
	maps.Copy(w.Header(), e.Header)
	if e.Status == http.StatusUnauthorized {
		// The token middleware before the service writes this one, in
		// Keystone's form everywhere.
		kind, body = KeystoneBody(e)
		w.Header().Set("Www-Authenticate", fmt.Sprintf("Keystone uri=%q", s.AuthURL))
	}
	write(w, r, e.Status, kind, body)
}

// marshal writes JSON as the services do: "<" is not escaped.
func marshal(v any) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	err := enc.Encode(v)
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), err
}

func mustJSON(v any) []byte {
	b, err := marshal(v)
	if err != nil {
		panic(err) // every caller passes strings and numbers
	}
	return b
}
