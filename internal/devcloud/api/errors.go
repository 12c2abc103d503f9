package api

import (
	"cmp"
	"fmt"
	"html"
	"net/http"
	"strings"
)

// Error is a refusal in a service's own words.
type Error struct {
	Status int
	// Type is Neutron's exception name.
	Type    string
	Message string
	Header  http.Header
	// Malformed marks a body that is no JSON; Missing names a body's outermost
	// element that is not there. Services word these two differently.
	Malformed bool
	Missing   string
	// Plain marks Nova's and Cinder's answer to an unknown path, which is no
	// JSON.
	Plain bool
}

// Error gives the message.
func (e *Error) Error() string { return fmt.Sprintf("%d: %s", e.Status, e.Message) }

func newError(status int, format string, args []any) *Error {
	msg := format
	if len(args) > 0 {
		msg = fmt.Sprintf(format, args...)
	}
	return &Error{Status: status, Message: msg}
}

// BadRequest is a 400.
func BadRequest(format string, args ...any) *Error { return newError(400, format, args) }

// Forbidden is a 403.
func Forbidden(format string, args ...any) *Error { return newError(403, format, args) }

// NotFound is a 404.
func NotFound(format string, args ...any) *Error { return newError(404, format, args) }

// Conflict is a 409.
func Conflict(format string, args ...any) *Error { return newError(409, format, args) }

// OverLimit is a 413.
func OverLimit(format string, args ...any) *Error { return newError(413, format, args) }

// faultNames are the outer keys of errors of Nova's and Cinder's.
var faultNames = map[int]string{
	400: "badRequest", 401: "unauthorized", 403: "forbidden", 404: "itemNotFound", 405: "badMethod", 409: "conflictingRequest",
	413: "overLimit", 429: "overLimit", 415: "badMediaType", 501: "notImplemented", 503: "serviceUnavailable",
}

// FaultBody is an error as Nova and Cinder write it.
func FaultBody(e *Error, r *Request) (string, []byte) {
	if e.Plain {
		return WebobBody(e, r.HTTP.Header.Get("Accept"))
	}
	fault := Obj{"code": e.Status, "message": e.Message}
	if e.Status == 413 {
		fault["retryAfter"] = "0"
	}
	return "application/json; charset=UTF-8", mustJSON(Obj{cmp.Or(faultNames[e.Status], "computeFault"): fault})
}

// NeutronBody is an error as Neutron writes it.
func NeutronBody(e *Error) (string, []byte) {
	plain := map[int]string{400: "HTTPBadRequest", 403: "HTTPForbidden", 404: "HTTPNotFound", 409: "HTTPConflict"}
	kind := cmp.Or(e.Type, plain[e.Status], "HTTPInternalServerError")
	return "application/json", mustJSON(Obj{"NeutronError": Obj{"type": kind, "message": e.Message, "detail": ""}})
}

// PlacementBody is an error as Placement writes it.
func PlacementBody(e *Error, request string) (string, []byte) {
	return "application/json", mustJSON(Obj{"errors": List{Obj{
		"status": e.Status, "title": http.StatusText(e.Status), "detail": e.Message, "request_id": request,
	}}})
}

// KeystoneBody is an error as Keystone writes it.
func KeystoneBody(e *Error) (string, []byte) {
	return "application/json", mustJSON(
		Obj{"error": Obj{"code": e.Status, "message": e.Message, "title": http.StatusText(e.Status)}},
	)
}

// WebobBody is an error as the WSGI layer below Glance, Nova and Cinder writes
// it: its form follows Accept.
func WebobBody(e *Error, accept string) (string, []byte) {
	status := fmt.Sprintf("%d %s", e.Status, http.StatusText(e.Status))
	switch {
	case strings.Contains(accept, "application/json"):
		return "application/json", mustJSON(
			Obj{"message": e.Message + "<br /><br />\n\n\n", "code": status, "title": http.StatusText(e.Status)},
		)
	case strings.Contains(accept, "html") || strings.Contains(accept, "*/*"):
		return "text/html; charset=UTF-8", fmt.Appendf(
			nil,
			"<html>\n <head>\n  <title>%s</title>\n </head>\n <body>\n  <h1>%s</h1>\n  %s<br /><br />\n\n\n\n </body>\n</html>",
			status, status, html.EscapeString(e.Message),
		)
	}
	return "text/plain; charset=UTF-8", fmt.Appendf(nil, "%s\n\n%s\n\n   ", status, e.Message)
}
