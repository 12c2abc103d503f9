package retry

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"math"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// Status reports whether a status code says that the same request may succeed
// later: 408, 425 (RFC 8470), 429, 500, 502, 503, 504, and 520 to 529, which
// proxies use for a server behind them that is down.
func Status(code int) bool {
	switch code {
	case http.StatusRequestTimeout, http.StatusTooEarly, http.StatusTooManyRequests, http.StatusInternalServerError,
		http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return true
	}
	return code >= 520 && code <= 529
}

// After returns the pause that an answer asks for: Retry-After in seconds
// (also with a fraction or a unit), as an HTTP or ISO 8601 date or as seconds since
// 1970; else, where the quota of requests is used up, the rate limit headers
// (x-ratelimit-reset, x-rate-limit-reset, ratelimit-reset, ratelimit). It
// returns false where the answer asks for nothing.
func After(h http.Header, now time.Time) (time.Duration, bool) {
	if d, ok := moment(h.Get("Retry-After"), now); ok {
		return d, true
	}
	for _, name := range []string{"X-Ratelimit-", "X-Rate-Limit-", "Ratelimit-"} {
		if strings.TrimSpace(h.Get(name+"Remaining")) == "0" {
			if d, ok := moment(h.Get(name+"Reset"), now); ok {
				return d, true
			}
		}
	}
	return draftRateLimit(h.Get("Ratelimit"), now)
}

// longestPause keeps absurd values from overflowing.
const longestPause = 366 * 24 * time.Hour

// moment reads a number of seconds, seconds since 1970, or a date.
func moment(value string, now time.Time) (time.Duration, bool) {
	value = strings.TrimSpace(value)
	if value == "" {
		return 0, false
	}
	if n, err := strconv.ParseFloat(value, 64); err == nil {
		// More than thirty years of seconds is a point in time, and so is its
		// thousandfold in milliseconds.
		if n > 1e12 {
			n /= 1000
		}
		if n > 1e9 {
			n -= float64(now.UnixNano()) / 1e9
		}
		if math.IsNaN(n) {
			return 0, false
		}
		return time.Duration(min(max(n, 0), longestPause.Seconds()) * float64(time.Second)), true
	}
	if t, err := http.ParseTime(value); err == nil {
		return between(t, now), true
	}
	if d, err := time.ParseDuration(value); err == nil { // "2s", against RFC 9110
		return min(max(d, 0), longestPause), true
	}
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02T15:04:05", "2006-01-02 15:04:05Z07:00", "2006-01-02 15:04:05"} {
		if t, err := time.Parse(layout, value); err == nil {
			return between(t, now), true
		}
	}
	return 0, false
}

func between(t, now time.Time) time.Duration {
	return min(max(t.Sub(now), 0), longestPause)
}

// draftRateLimit reads the header of the IETF draft (ratelimit-headers):
// `limit=10, remaining=0, reset=7`, or `"default";r=0;t=7`.
func draftRateLimit(value string, now time.Time) (time.Duration, bool) {
	used, reset := false, ""
	for field := range strings.FieldsFuncSeq(value, func(r rune) bool { return r == ',' || r == ';' || r == ' ' }) {
		name, v, _ := strings.Cut(field, "=")
		switch strings.ToLower(name) {
		case "remaining", "r":
			used = v == "0"
		case "reset", "t":
			reset = v
		}
	}
	if !used {
		return 0, false
	}
	return moment(reset, now)
}

// Transient reports whether a request that got no answer may succeed the next
// time. Unknown hosts, certificates that are not trusted, refused handshakes
// and malformed requests do not.
func Transient(err error) bool {
	var (
		dns     *net.DNSError
		cert    *tls.CertificateVerificationError
		unknown x509.UnknownAuthorityError
		record  tls.RecordHeaderError
		alert   tls.AlertError
		op      *net.OpError
	)
	switch {
	case err == nil:
		return false
	case errors.As(err, &dns):
		return !dns.IsNotFound
	case errors.As(err, &cert), errors.As(err, &unknown), errors.As(err, &record), errors.As(err, &alert):
		return false
	case errors.As(err, &op) && op.Op == "remote error":
		// An alert that ended the handshake; crypto/tls does not export its type.
		return false
	}
	s := err.Error()
	for _, permanent := range []string{
		"unsupported protocol scheme", "bad Content-Length", "multiple Content-Length", "HTTP response to HTTPS client",
	} {
		if strings.Contains(s, permanent) {
			return false
		}
	}
	return true
}

// NotSent reports whether a failed request certainly never reached the server,
// so that it may be repeated whatever its method.
func NotSent(err error) bool {
	var op *net.OpError
	return errors.As(err, &op) && op.Op == "dial"
}
