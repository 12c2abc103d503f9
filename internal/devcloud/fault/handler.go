package fault

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Handler logs every call to next and applies the rules to it. locate names the service a call is for and its path
// there.
func (s *Set) Handler(next http.Handler, locate func(*http.Request) (service, path string)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		service, path := locate(r)
		// The body is read before the rules apply: a client that dies while its call is held has still sent it.
		if !strings.HasPrefix(r.Header.Get("Content-Type"), "application/octet-stream") {
			body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 64<<20))
			if err != nil {
				http.Error(w, "request body: "+err.Error(), http.StatusBadRequest)
				return
			}
			r.Body = io.NopCloser(bytes.NewReader(body))
		}
		if !s.gate() {
			drop()
		}
		call := s.log.add(Request{Time: time.Now().UTC(), Service: service, Method: r.Method, Path: path, Query: r.URL.RawQuery, Agent: r.UserAgent()})
		applied := s.match(service, r.Method, path)
		if len(applied) > 0 {
			s.log.change(call, func(c *Request) {
				for _, e := range applied {
					c.Fault = append(c.Fault, e.ID)
				}
			})
		}
		if !s.before(w, r, service, call, applied) {
			return
		}
		// The call is carried out even when its client is gone by now, as a cloud does.
		rec := &recorder{header: http.Header{}, status: http.StatusOK}
		next.ServeHTTP(rec, r.WithContext(context.WithoutCancel(r.Context())))
		s.log.change(call, func(c *Request) { c.Acted = true })
		s.after(w, rec, call, applied)
	})
}

// drop closes the client's connection without an answer.
func drop() { panic(http.ErrAbortHandler) }

// before applies the rules that come before acting; false when the call is answered already.
func (s *Set) before(w http.ResponseWriter, r *http.Request, service string, call *Request, applied []*entry) bool {
	for _, e := range applied {
		switch e.Action {
		case Latency:
			t := time.NewTimer(time.Duration(e.Delay))
			select {
			case <-t.C:
			case <-r.Context().Done():
			}
			t.Stop()
		case DropBefore:
			drop()
		case HoldBefore:
			if !s.hold(e) {
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

// refuse writes the answer of a rule of the kind Status.
func refuse(w http.ResponseWriter, service string, e Rule) {
	body := []byte(e.Body)
	if e.Body == "" {
		message := e.Message
		if message == "" {
			message = http.StatusText(e.Status)
		}
		body = errorBody(service, e.Status, message)
	}
	if e.RetryAfter != "" {
		w.Header().Set("Retry-After", e.RetryAfter)
	}
	kind := "application/json"
	if !json.Valid(body) {
		kind = "text/plain; charset=utf-8"
	}
	w.Header().Set("Content-Type", kind)
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(e.Status)
	_, _ = w.Write(body)
}

// errorBody is an error in a service's own form.
func errorBody(service string, status int, message string) []byte {
	var v any
	switch service {
	case "network":
		v = map[string]any{"NeutronError": map[string]any{"type": "InjectedFault", "message": message, "detail": ""}}
	case "identity":
		v = map[string]any{"error": map[string]any{"code": status, "message": message, "title": http.StatusText(status)}}
	case "image":
		v = map[string]any{"message": message, "code": strconv.Itoa(status) + " " + http.StatusText(status), "title": http.StatusText(status)}
	default:
		name := map[int]string{400: "badRequest", 403: "forbidden", 404: "itemNotFound", 409: "conflictingRequest", 413: "overLimit", 429: "overLimit", 503: "serviceUnavailable"}[status]
		if name == "" {
			name = "computeFault"
		}
		v = map[string]any{name: map[string]any{"code": status, "message": message}}
	}
	b, err := json.Marshal(v)
	if err != nil {
		return nil
	}
	return b
}

// after applies the rules that come after acting, and answers.
func (s *Set) after(w http.ResponseWriter, rec *recorder, call *Request, applied []*entry) {
	cut := false
	for _, e := range applied {
		switch e.Action {
		case HoldAfter:
			s.hold(e)
		case DropAfter:
			drop()
		case Truncate:
			cut = true
		}
	}
	s.log.change(call, func(c *Request) { c.Status = rec.status })
	for k, v := range rec.header {
		w.Header()[k] = v
	}
	body := rec.body.Bytes()
	if cut && len(body) > 0 {
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

func (r *recorder) Header() http.Header         { return r.header }
func (r *recorder) WriteHeader(status int)      { r.status = status }
func (r *recorder) Write(b []byte) (int, error) { return r.body.Write(b) }
