package fetch

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"net"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/net/http/httpproxy"
	"golang.org/x/time/rate"
)

// Shared holds the connections and the rate limits of several fetches that run
// at once. Its zero value is ready; it takes the settings of the first request.
type Shared struct {
	once            sync.Once
	err             error
	home, away      *http.Transport
	requests, bytes *rate.Limiter
}

// Close closes the connections. No fetch may use s any more.
func (s *Shared) Close() {
	if s.home != nil {
		s.home.CloseIdleConnections()
		s.away.CloseIdleConnections()
	}
}

// connectBy gives the client its transports and rate limit: those of shared if
// that is not nil.
func (c *client) connectBy(shared *Shared) error {
	c.owned = shared == nil
	if c.owned {
		shared = &Shared{}
	}
	shared.once.Do(func() {
		shared.home, shared.away, shared.err = newTransports(c.req)
		if n := c.req.Limits.RequestsPerSecond; n > 0 {
			shared.requests = rate.NewLimiter(rate.Limit(n), 1)
		}
		shared.bytes = byteLimiter(c.req)
	})
	c.home, c.away, c.rate, c.bytes = shared.home, shared.away, shared.requests, shared.bytes
	return shared.err
}

func byteLimiter(r *Request) *rate.Limiter {
	n := r.Limits.BytesPerSecond
	if n <= 0 {
		return nil
	}
	return rate.NewLimiter(rate.Limit(n), max(min(r.Limits.ChunkSize, int(n/8)), 4<<10))
}

// newTransports returns the transport for the first URL's origin, and the one
// for all others, which has no client certificate.
func newTransports(r *Request) (home, away *http.Transport, err error) {
	conf := &tls.Config{MinVersion: tls.VersionTLS12, InsecureSkipVerify: r.TLS.Insecure}
	if r.TLS.CACert != "" {
		pool, err := x509.SystemCertPool()
		if err != nil {
			pool = x509.NewCertPool()
		}
		pem, err := os.ReadFile(r.TLS.CACert)
		if err != nil {
			return nil, nil, &Error{Kind: KindUsage, Msg: "the file of certificate authorities", err: err}
		}
		if !pool.AppendCertsFromPEM(pem) {
			return nil, nil, usage("%s holds no certificate", r.TLS.CACert)
		}
		conf.RootCAs = pool
	}
	away = newTransport(r, conf)
	if r.TLS.Cert == "" && r.TLS.Key != "" {
		return nil, nil, usage("the key %s goes with a certificate, and none is given", r.TLS.Key)
	}
	if r.TLS.Cert == "" {
		return away, away, nil
	}
	key := r.TLS.Key
	if key == "" {
		key = r.TLS.Cert
	}
	pair, err := tls.LoadX509KeyPair(r.TLS.Cert, key)
	if err != nil {
		return nil, nil, &Error{Kind: KindUsage, Msg: "the client certificate", err: err}
	}
	own := conf.Clone()
	own.Certificates = []tls.Certificate{pair}
	return newTransport(r, own), away, nil
}

func newTransport(r *Request, c *tls.Config) *http.Transport {
	proxy := r.Proxy
	if proxy == nil {
		proxy = environmentProxy()
	}
	t := r.Timeouts
	tr := &http.Transport{
		Proxy: proxy, DialContext: dialer(r), TLSClientConfig: c, TLSHandshakeTimeout: t.Connect,
		ResponseHeaderTimeout: t.FirstByte, ForceAttemptHTTP2: !r.HTTP1,
		MaxIdleConnsPerHost: 32, IdleConnTimeout: 90 * time.Second,
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

// dialer returns how connections are made: to the host, to the address given
// for it, or to a socket.
func dialer(r *Request) func(context.Context, string, string) (net.Conn, error) {
	d := &net.Dialer{Timeout: r.Timeouts.Connect, KeepAlive: 30 * time.Second}
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		if r.UnixSocket != "" {
			return d.DialContext(ctx, "unix", r.UnixSocket)
		}
		if to := r.HostAddresses[strings.ToLower(address)]; to != "" {
			address = to
		}
		return d.DialContext(ctx, network, address)
	}
}

// environmentProxy chooses a proxy as curl does: HTTPS_PROXY and HTTP_PROXY,
// else ALL_PROXY, except for hosts in NO_PROXY.
func environmentProxy() func(*http.Request) (*url.URL, error) {
	c := httpproxy.FromEnvironment()
	all := os.Getenv("ALL_PROXY")
	if all == "" {
		all = os.Getenv("all_proxy")
	}
	if c.HTTPProxy == "" {
		c.HTTPProxy = all
	}
	if c.HTTPSProxy == "" {
		c.HTTPSProxy = all
	}
	choose := c.ProxyFunc()
	return func(r *http.Request) (*url.URL, error) { return choose(r.URL) }
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
		return nil, usage("the proxy is not a URL of http, https or socks5")
	}
	return http.ProxyURL(u), nil
}

// ParseHostAddress reads HOST:PORT:ADDRESS, as curl's --resolve, into r.
func ParseHostAddress(s string, r *Request) error {
	parts := strings.SplitN(s, ":", 3)
	if len(parts) != 3 || parts[0] == "" || parts[1] == "" || parts[2] == "" {
		return usage("%q: an address for a host is written as HOST:PORT:ADDRESS", s)
	}
	if r.HostAddresses == nil {
		r.HostAddresses = map[string]string{}
	}
	address := strings.Trim(strings.Split(parts[2], ",")[0], "[]")
	if strings.HasPrefix(parts[2], "[") {
		address = strings.Trim(parts[2], "[]")
	}
	r.HostAddresses[strings.ToLower(parts[0]+":"+parts[1])] = net.JoinHostPort(address, parts[1])
	return nil
}
