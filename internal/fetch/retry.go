package fetch

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
)

// retrier counts failures in a row and says how long to pause after each.
type retrier struct {
	Retry
	failed int
	now    func() time.Time
	sleep  func(context.Context, time.Duration) error
	jitter func() float64
}

func newRetrier(r *Request) *retrier {
	t := &retrier{Retry: r.Retry, now: time.Now, sleep: sleep, jitter: rand.Float64}
	if r.hooks.sleep != nil {
		t.sleep = r.hooks.sleep
	}
	return t
}

func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}

// next returns the pause after the failure cause, or an error that gives up.
// after is what the server asked for, 0 for nothing.
func (t *retrier) next(cause error, after time.Duration) (time.Duration, error) {
	t.failed++
	var e *Error
	if t.failed >= t.Attempts {
		if errors.As(cause, &e) && t.failed > 1 {
			c := *e
			c.Msg = strings.TrimSpace(c.Msg)
			if c.err == nil {
				c.Msg += fmt.Sprintf(" (attempt %d, the last)", t.failed)
			} else {
				c.err = fmt.Errorf("%w (attempt %d, the last)", c.err, t.failed)
			}
			return 0, &c
		}
		return 0, cause
	}
	if after > t.AfterMax {
		if errors.As(cause, &e) {
			c := *e
			c.Msg += fmt.Sprintf("; it asks to be left alone for %s, more than the %s allowed", after.Round(time.Second), t.AfterMax)
			c.hint = "a longer wait is allowed by --retry-after-max TIME"
			return 0, &c
		}
		return 0, cause
	}
	d := t.Base << min(t.failed-1, 30)
	if d > t.Max || d <= 0 {
		d = t.Max
	}
	d -= time.Duration(t.jitter() * float64(d) / 2)
	return max(d, after), nil
}

// progress forgets the failures so far.
func (t *retrier) progress() { t.failed = 0 }

// retryableStatus are the answers that may be others the next time: curl's
// --retry, and 425 (RFC 8470).
func retryableStatus(s int) bool {
	switch s {
	case http.StatusRequestTimeout, http.StatusTooEarly, http.StatusTooManyRequests, http.StatusInternalServerError,
		http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return true
	}
	return false
}

// retryAfter reads Retry-After (RFC 9110, 10.2.3): seconds or a date.
func retryAfter(h http.Header, now time.Time) (time.Duration, bool) {
	v := strings.TrimSpace(h.Get("Retry-After"))
	if v == "" {
		return 0, false
	}
	if n, err := strconv.ParseInt(v, 10, 64); err == nil && n >= 0 {
		const year = 365 * 24 * 3600
		return time.Duration(min(n, year)) * time.Second, true
	}
	if t, err := http.ParseTime(v); err == nil {
		return max(t.Sub(now), 0), true
	}
	return 0, false
}

// transient reports whether a failed exchange may succeed the next time.
func transient(err error) bool {
	var dns *net.DNSError
	var cert *tls.CertificateVerificationError
	var unknown x509.UnknownAuthorityError
	var record tls.RecordHeaderError
	var alert tls.AlertError
	switch {
	case errors.As(err, &dns):
		return !dns.IsNotFound
	case errors.As(err, &cert), errors.As(err, &unknown), errors.As(err, &record), errors.As(err, &alert), refusedByTLS(err):
		return false
	}
	s := err.Error()
	return !strings.Contains(s, "unsupported protocol scheme") && !strings.Contains(s, "bad Content-Length") && !strings.Contains(s, "multiple Content-Length")
}

// refusedByTLS reports whether the server has ended the handshake with an
// alert, such as "certificate required"; crypto/tls does not export its type.
func refusedByTLS(err error) bool {
	var op *net.OpError
	return errors.As(err, &op) && op.Op == "remote error"
}

// notSent reports whether a failed request surely never reached the server.
func notSent(err error) bool {
	var op *net.OpError
	return errors.As(err, &op) && op.Op == "dial"
}

// upload is a request's body on its way; it cancels the exchange when nobody
// takes it.
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
