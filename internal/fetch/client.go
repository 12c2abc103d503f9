package fetch

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/time/rate"
)

const (
	maxRedirects = 10
	// drainLimit is how much of an unwanted body is read to keep its
	// connection.
	drainLimit = 64 << 10
)

// client sends requests: with credentials where they belong, through
// redirects, and again where that helps.
type client struct {
	req    *Request
	auth   Authorizer
	origin *url.URL // whose requests carry credentials
	home   *http.Transport
	away   *http.Transport // without our certificate
	rate   *rate.Limiter
	retry  *retrier
	meter  *Meter
}

func newClient(r *Request, auth Authorizer, origin *url.URL, m *Meter) (*client, error) {
	conf := &tls.Config{MinVersion: tls.VersionTLS12, InsecureSkipVerify: r.TLS.Insecure}
	if r.TLS.CACert != "" {
		pool, err := x509.SystemCertPool()
		if err != nil {
			pool = x509.NewCertPool()
		}
		pem, err := os.ReadFile(r.TLS.CACert)
		if err != nil {
			return nil, &Error{Kind: KindUsage, Msg: "the file of certificate authorities", err: err}
		}
		if !pool.AppendCertsFromPEM(pem) {
			return nil, usage("%s holds no certificate", r.TLS.CACert)
		}
		conf.RootCAs = pool
	}
	proxy := r.Proxy
	if proxy == nil {
		proxy = http.ProxyFromEnvironment
	}
	t := r.Timeouts
	dialer := &net.Dialer{Timeout: t.Connect, KeepAlive: 30 * time.Second}
	make1 := func(c *tls.Config) *http.Transport {
		tr := &http.Transport{
			Proxy: proxy, DialContext: dialer.DialContext, TLSClientConfig: c, TLSHandshakeTimeout: t.Connect,
			ResponseHeaderTimeout: t.FirstByte, ForceAttemptHTTP2: !r.HTTP1, MaxIdleConnsPerHost: 2, IdleConnTimeout: 90 * time.Second,
			ExpectContinueTimeout: time.Second, MaxResponseHeaderBytes: 1 << 20, ReadBufferSize: 64 << 10,
			// The library would inflate silently and lose the length.
			DisableCompression: true,
		}
		if r.HTTP1 {
			tr.Protocols = new(http.Protocols)
			tr.Protocols.SetHTTP1(true)
		}
		return tr
	}
	c := &client{req: r, auth: auth, origin: origin, meter: m, away: make1(conf)}
	c.home = c.away
	if r.TLS.Cert == "" && r.TLS.Key != "" {
		return nil, usage("the key %s goes with a certificate, and none is given", r.TLS.Key)
	}
	if r.TLS.Cert != "" {
		key := r.TLS.Key
		if key == "" {
			key = r.TLS.Cert
		}
		pair, err := tls.LoadX509KeyPair(r.TLS.Cert, key)
		if err != nil {
			return nil, &Error{Kind: KindUsage, Msg: "the client certificate", err: err}
		}
		own := conf.Clone()
		own.Certificates = []tls.Certificate{pair}
		c.home = make1(own)
	}
	if n := r.Limits.RequestsPerSecond; n > 0 {
		c.rate = rate.NewLimiter(rate.Limit(n), 1)
	}
	c.retry = newRetrier(r)
	return c, nil
}

func (c *client) close() {
	c.home.CloseIdleConnections()
	c.away.CloseIdleConnections()
}

// call is one request to make.
type call struct {
	method  string
	url     *url.URL
	accept  string // Accept-Encoding
	from    int64  // Range from this byte on; 0 for all
	ifRange string
	// trusted: credentials and all headers go with it.
	trusted bool
	// asked is what was asked for, if redirects have led from there to url.
	asked *url.URL
}

func (k call) op() string {
	if k.asked != nil {
		return k.method + " " + showURL(k.url) + ", redirected from " + showURL(k.asked)
	}
	return k.method + " " + showURL(k.url)
}

// answer is a response whose body is still to be read. Its close ends the
// exchange.
type answer struct {
	*http.Response
	url    *url.URL // after redirects
	ctx    context.Context
	cancel context.CancelCauseFunc
}

func (a *answer) close() {
	// A short rest is read so that the connection can serve again.
	if a.ContentLength >= 0 && a.ContentLength <= drainLimit {
		_, _ = io.CopyN(io.Discard, a.Body, drainLimit)
	}
	a.Body.Close()
	a.cancel(nil)
}

var errStalled = errors.New("stalled")

// do makes a call, repeating it as the retry policy says, and returns an
// answer of success, or 416 if a range was asked for.
func (c *client) do(ctx context.Context, k call) (*answer, error) {
	refreshed := false
	for {
		a, last, sent, err := c.follow(ctx, k)
		if err == nil {
			switch s := a.StatusCode; {
			case s >= 200 && s <= 299, s == http.StatusRequestedRangeNotSatisfiable && k.from > 0:
				return a, nil
			case s == http.StatusUnauthorized && !refreshed && k.trusted && c.refresher() != nil && c.repeatable(sent):
				a.close()
				if err := c.refresher().Refresh(ctx); err != nil {
					return nil, &Error{Kind: KindAuth, Op: k.op(), Status: s, Msg: "the credentials could not be renewed", err: err}
				}
				refreshed = true
				continue
			}
			err = c.statusError(last, a)
			after, given := retryAfter(a.Header, c.retry.now())
			retry := retryableStatus(a.StatusCode) && c.repeatable(sent) &&
				(idempotent(k.method) || c.req.Retry.Unsafe || a.StatusCode == http.StatusTooManyRequests || a.StatusCode == http.StatusServiceUnavailable && given)
			a.close()
			if !retry {
				return nil, err
			}
			if err := c.pause(ctx, err, after); err != nil {
				return nil, err
			}
			continue
		}
		var own *Error
		if ctx.Err() != nil {
			return nil, stopped(ctx, k.op())
		}
		if errors.As(err, &own) {
			return nil, err
		}
		werr := c.networkError(last, err)
		if !transient(err) || !c.repeatable(sent) || !idempotent(k.method) && !c.req.Retry.Unsafe && !notSent(err) {
			return nil, werr
		}
		if err := c.pause(ctx, werr, 0); err != nil {
			return nil, err
		}
	}
}

func (c *client) refresher() Refresher {
	r, _ := c.auth.(Refresher)
	return r
}

// repeatable reports whether the request's body can be sent (again).
func (c *client) repeatable(sent bool) bool {
	return c.req.Body == nil || !c.req.Body.once || !sent
}

// pause waits before a repetition, or returns cause if there is to be none.
func (c *client) pause(ctx context.Context, cause error, after time.Duration) error {
	d, err := c.retry.next(cause, after)
	if err != nil {
		return err
	}
	c.meter.retries.Add(1)
	c.meter.wait(fmt.Sprintf("retry in %s (%v)", d.Round(100*time.Millisecond), cause))
	defer c.meter.wait("")
	if c.retry.sleep(ctx, d) != nil {
		return stopped(ctx, "")
	}
	return nil
}

// stopped is the error of a fetch whose context has ended.
func stopped(ctx context.Context, op string) error {
	return &Error{Kind: KindNetwork, Op: op, err: context.Cause(ctx)}
}

// follow makes one attempt, through redirects. last is the call they have led
// to; sent says whether a byte of the request's body was read.
func (c *client) follow(ctx context.Context, k call) (_ *answer, last call, sent bool, _ error) {
	asked := k.url
	seen := map[string]bool{k.method + " " + k.url.String(): true}
	withBody := c.req.Body != nil
	for hop := 0; ; hop++ {
		a, used, err := c.send(ctx, k, withBody)
		sent = sent || used
		if err != nil {
			return nil, k, sent, err
		}
		switch a.StatusCode {
		case http.StatusMovedPermanently, http.StatusFound, http.StatusSeeOther, http.StatusTemporaryRedirect, http.StatusPermanentRedirect:
		default:
			a.url = k.url
			return a, k, sent, nil
		}
		loc := a.Header.Get("Location")
		a.close()
		bad := func(hint, format string, args ...any) (*answer, call, bool, error) {
			return nil, k, sent, &Error{Kind: KindRedirect, Op: k.op(), Status: a.StatusCode, Msg: fmt.Sprintf(format, args...), hint: hint}
		}
		to, err := k.url.Parse(loc)
		if loc == "" || err != nil {
			return bad("", "the server redirects, but its Location %q is no URL", clean(loc, 100))
		}
		if to.Scheme != "http" && to.Scheme != "https" {
			return bad("", "redirected to %s, which is no web address", clean(showURL(to), 200))
		}
		if k.url.Scheme == "https" && to.Scheme == "http" {
			return bad("if that is what you want, fetch the http URL itself", "redirected from https to the unprotected %s", clean(showURL(to), 200))
		}
		if hop+1 > maxRedirects {
			return bad("", "more than %d redirects", maxRedirects)
		}
		if s := a.StatusCode; (s == http.StatusSeeOther || s <= http.StatusFound && k.method == http.MethodPost) && k.method != http.MethodGet {
			k.method, withBody = http.MethodGet, false
		}
		if to.User != nil {
			// Credentials are ours to give, not the server's.
			to.User = nil
		}
		if withBody && c.req.Body.once && sent {
			return bad("send it from a file, or to where the redirect leads", "redirected to %s, but the request's body was read from a pipe and cannot be sent twice", clean(showURL(to), 200))
		}
		if k.trusted && !sameOrigin(k.url, to) && !upgraded(k.url, to) {
			if withBody {
				return bad("if that is what you want, send it there yourself", "redirected, with the request's body, to another host: %s", clean(showURL(to), 200))
			}
			k.trusted = false
		}
		k.url, k.asked = to, asked
		if id := k.method + " " + to.String(); seen[id] {
			return bad("", "the server redirects in a loop, back to %s", clean(showURL(to), 200))
		} else {
			seen[id] = true
		}
	}
}

// alwaysSent are the caller's headers that go to any host.
var alwaysSent = []string{"Accept", "Accept-Language", "User-Agent", "Content-Type"}

// send makes one exchange.
func (c *client) send(ctx context.Context, k call, withBody bool) (_ *answer, sent bool, _ error) {
	if c.rate != nil {
		if err := c.rate.Wait(ctx); err != nil {
			if ctx.Err() == nil {
				// It knows as well when the deadline is too near.
				err = &Error{Kind: KindTimeout, Op: k.op(), err: context.DeadlineExceeded}
			}
			return nil, false, err
		}
	}
	ctx, cancel := context.WithCancelCause(ctx)
	fail := func(err error) (*answer, bool, error) {
		if cause := context.Cause(ctx); errors.Is(cause, errStalled) {
			err = cause
		}
		cancel(nil)
		return nil, sent, err
	}
	r, err := http.NewRequestWithContext(ctx, k.method, k.url.String(), nil)
	if err != nil {
		return fail(&Error{Kind: KindUsage, Op: k.op(), err: err})
	}
	r.Header.Set("User-Agent", c.req.UserAgent)
	if withBody && c.req.Body.Type != "" {
		r.Header.Set("Content-Type", c.req.Body.Type)
	}
	for name, v := range c.req.Header {
		if k.trusted {
			r.Header[name] = v
			if name == "Host" && len(v) > 0 {
				r.Host = v[0]
			}
		}
	}
	if !k.trusted {
		for _, name := range alwaysSent {
			if v := c.req.Header[name]; v != nil && (name != "Content-Type" || withBody) {
				r.Header[name] = v
			}
		}
	}
	if r.Header.Get("Accept-Encoding") == "" {
		r.Header.Set("Accept-Encoding", k.accept)
	}
	if k.from > 0 {
		r.Header.Set("Range", "bytes="+strconv.FormatInt(k.from, 10)+"-")
		if k.ifRange != "" && !bareTag(k.ifRange) {
			r.Header.Set("If-Range", k.ifRange)
		}
	}
	if k.trusted && c.auth != nil {
		if err := c.auth.Authorize(r); err != nil {
			return fail(&Error{Kind: KindAuth, Op: k.op(), Msg: "no credentials", err: err})
		}
	}
	var up *upload
	if withBody {
		body, err := c.req.Body.open()
		if err != nil {
			return fail(&Error{Kind: KindUsage, Op: k.op(), Msg: "the request's body", err: err})
		}
		// A server that takes nothing more stalls as much as one that sends
		// nothing.
		up = &upload{ReadCloser: body, stall: c.req.Timeouts.Stall}
		up.timer = time.AfterFunc(up.stall, func() { cancel(errStalled) })
		r.Body, r.ContentLength = up, c.req.Body.size
		if c.req.Body.size == 0 {
			r.Body = http.NoBody
		}
	}
	t := c.away
	if k.trusted {
		t = c.home
	}
	c.meter.requests.Add(1)
	resp, err := t.RoundTrip(r)
	if up != nil {
		sent = up.used.Load()
		up.timer.Stop()
	}
	if err != nil {
		return fail(err)
	}
	return &answer{Response: resp, url: k.url, ctx: ctx, cancel: cancel}, sent, nil
}

// statusError makes the error of an answer that is no success; what the server
// says about it is read from the body.
func (c *client) statusError(k call, a *answer) error {
	e := &Error{Kind: KindHTTP, Op: k.op(), Status: a.StatusCode}
	e.Msg = fmt.Sprintf("the server answered %d %s", a.StatusCode, http.StatusText(a.StatusCode))
	stall := time.AfterFunc(c.req.Timeouts.Stall, func() { a.cancel(errStalled) })
	text := errorText(a.Response)
	stall.Stop()
	if said := serverWords(a.Header.Get("Content-Type"), text); said != "" {
		e.Msg += ": " + said
	}
	switch a.StatusCode {
	case http.StatusUnauthorized, http.StatusForbidden, http.StatusProxyAuthRequired:
		e.Kind = KindAuth
		if c.auth == nil && a.StatusCode == http.StatusUnauthorized {
			e.hint = "no credentials were sent; see --bearer, --user, --netrc and --config"
		}
		if !k.trusted {
			e.hint = "credentials are not sent to another host than the one that was asked for"
		}
	}
	return e
}

// errorText reads the beginning of an error's body, which may be compressed
// since we ask for that.
func errorText(r *http.Response) []byte {
	const limit = 8 << 10
	in := io.LimitReader(r.Body, limit)
	if how, err := coding(r.Header); err == nil && how != codingNone {
		var d decoder
		defer d.close()
		if in, err = d.reset(how, in); err != nil {
			return nil
		}
	}
	text, _ := io.ReadAll(io.LimitReader(in, limit))
	return text
}

// serverWords extracts from the body of an error what a person would read.
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
		for _, k := range []string{"message", "detail", "error_description", "error", "errors", "faultstring", "title"} {
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
	var timeout interface{ Timeout() bool }
	switch {
	case errors.Is(err, errStalled):
		e.Kind, e.err, e.Msg = KindTimeout, nil, fmt.Sprintf("nothing moved for %s", c.req.Timeouts.Stall)
		e.hint = "a longer wait is allowed by --timeout stall=TIME"
	case errors.As(err, &dns) && dns.IsNotFound:
		e.err, e.Msg = nil, fmt.Sprintf("there is no host %q", dns.Name)
	case errors.As(err, &cert):
		e.Msg = "the server's certificate"
		e.hint = "a private authority is trusted by --cacert FILE"
	case refusedByTLS(err):
		e.Msg = "the server refuses the connection"
		if c.req.TLS.Cert == "" && strings.Contains(err.Error(), "certificate") {
			e.hint = "a client certificate is shown by --cert FILE, to the first URL's host alone"
		}
	case errors.As(err, &timeout) && timeout.Timeout():
		e.Kind = KindTimeout
		if strings.Contains(err.Error(), "awaiting response headers") {
			e.err, e.Msg = nil, fmt.Sprintf("no answer within %s", c.req.Timeouts.FirstByte)
			e.hint = "a longer wait is allowed by --timeout first-byte=TIME"
		} else {
			e.Msg = fmt.Sprintf("no connection within %s", c.req.Timeouts.Connect)
			e.hint = "a longer wait is allowed by --timeout connect=TIME"
		}
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		e.err, e.Msg = nil, "the server closed the connection without an answer"
	}
	return e
}

// ParseProxy reads a proxy's URL (http, https, socks5 or socks5h) into a value
// of Request.Proxy; "" is for none, whatever the environment says.
func ParseProxy(s string) (func(*http.Request) (*url.URL, error), error) {
	if s == "" {
		return http.ProxyURL(nil), nil
	}
	if !strings.Contains(s, "://") {
		s = "http://" + s
	}
	u, err := url.Parse(s)
	if err != nil || u.Host == "" || !slices.Contains([]string{"http", "https", "socks5", "socks5h"}, u.Scheme) {
		return nil, usage("the proxy is no URL of http, https or socks5")
	}
	return http.ProxyURL(u), nil
}

func idempotent(method string) bool {
	switch method {
	case http.MethodGet, http.MethodHead, http.MethodPut, http.MethodDelete, http.MethodOptions, http.MethodTrace, "PROPFIND", "REPORT", "SEARCH", "QUERY":
		return true
	}
	return false
}

// sameOrigin compares scheme, host and port (RFC 6454).
func sameOrigin(a, b *url.URL) bool {
	return strings.EqualFold(a.Scheme, b.Scheme) && strings.EqualFold(a.Hostname(), b.Hostname()) && port(a) == port(b)
}

// upgraded reports whether b is a's host at the usual port of https where a is
// at that of http.
func upgraded(a, b *url.URL) bool {
	return a.Scheme == "http" && b.Scheme == "https" && strings.EqualFold(a.Hostname(), b.Hostname()) && port(a) == "80" && port(b) == "443"
}

func port(u *url.URL) string {
	if p := u.Port(); p != "" {
		return p
	}
	if u.Scheme == "https" {
		return "443"
	}
	return "80"
}
