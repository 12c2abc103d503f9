package fetch

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/galleyhq/galley/internal/secret"
)

// traceRequest describes a request to Request.Trace.
func (c *client) traceRequest(r *http.Request) {
	if c.req.Trace == nil {
		return
	}
	c.req.Trace("> " + r.Method + " " + showURL(r.URL))
	c.traceHeader("> ", r.Header)
}

// traceAnswer describes an answer, or the lack of one.
func (c *client) traceAnswer(a *http.Response, err error, begun time.Time) {
	if c.req.Trace == nil {
		return
	}
	took := time.Since(begun).Round(time.Millisecond)
	if err != nil {
		c.req.Trace(fmt.Sprintf("< no answer after %s: %s", took, plainError(err)))
		return
	}
	c.req.Trace(fmt.Sprintf("< %s %s (after %s)", a.Proto, clean(a.Status, 100), took))
	c.traceHeader("< ", a.Header)
}

func (c *client) traceHeader(prefix string, h http.Header) {
	for _, name := range slices.Sorted(maps.Keys(h)) {
		for _, v := range h[name] {
			if secretHeader(name) && v != "" {
				v = secret.Redacted
			}
			c.req.Trace(prefix + clean(name, 80) + ": " + clean(secret.HideURLs(v), 200))
		}
	}
}

// secretHeader reports whether a header's value is a secret by its name.
func secretHeader(name string) bool {
	switch http.CanonicalHeaderKey(name) {
	case "Authorization", "Proxy-Authorization", "Cookie", "Set-Cookie", "X-Api-Key", "Apikey", "Api-Key":
		return true
	}
	return secret.IsName(name) || strings.HasSuffix(strings.ToLower(name), "-key")
}
