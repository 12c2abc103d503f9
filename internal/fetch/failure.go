package fetch

import (
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net"
	"net/http"
	"strings"
)

// Bounds of the body of an answer that is an error.
const (
	maxErrorShown = 4 << 10
	maxErrorKept  = 1 << 20
)

// statusError makes the error of an answer that is not a success; the server's
// explanation is read from its body.
func (c *client) statusError(k call, a *answer) error {
	e := &Error{Kind: KindHTTP, Op: k.op(), Status: a.StatusCode}
	e.Msg = strings.TrimSpace(fmt.Sprintf("the server answered %d %s", a.StatusCode, http.StatusText(a.StatusCode)))
	limit := int64(maxErrorShown)
	if c.req.FailBody != "" {
		limit = maxErrorKept
	}
	a.x.watch()
	body := errorText(a.Response, limit)
	a.x.rest()
	e.Body = body[:min(len(body), maxErrorShown)]
	if said := serverWords(a.Header.Get("Content-Type"), body); said != "" {
		e.Msg += ": " + said
	}
	switch a.StatusCode {
	case http.StatusUnauthorized, http.StatusForbidden, http.StatusProxyAuthRequired:
		e.Kind = KindAuth
		if c.auth == nil && a.StatusCode == http.StatusUnauthorized {
			e.hint = "no credentials were sent; see --bearer, --user, --netrc and --config"
		}
		if !k.trusted {
			e.hint = "credentials are sent only to the host of the URL that was given"
		}
	}
	if err := c.keepBody(body); err != nil {
		e.hint = err.Error()
	}
	return e
}

// keepBody writes the body of an error to the file asked for.
func (c *client) keepBody(body []byte) error {
	if c.req.FailBody == "" {
		return nil
	}
	f, err := osFiles{}.create(c.req.FailBody, newMode, false)
	if err != nil {
		return diskError(c.req.FailBody, err)
	}
	_, err = f.Write(body)
	return diskError(c.req.FailBody, errors.Join(err, f.Close()))
}

// errorText reads the beginning of an error's body, which may be compressed
// since we ask for that.
func errorText(r *http.Response, limit int64) []byte {
	in := io.LimitReader(r.Body, limit)
	if how, _ := coding(r.Header); how != codingNone {
		var d decoder
		defer d.close()
		decoded, err := d.reset(how, in)
		if err != nil {
			return nil
		}
		in = decoded
	}
	text, _ := io.ReadAll(io.LimitReader(in, limit))
	return text
}

// serverWords extracts the message for users from the body of an error.
func serverWords(contentType string, body []byte) string {
	media, _, _ := mime.ParseMediaType(contentType)
	if media == "application/json" || strings.HasSuffix(media, "+json") || len(body) > 0 && body[0] == '{' {
		var v any
		if json.Unmarshal(body, &v) == nil {
			return clean(findMessage(v, 3), 300)
		}
		return ""
	}
	if media == "text/plain" || media == "" {
		return clean(string(body), 300)
	}
	return ""
}

// findMessage looks for a message in the shapes that APIs use: {"message": …},
// {"error": {"message": …}}, {"itemNotFound": {"message": …}}, {"errors": […]}.
func findMessage(v any, depth int) string {
	switch v := v.(type) {
	case string:
		return v
	case []any:
		if len(v) > 0 && depth > 0 {
			return findMessage(v[0], depth-1)
		}
	case map[string]any:
		for _, k := range []string{"message", "msg", "detail", "error_description", "error", "errors", "reason", "faultstring", "title"} {
			if e, ok := v[k]; ok && depth > 0 {
				if m := findMessage(e, depth-1); m != "" {
					return m
				}
			}
		}
		if len(v) == 1 && depth > 0 {
			for _, e := range v {
				if _, ok := e.(map[string]any); ok {
					return findMessage(e, depth-1)
				}
			}
		}
	}
	return ""
}

// networkError wraps what the transport returned.
func (c *client) networkError(k call, err error) error {
	e := &Error{Kind: KindNetwork, Op: k.op(), err: err}
	var dns *net.DNSError
	var cert *tls.CertificateVerificationError
	var op *net.OpError
	var timeout interface{ Timeout() bool }
	switch {
	case errors.Is(err, errStalled):
		e.Kind, e.err, e.Msg = KindTimeout, nil, fmt.Sprintf("nothing was sent or received for %s", c.req.Timeouts.Stall)
		e.hint = "allow more time with --timeout stall=TIME"
	case errors.As(err, &dns) && dns.IsNotFound:
		e.err, e.Msg = nil, fmt.Sprintf("host %q not found", dns.Name)
	case errors.As(err, &cert):
		e.Msg = "the server's certificate is not accepted"
		e.hint = "trust a private authority with --cacert FILE"
	case errors.As(err, &op) && op.Op == "remote error": // an alert that ended the TLS handshake
		e.Msg = "the server refuses the connection"
		if c.req.TLS.Cert == "" && strings.Contains(err.Error(), "certificate") {
			e.hint = "send a client certificate with --cert FILE"
		}
	case errors.As(err, &timeout) && timeout.Timeout():
		e.Kind = KindTimeout
		if strings.Contains(err.Error(), "awaiting response headers") {
			e.err, e.Msg = nil, fmt.Sprintf("no answer within %s", c.req.Timeouts.FirstByte)
			e.hint = "allow more time with --timeout first-byte=TIME"
		} else {
			e.Msg = fmt.Sprintf("no connection within %s", c.req.Timeouts.Connect)
			e.hint = "allow more time with --timeout connect=TIME"
		}
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		e.err, e.Msg = nil, "the server closed the connection without an answer"
	}
	return e
}
