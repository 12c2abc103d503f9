package fetch

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"sync/atomic"
	"time"
)

// exchange ends a request and its answer before their time: by its context,
// also when nothing has moved for too long while that is watched. It serves one
// request after the other, so that a small page costs neither a timer nor a
// context.
type exchange struct {
	ctx    context.Context
	cancel context.CancelCauseFunc
	stall  time.Duration
	timer  *time.Timer
	once   bool // for one request alone
	late   bool // the timer has fired
}

func newExchange(ctx context.Context, stall time.Duration) *exchange {
	x := &exchange{stall: stall}
	x.ctx, x.cancel = context.WithCancelCause(ctx)
	x.timer = time.AfterFunc(stall, func() { x.cancel(errStalled) })
	x.timer.Stop()
	return x
}

// watch begins to wait for something that moves, and rest ends that.
func (x *exchange) watch() { x.timer.Reset(x.stall) }

func (x *exchange) rest() { x.late = !x.timer.Stop() || x.late }

// end is called after an answer was read or given up, and its body closed.
func (x *exchange) end() {
	if x.once {
		x.cancel(nil)
	}
}

// again reports whether the exchange can serve one more request.
func (x *exchange) again() bool { return !x.late && x.ctx.Err() == nil }

// follow makes one attempt, through redirects. last is the call that they led
// to; sent says whether a byte of the request's body was read.
func (c *client) follow(x *exchange, k call) (_ *answer, last call, sent bool, _ error) {
	asked := k.url
	var seen map[string]bool // only redirects can make a loop
	withBody := k.body != nil
	for hop := 0; ; hop++ {
		a, used, err := c.send(x, k, withBody)
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
			return bad("", "the server redirects, but its Location %q is not a URL", clean(loc, 100))
		}
		if to.Scheme != "http" && to.Scheme != "https" {
			return bad("", "redirected to %s, which is not a web address", clean(showURL(to), 200))
		}
		if k.url.Scheme == "https" && to.Scheme == "http" {
			return bad("to accept that, fetch the http URL itself", "redirected from https to the unprotected %s", clean(showURL(to), 200))
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
		if withBody && k.body.once && sent {
			return bad("send it from a file, or to where the redirect leads", "redirected to %s, but the request's body was read from a pipe and cannot be sent twice", clean(showURL(to), 200))
		}
		if k.trusted && !sameOrigin(k.url, to) && !upgraded(k.url, to) {
			if withBody {
				return bad("to accept that, send it there yourself", "redirected, with the request's body, to another host: %s", clean(showURL(to), 200))
			}
			k.trusted = false
		}
		if seen == nil {
			seen = map[string]bool{k.method + " " + k.url.String(): true}
		}
		k.url, k.asked = to, asked
		id := k.method + " " + to.String()
		if seen[id] && !setsCookie(a) {
			return bad("", "the server redirects in a loop, back to %s", clean(showURL(to), 200))
		}
		seen[id] = true
	}
}

// alwaysSent are the caller's headers that go to any host.
var alwaysSent = []string{"Accept", "Accept-Language", "User-Agent", "Content-Type"}

// send makes one exchange.
func (c *client) send(x *exchange, k call, withBody bool) (_ *answer, sent bool, _ error) {
	if c.rate != nil {
		if err := c.rate.Wait(x.ctx); err != nil {
			if x.ctx.Err() == nil {
				// The limiter sees that the deadline is too near.
				err = &Error{Kind: KindTimeout, Op: k.op(), err: context.DeadlineExceeded}
			}
			return nil, false, err
		}
	}
	if withBody {
		// Its sending may go on after the answer.
		x = newExchange(x.ctx, x.stall)
		x.once = true
	}
	fail := func(err error) (*answer, bool, error) {
		if cause := context.Cause(x.ctx); errors.Is(cause, errStalled) {
			err = cause
		}
		x.end()
		return nil, sent, err
	}
	r, err := c.newRequest(x.ctx, k, withBody)
	if err != nil {
		return fail(err)
	}
	var up *upload
	if withBody {
		if up, err = c.addBody(r, k, x.cancel); err != nil {
			return fail(err)
		}
	}
	t := c.away
	if k.trusted {
		t = c.home
	}
	c.meter.requests.Add(1)
	c.traceRequest(r)
	begun := time.Now()
	resp, err := t.RoundTrip(r) //nolint:bodyclose // whoever reads the answer closes it
	if up != nil {
		sent = up.used.Load()
		up.timer.Stop()
	}
	c.traceAnswer(resp, err, begun)
	if err != nil {
		return fail(err)
	}
	if c.jar != nil {
		if cookies := resp.Cookies(); len(cookies) > 0 {
			c.jar.SetCookies(k.url, cookies)
			c.cookies.Store(true)
		}
	}
	return &answer{Response: resp, url: k.url, x: x}, sent, nil
}

// setsCookie reports whether an answer changes the next request by a cookie, so
// that a redirect to the same URL need not be a loop.
func setsCookie(a *answer) bool { return len(a.Header.Values("Set-Cookie")) > 0 }

// commonHeader returns the header that all requests of this kind have. It must
// not be changed.
func (c *client) commonHeader(k call, withBody bool) http.Header {
	kind := headerKind{k.trusted, withBody, k.accept}
	c.mu.Lock()
	defer c.mu.Unlock()
	h := c.headers[kind]
	if h != nil {
		return h
	}
	h = http.Header{"User-Agent": {c.req.UserAgent}}
	if withBody && k.body.Type != "" {
		h.Set("Content-Type", k.body.Type)
	}
	for name, v := range c.req.Header {
		if k.trusted || slices.Contains(alwaysSent, name) && (name != "Content-Type" || withBody) {
			h[name] = v
		}
	}
	if h.Get("Accept-Encoding") == "" {
		h.Set("Accept-Encoding", k.accept)
	}
	if c.headers == nil {
		c.headers = map[headerKind]http.Header{}
	}
	c.headers[kind] = h
	return h
}

// newRequest makes the request of a call, without its body.
func (c *client) newRequest(ctx context.Context, k call, withBody bool) (*http.Request, error) {
	r := c.blank.WithContext(ctx)
	r.Method, r.URL, r.Host = k.method, k.url, k.url.Host
	if v := c.req.Header["Host"]; k.trusted && len(v) > 0 {
		r.Host = v[0]
	}
	r.Header = c.commonHeader(k, withBody)
	var cookies []*http.Cookie
	if c.cookies.Load() {
		cookies = c.jar.Cookies(k.url)
	}
	signed := k.trusted && c.auth != nil
	if k.from > 0 || k.to > 0 || k.ifNoneMatch+k.ifModifiedSince != "" || len(cookies) > 0 || signed {
		r.Header = r.Header.Clone()
	}
	if k.from > 0 || k.to > 0 {
		last := ""
		if k.to > 0 {
			last = strconv.FormatInt(k.to-1, 10)
		}
		r.Header.Set("Range", "bytes="+strconv.FormatInt(k.from, 10)+"-"+last)
		if k.ifRange != "" && !bareTag(k.ifRange) {
			r.Header.Set("If-Range", k.ifRange)
		}
	}
	if k.ifNoneMatch != "" {
		r.Header.Set("If-None-Match", k.ifNoneMatch)
	}
	if k.ifModifiedSince != "" {
		r.Header.Set("If-Modified-Since", k.ifModifiedSince)
	}
	for _, cookie := range cookies {
		r.AddCookie(cookie)
	}
	if signed {
		c.mu.Lock()
		err := c.auth.Authorize(r)
		c.mu.Unlock()
		if err != nil {
			return nil, &Error{Kind: KindAuth, Op: k.op(), Msg: "no credentials", err: err}
		}
	}
	return r, nil
}

// addBody opens the body of a call for its request. A server that reads nothing
// more stalls as much as one that sends nothing.
func (c *client) addBody(r *http.Request, k call, cancel context.CancelCauseFunc) (*upload, error) {
	body, err := k.body.open()
	if err != nil {
		return nil, &Error{Kind: KindUsage, Op: k.op(), Msg: "the request's body", err: err}
	}
	up := &upload{ReadCloser: body, stall: c.req.Timeouts.Stall}
	up.timer = time.AfterFunc(up.stall, func() { cancel(errStalled) })
	r.Body, r.ContentLength = up, k.body.size
	if k.body.size == 0 {
		r.Body = http.NoBody
	}
	return up, nil
}

// upload is a request's body while it is sent; it cancels the exchange when the
// server reads nothing more.
type upload struct {
	io.ReadCloser
	stall time.Duration
	timer *time.Timer
	used  atomic.Bool
}

func (u *upload) Read(p []byte) (int, error) {
	u.timer.Stop() // our own source may take its time
	n, err := u.ReadCloser.Read(p)
	if n > 0 {
		u.used.Store(true)
	}
	if err == nil {
		u.timer.Reset(u.stall)
	}
	return n, err
}

func (u *upload) Close() error {
	u.timer.Stop()
	return u.ReadCloser.Close()
}
