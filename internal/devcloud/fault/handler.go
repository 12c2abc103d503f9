package fault

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/galleyhq/galley/internal/devcloud/api"
	"github.com/galleyhq/galley/internal/retry"
)

// bodyLimit bounds the bodies that are read before the rules apply.
const bodyLimit = 64 << 20

// Handler logs every request to next and applies the rules to it. locate
// returns the service that a request is for and its path there.
func (s *Set) Handler(next http.Handler, locate func(*http.Request) (service, path string)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		service, path := locate(r)
		// The body is read before the rules apply: a client that dies while
		// its request is held has sent it. Uploads are streamed.
		if !streamed(service, r) && !buffer(w, r, service) {
			return
		}
		if !s.gate() {
			drop()
		}
		applied := s.match(service, r.Method, path)
		seen := Request{
			Time: time.Now().UTC(), Service: service, Method: r.Method, Path: path, Query: r.URL.RawQuery, Agent: r.UserAgent(),
		}
		for _, e := range applied {
			seen.Fault = append(seen.Fault, e.ID)
		}
		call := s.log.add(seen)
		if !s.before(w, r, service, call, applied) {
			return
		}
		// The request is carried out even when its client has gone by now, as
		// a cloud does.
		r = r.WithContext(context.WithoutCancel(r.Context()))
		if len(applied) == 0 {
			next.ServeHTTP(&observer{ResponseWriter: w, log: &s.log, call: call}, r)
			return
		}
		if applies(applied, Duplicate) {
			if !buffer(w, r, service) {
				return
			}
			first := r.Clone(r.Context())
			first.Body, _ = r.GetBody()
			next.ServeHTTP(newRecorder(), first)
		}
		rec := newRecorder()
		next.ServeHTTP(rec, r)
		s.log.change(call, func(c *Request) { c.Acted = true })
		s.after(w, r, rec, call, applied)
	})
}

// buffer reads a request's body into memory, from where GetBody repeats it;
// false when it was too large and the request has been answered.
func buffer(w http.ResponseWriter, r *http.Request, service string) bool {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, bodyLimit))
	if err != nil {
		refuse(w, service, Rule{Status: http.StatusRequestEntityTooLarge, Message: "Request is too large."})
		return false
	}
	r.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(body)), nil }
	r.Body, _ = r.GetBody()
	return true
}

// streamed reports whether a request's body may be large.
func streamed(service string, r *http.Request) bool {
	return service == "object-store" || strings.HasPrefix(r.Header.Get("Content-Type"), "application/octet-stream")
}

func applies(rules []*entry, action string) bool {
	return slices.ContainsFunc(rules, func(e *entry) bool { return e.Action == action })
}

// drop closes the client's connection without an answer.
func drop() { panic(http.ErrAbortHandler) }

// before applies the rules that come before the cloud acts; false when the
// request has been answered.
func (s *Set) before(w http.ResponseWriter, r *http.Request, service string, call *Request, applied []*entry) bool {
	for _, e := range applied {
		switch e.Action {
		case Latency:
			_ = retry.Sleep(r.Context(), time.Duration(e.Delay)) // or until the client leaves
		case LateEffect:
			if !s.hold(e, time.Duration(e.Delay)) {
				drop()
			}
		case DropBefore:
			drop()
		case HoldBefore:
			if !s.hold(e, 0) {
				drop()
			}
		case Status:
			s.log.change(call, func(c *Request) { c.Status = e.Rule.Status })
			refuse(w, service, e.Rule)
			return false
		}
	}
	return true
}

// refuse writes the answer of a rule with the action Status.
func refuse(w http.ResponseWriter, service string, e Rule) {
	body := []byte(e.Body)
	if e.Body == "" && !e.EmptyBody {
		body = errorBody(service, e.Status, cmp.Or(e.Message, http.StatusText(e.Status)))
	}
	reply(w, e, body)
}

// reply writes an answer that a rule has made up.
func reply(w http.ResponseWriter, e Rule, body []byte) {
	if e.RetryAfter != "" {
		w.Header().Set("Retry-After", e.RetryAfter)
	}
	kind := "application/json"
	switch {
	case len(body) > 0 && json.Valid(body):
	case bytes.HasPrefix(body, []byte("<")):
		kind = "text/html; charset=utf-8"
	case len(body) > 0:
		kind = "text/plain; charset=utf-8"
	}
	w.Header().Set("Content-Type", kind)
	if e.Status != http.StatusNoContent && e.Status != http.StatusNotModified {
		w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	}
	w.WriteHeader(e.Status)
	_, _ = w.Write(body)
}

// errorBody is an error in a service's own form.
func errorBody(service string, status int, message string) []byte {
	e := &api.Error{Status: status, Message: message, Type: "InjectedFault"}
	var body []byte
	switch service {
	case "network":
		_, body = api.NeutronBody(e)
	case "identity":
		_, body = api.KeystoneBody(e)
	case "image":
		_, body = api.WebobBody(e, "application/json")
	case "placement":
		_, body = api.PlacementBody(e, "")
	default:
		_, body = api.FaultBody(e, nil)
	}
	return body
}

// after applies the rules that come after the cloud has acted, and answers.
func (s *Set) after(w http.ResponseWriter, r *http.Request, rec *recorder, call *Request, applied []*entry) {
	for _, e := range applied {
		switch e.Action {
		case LateAnswer:
			_ = retry.Sleep(r.Context(), time.Duration(e.Delay)) // or until the client leaves
		case HoldAfter:
			s.hold(e, 0)
		case DropAfter:
			drop()
		}
	}
	maps.Copy(w.Header(), rec.header)
	if i := slices.IndexFunc(applied, func(e *entry) bool { return e.Action == Answer }); i >= 0 {
		instead := applied[i].Rule
		instead.Status = cmp.Or(instead.Status, rec.status)
		s.log.change(call, func(c *Request) { c.Status = instead.Status })
		w.Header().Del("Content-Length")
		reply(w, instead, []byte(instead.Body))
		return
	}
	s.log.change(call, func(c *Request) { c.Status = rec.status })
	body := rec.body.Bytes()
	if applies(applied, Truncate) && len(body) > 0 {
		w.Header().Set("Content-Length", strconv.Itoa(len(body)))
		w.WriteHeader(rec.status)
		_, _ = w.Write(body[:len(body)/2])
		flush(w)
		drop()
	}
	i := slices.IndexFunc(applied, func(e *entry) bool { return e.Action == HoldAnswered })
	if i >= 0 {
		s.shut(applied[i])
	}
	w.WriteHeader(rec.status)
	_, _ = w.Write(body)
	if i >= 0 {
		flush(w)
		s.answered(applied[i])
	}
}

func flush(w http.ResponseWriter) { _ = http.NewResponseController(w).Flush() }

// recorder keeps an answer until the rules have seen it.
type recorder struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func newRecorder() *recorder { return &recorder{header: http.Header{}, status: http.StatusOK} }

func (r *recorder) Header() http.Header         { return r.header }
func (r *recorder) WriteHeader(status int)      { r.status = status }
func (r *recorder) Write(b []byte) (int, error) { return r.body.Write(b) }

// observer passes an answer on and logs its status before the client sees it.
type observer struct {
	http.ResponseWriter
	log  *requestLog
	call *Request
	done bool
}

func (o *observer) WriteHeader(status int) {
	if !o.done {
		o.done = true
		o.log.change(o.call, func(c *Request) { c.Acted, c.Status = true, status })
	}
	o.ResponseWriter.WriteHeader(status)
}

func (o *observer) Write(b []byte) (int, error) {
	if !o.done {
		o.WriteHeader(http.StatusOK)
	}
	return o.ResponseWriter.Write(b)
}

// Unwrap lets http.ResponseController reach the connection.
func (o *observer) Unwrap() http.ResponseWriter { return o.ResponseWriter }
