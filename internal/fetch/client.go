package fetch

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"

	"github.com/galleyhq/galley/internal/retry"
)

const (
	maxRedirects = 10
	// drainLimit is how much of an unwanted body is read to keep its
	// connection.
	drainLimit = 64 << 10
	// maxNotReady bounds how often an answer that is still being prepared (202)
	// is asked for again.
	maxNotReady = 1000
)

// client sends requests: with credentials where they belong, through
// redirects, and again where that helps.
type client struct {
	ctx   context.Context
	req   *Request
	auth  Authorizer
	home  *http.Transport
	away  *http.Transport // without the client's certificate
	owned bool            // the transports are of this fetch alone
	jar   *cookiejar.Jar
	// cookies: the jar has some.
	cookies atomic.Bool
	// mu guards headers, and the calls of auth.
	mu      sync.Mutex
	headers map[headerKind]http.Header
	rate    *rate.Limiter // of requests, nil for none
	bytes   *rate.Limiter
	meter   *Meter
	notify  func(format string, args ...any)
	policy  retry.Policy
	// failed counts failures in a row, of whatever request.
	failed *retry.Attempts
	own    *exchange     // of the requests that are made in turn
	blank  *http.Request // each request is a copy of it
}

// headerKind says which of the common headers a request has.
type headerKind struct {
	trusted, withBody bool
	accept            string
}

func newClient(ctx context.Context, r *Request, auth Authorizer, m *Meter, notify func(string, ...any)) (*client, error) {
	c := &client{ctx: ctx, req: r, auth: auth, meter: m, notify: notify}
	if !r.NoCookies {
		c.jar, _ = cookiejar.New(nil) // fails never
	}
	var err error
	if c.blank, err = http.NewRequestWithContext(ctx, r.Method, "", nil); err != nil {
		return nil, &Error{Kind: KindUsage, err: err}
	}
	if err := c.connectBy(r.Shared); err != nil {
		return nil, err
	}
	c.policy = retry.Policy{Attempts: r.Retry.Attempts, First: r.Retry.Base, Max: r.Retry.Max, LongestAfter: r.Retry.AfterMax, Clock: r.hooks.clock}
	c.failed = c.policy.Start()
	return c, nil
}

func (c *client) close() {
	if c.own != nil {
		c.own.cancel(nil)
	}
	if c.owned {
		c.home.CloseIdleConnections()
		c.away.CloseIdleConnections()
	}
}

// progress forgets the failures so far.
func (c *client) progress() { c.failed.Reset() }

// call is one request to make.
type call struct {
	method  string
	url     *url.URL
	body    *Body
	accept  string // Accept-Encoding
	from    int64  // Range from this byte on; 0 for all
	to      int64  // and up to this one, exclusively; 0 for the end
	ifRange string
	// Conditions of a fetch that need not be.
	ifNoneMatch, ifModifiedSince string
	// trusted: credentials and all headers go with it.
	trusted bool
	// asked is the URL that redirects have led away from, nil without any.
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
	url *url.URL // after redirects
	x   *exchange
}

func (a *answer) close() {
	// A short rest is read so that the connection can serve again.
	if a.ContentLength >= 0 && a.ContentLength <= drainLimit {
		_, _ = io.CopyN(io.Discard, a.Body, drainLimit)
	}
	a.Body.Close()
	a.x.end()
}

var (
	errStalled = errors.New("stalled")
	errTooSlow = errors.New("too slow")
	errMaxTime = errors.New("the time allowed for the whole fetch is over (--max-time)")
)

// do makes a call, repeating it as the retry policy says, and returns an answer
// of success, 304 to a condition, or 416 if a range was asked for.
func (c *client) do(k call) (*answer, error) {
	refreshed := false
	for notReady := 0; ; {
		if c.own == nil || !c.own.again() {
			c.own = newExchange(c.ctx, c.req.Timeouts.Stall)
		}
		a, last, sent, err := c.follow(c.own, k)
		if err != nil {
			if err = c.afterNoAnswer(k, last, sent, err); err != nil {
				return nil, err
			}
			continue
		}
		if s := a.StatusCode; s >= 200 && s <= 299 && s != http.StatusAccepted {
			return a, nil
		}
		after, asked := c.pauseAskedBy(a)
		switch s := a.StatusCode; {
		case s == http.StatusAccepted && asked && idempotent(k.method) && notReady < maxNotReady:
			notReady++
			a.close()
			if err := c.wait(max(after, time.Second), "the server is still preparing its answer (202)"); err != nil {
				return nil, err
			}
			continue
		case s == http.StatusAccepted, s == http.StatusRequestedRangeNotSatisfiable && k.from > 0,
			s == http.StatusNotModified && k.ifNoneMatch+k.ifModifiedSince != "":
			return a, nil
		case s == http.StatusUnauthorized && !refreshed && k.trusted && c.refresher() != nil && repeatable(k, sent):
			a.close()
			c.mu.Lock()
			err := c.refresher().Refresh(c.ctx)
			c.mu.Unlock()
			if err != nil {
				return nil, &Error{Kind: KindAuth, Op: k.op(), Status: s, Msg: "the credentials could not be renewed", err: err}
			}
			refreshed = true
			continue
		}
		err = c.statusError(last, a)
		limited := rateLimited(a, asked)
		again := (retry.Status(a.StatusCode) || limited) && repeatable(k, sent) &&
			(idempotent(k.method) || c.req.Retry.Unsafe || limited || a.StatusCode == http.StatusServiceUnavailable && asked)
		a.close()
		if !again {
			return nil, err
		}
		if err := c.pause(err, after); err != nil {
			return nil, err
		}
	}
}

// afterNoAnswer pauses after a request without an answer, or returns its error
// if it is not to be repeated.
func (c *client) afterNoAnswer(k, last call, sent bool, err error) error {
	if c.ctx.Err() != nil {
		return stopped(c.ctx, k.op())
	}
	var own *Error
	if errors.As(err, &own) {
		return err
	}
	failure := c.networkError(last, err)
	if !retry.Transient(err) || !repeatable(k, sent) || !idempotent(k.method) && !c.req.Retry.Unsafe && !retry.NotSent(err) {
		return failure
	}
	return c.pause(failure, 0)
}

// rateLimited reports whether an answer says that requests come too fast: 429,
// or 403 with a pause, as GitHub does.
func rateLimited(a *answer, asked bool) bool {
	return a.StatusCode == http.StatusTooManyRequests || a.StatusCode == http.StatusForbidden && asked
}

// pauseAskedBy returns the pause that an answer asks for.
func (c *client) pauseAskedBy(a *answer) (time.Duration, bool) {
	now := c.now()
	if d, ok := retry.After(a.Header, now); ok {
		return d, true
	}
	if a.StatusCode != http.StatusTooManyRequests {
		return 0, false
	}
	// The status says already that nothing remains.
	h := a.Header.Clone()
	for _, name := range []string{"X-Ratelimit-Remaining", "X-Rate-Limit-Remaining", "Ratelimit-Remaining"} {
		h.Set(name, "0")
	}
	return retry.After(h, now)
}

func (c *client) now() time.Time {
	if c.policy.Clock != nil {
		return c.policy.Clock.Now()
	}
	return time.Now()
}

func (c *client) refresher() Refresher {
	r, _ := c.auth.(Refresher)
	return r
}

// repeatable reports whether the request's body can be sent (again).
func repeatable(k call, sent bool) bool { return k.body == nil || !k.body.once || !sent }

// mayRepeat reports whether a request whose answer broke off may be sent again.
func (c *client) mayRepeat(k call) bool {
	return repeatable(k, true) && (idempotent(k.method) || c.req.Retry.Unsafe)
}

// pause waits before a repetition, or returns cause if there is to be none.
func (c *client) pause(cause error, after time.Duration) error {
	p, err := c.failed.Next(cause, after)
	if err != nil {
		return c.lastFailure(err)
	}
	c.meter.retries.Add(1)
	why := fmt.Sprintf("%v; attempt %d of %d", cause, p.Attempt+1, c.req.Retry.Attempts)
	return c.wait(p.For, why)
}

// lastFailure is the error of a request that is not repeated any more.
func (c *client) lastFailure(err error) error {
	var long *retry.TooLongError
	var e *Error
	if errors.As(err, &long) && errors.As(long.Err, &e) {
		copied := *e
		copied.Msg += fmt.Sprintf("; it asks for a pause of %s, more than the %s allowed", long.After.Round(time.Second), long.Longest)
		copied.hint = "allow a longer pause with --retry-after-max TIME"
		return &copied
	}
	if n := c.failed.Failed(); n > 1 && errors.As(err, &e) {
		copied := *e
		if copied.err == nil {
			copied.Msg += fmt.Sprintf(" (attempt %d, the last)", n)
		} else {
			copied.err = fmt.Errorf("%w (attempt %d, the last)", copied.err, n)
		}
		return &copied
	}
	return err
}

// wait waits and says why, to the meter and as a notice.
func (c *client) wait(d time.Duration, why string) error {
	if d > c.req.Retry.AfterMax && d > c.req.Retry.Max {
		return &Error{Kind: KindHTTP, Msg: fmt.Sprintf("%s, for %s more, which is longer than the %s allowed", why, d.Round(time.Second), c.req.Retry.AfterMax), hint: "allow a longer pause with --retry-after-max TIME"}
	}
	shown := d.Round(10 * time.Millisecond)
	until := ""
	if d >= 10*time.Second {
		shown = d.Round(time.Second)
		until = " (until " + time.Now().Add(d).Format(time.TimeOnly) + ")"
	}
	c.notify("waiting %s%s: %s", shown, until, why)
	c.meter.wait(fmt.Sprintf("waiting %s (%s)", shown, why))
	defer c.meter.wait("")
	sleep := retry.Sleep
	if c.policy.Clock != nil {
		sleep = c.policy.Clock.Sleep
	}
	if sleep(c.ctx, d) != nil {
		return stopped(c.ctx, "")
	}
	return nil
}

// stopped is the error of a fetch whose context has ended.
func stopped(ctx context.Context, op string) error {
	cause := context.Cause(ctx)
	kind := KindNetwork
	if errors.Is(cause, errMaxTime) {
		kind = KindTimeout
	}
	return &Error{Kind: kind, Op: op, err: cause}
}
