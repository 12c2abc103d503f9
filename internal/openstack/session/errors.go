package session

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"html"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/gophercloud/gophercloud/v2"

	"github.com/galleyhq/galley/internal/credentials"
	"github.com/galleyhq/galley/internal/settings"
	"github.com/galleyhq/galley/internal/text"
)

// Kind tells callers what sort of failure an [Error] is.
type Kind string

// The kinds of failure that a caller may decide on.
const (
	// Other is every failure that is none of those below.
	Other Kind = ""
	// NotFound: the object does not exist.
	NotFound Kind = "not found"
	// NoService: the catalogue has no endpoint of the service.
	NoService Kind = "no service"
	// Unauthorized: the cloud refused the credentials.
	Unauthorized Kind = "unauthorized"
	// Forbidden: the credentials are good but do not allow this.
	Forbidden Kind = "forbidden"
	// Unreachable: no answer came from the endpoint.
	Unreachable Kind = "unreachable"
	// BadCertificate: the endpoint's certificate cannot be trusted.
	BadCertificate Kind = "bad certificate"
	// Quota: the project may not have more of this.
	Quota Kind = "quota exceeded"
	// EmptyPool: no address can be had from a floating IP pool.
	EmptyPool Kind = "empty pool"
	// Ambiguous: a reference fits several things.
	Ambiguous Kind = "ambiguous"
	// NoValidHost: the scheduler has no place for the server.
	NoValidHost Kind = "no valid host"
	// ServerFault: the server went to ERROR.
	ServerFault Kind = "server in error"
	// ServerGone: the server was deleted by somebody.
	ServerGone Kind = "server gone"
	// Timeout: a wait reached its deadline.
	Timeout Kind = "timeout"
	// NoAddress: the server has no address to be reached at.
	NoAddress Kind = "no address"
	// InUse: the resource belongs to somebody else.
	InUse Kind = "in use"
	// Differs: something of that name is there and is not as asked for.
	Differs Kind = "differs"
	// Pending: a request that was never answered may still take effect.
	Pending Kind = "pending"
	// Invalid: a setting cannot be right.
	Invalid Kind = "invalid"
)

// Error is a failure of something asked of the cloud. Its message is a
// sentence without the final stop; [Error.Hint] says what to do next.
type Error struct {
	// Kind is what a caller decides on.
	Kind Kind
	// What could not be done, on which object: `create the server "x"`.
	What string
	// Said is the cloud's own words, "" when it said nothing.
	Said string
	// Status is the HTTP status of the answer, 0 when there was none.
	Status int
	// Request is the cloud's identifier of the failed request.
	Request string
	advice  settings.Advice
	err     error
}

// Error implements error.
func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString("cannot ")
	b.WriteString(e.What)
	switch {
	case e.Said != "" && e.Status != 0:
		fmt.Fprintf(&b, ": %s (HTTP %d", e.Said, e.Status)
		if e.Status >= 500 && e.Request != "" {
			b.WriteString(", " + e.Request)
		}
		b.WriteString(")")
	case e.Said != "":
		b.WriteString(": " + e.Said)
	case e.Status != 0:
		fmt.Fprintf(&b, ": HTTP %d %s", e.Status, http.StatusText(e.Status))
	case e.err != nil:
		b.WriteString(": " + e.err.Error())
	}
	return b.String()
}

// Because sets the cause, for errors.Is and errors.As.
func (e *Error) Because(cause error) *Error {
	e.err = cause
	return e
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.err }

// Hint says what the user can do, "" when there is nothing to advise.
func (e *Error) Hint() string { return e.advice.In(settings.Environment) }

// HintIn is [Error.Hint] in the words of a front end.
func (e *Error) HintIn(d settings.Dialect) string { return e.advice.In(d) }

// SetHint replaces the advice by one that names no setting.
func (e *Error) SetHint(text string) { e.advice = settings.Advise("%s", text) }

// Advise replaces the advice. A setting among args is spelled by the front
// end.
func (e *Error) Advise(format string, args ...any) *Error {
	e.advice = settings.Advise(format, args...)
	return e
}

// AdviseNoRoom gives the advice for a server that the scheduler has no host
// for.
func (e *Error) AdviseNoRoom() {
	_ = e.Advise("the cloud has no room for this flavor, availability zone or set of scheduler hints: try another %s or %s",
		settings.Flavor, settings.AvailabilityZone)
}

// ErrEmptyAnswer is an answer without the requested object.
var ErrEmptyAnswer = errors.New("the answer does not hold the requested object")

// KindOf returns the kind of the first [Error] in err's chain, [Other] if
// there is none.
func KindOf(err error) Kind {
	var e *Error
	if errors.As(err, &e) {
		return e.Kind
	}
	if errors.As(err, new(*credentials.Error)) {
		return Invalid
	}
	return Other
}

// Fail makes an Error that no answer of the cloud caused.
func Fail(kind Kind, what, said, hint string) *Error {
	e := &Error{Kind: kind, What: what, Said: said}
	if hint != "" {
		e.SetHint(hint)
	}
	return e
}

// Explain turns what gophercloud or the HTTP client returned into an Error:
// `what` reads after "cannot". Cancellation stays visible through errors.Is.
func Explain(what string, err error) error {
	if err == nil {
		return nil
	}
	var own *Error
	if errors.As(err, &own) {
		if missing := noService(err); missing != nil {
			return missing
		}
		return err
	}
	e := &Error{What: what, err: err}
	var answer gophercloud.ErrUnexpectedResponseCode
	var reauth *gophercloud.ErrUnableToReauthenticate
	switch {
	case errors.As(err, &reauth):
		// The token expired and the credentials are invalid.
		again := Explain("log in again", reauth.ErrReauth)
		if errors.As(again, &own) {
			own.err = quiet{own.err}
			return own
		}
		return again
	case errors.As(err, &answer):
		e.Status = answer.Actual
		e.Said = faultText(answer.Body)
		e.Request = answer.ResponseHeader.Get("X-Openstack-Request-Id")
		if answer.Actual < 300 {
			e.Said = strings.TrimSuffix("the answer is not the API's: "+e.Said, ": ")
		}
		if loc := answer.ResponseHeader.Get("Location"); loc != "" && answer.Actual >= 301 && answer.Actual < 400 {
			e.Said = "the endpoint redirects to " + loc
			_ = e.Advise("use that URL as %s", settings.AuthURL)
		}
		if answer.Actual == http.StatusProxyAuthRequired {
			e.Said = "the proxy on the way asks for a login (HTTP 407)"
			_ = e.Advise("put the proxy's user and password into http_proxy or https_proxy, or name the cloud's host in no_proxy")
		}
		// The library's error prints the whole body; keep it for errors.As only.
		e.err = quiet{err}
		classify(e)
		return e
	}
	if ctx := contextError(err); ctx != nil {
		e.Said, e.err = "interrupted", ctx
		if errors.Is(ctx, context.DeadlineExceeded) {
			e.Kind, e.Said = Timeout, "no time is left"
		}
		return e
	}
	if said := badAnswer(err); said != "" {
		e.Said = said
		e.SetHint("something between here and the cloud may have answered in its place: check proxies, and the address of the service")
		return e
	}
	explainConnection(e, err)
	return e
}

// badAnswer describes the fault of an answer that is not what the API
// promises, "" for other errors.
func badAnswer(err error) string {
	var inTransit *url.Error
	var syntax *json.SyntaxError
	var kind *json.UnmarshalTypeError
	switch {
	case errors.Is(err, ErrEmptyAnswer):
		return err.Error()
	case errors.As(err, &inTransit):
		return ""
	case errors.Is(err, io.EOF):
		return "the answer is empty"
	case errors.As(err, &syntax), errors.Is(err, io.ErrUnexpectedEOF):
		return "the answer is not JSON: " + err.Error()
	case errors.As(err, &kind):
		return "the answer has another form than the API's: " + err.Error()
	}
	return ""
}

func contextError(err error) error {
	switch {
	case errors.Is(err, context.Canceled):
		return context.Canceled
	case errors.Is(err, context.DeadlineExceeded) && !isNetTimeout(err):
		return context.DeadlineExceeded
	}
	return nil
}

func isNetTimeout(err error) bool {
	var silent *silentError
	var op *net.OpError
	return errors.As(err, &silent) || errors.As(err, &op)
}

// quiet hides the text of an error whose text may hold a whole response body.
type quiet struct{ err error }

func (q quiet) Error() string { return "error answer of the cloud" }
func (q quiet) Unwrap() error { return q.err }

func explainConnection(e *Error, err error) {
	e.Kind = Unreachable
	host := "the endpoint"
	var u *url.Error
	if errors.As(err, &u) {
		if parsed, perr := url.Parse(u.URL); perr == nil && parsed.Host != "" {
			host = parsed.Scheme + "://" + parsed.Host
		}
		err = u.Err
	}
	e.err = err
	var (
		unknown  x509.UnknownAuthorityError
		hostname x509.HostnameError
		invalid  x509.CertificateInvalidError
		verify   *tls.CertificateVerificationError
		dns      *net.DNSError
		silent   *silentError
		header   tls.RecordHeaderError
	)
	distrust := func(said, advice string, args ...any) {
		e.Kind, e.Said = BadCertificate, "the certificate of "+host+" "+said
		e.Advise(advice, args...)
	}
	switch {
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		said := "has expired or is not valid yet"
		if invalid.Cert != nil {
			said = fmt.Sprintf("is valid from %s to %s only", invalid.Cert.NotBefore.UTC().Format(time.DateOnly), invalid.Cert.NotAfter.UTC().Format(time.DateOnly))
		}
		distrust(said, "check this machine's clock; if it is right, tell the operators of the cloud (%s skips the check at your own risk)", settings.Insecure)
	case errors.As(err, &invalid):
		distrust("is not valid: "+invalid.Error(), "")
	case errors.As(err, &unknown):
		distrust("is signed by an authority that this machine does not know",
			"name the authority's certificate file in %s (%s skips the check at your own risk)", settings.CACert, settings.Insecure)
	case errors.As(err, &hostname):
		distrust("is for another name: "+hostname.Error(), "use the name in the certificate in %s", settings.AuthURL)
	case errors.As(err, &verify):
		distrust("cannot be verified: "+verify.Err.Error(), "name the authority's certificate file in %s", settings.CACert)
	case errors.As(err, &header) || strings.Contains(err.Error(), "server gave HTTP response to HTTPS client"):
		e.Said = host + " does not speak TLS"
		e.Advise("write http:// in place of https:// in %s", settings.AuthURL)
	case strings.Contains(err.Error(), `malformed HTTP response "\x15`):
		e.Said = host + " speaks TLS"
		e.Advise("write https:// in place of http:// in %s", settings.AuthURL)
	case errors.As(err, &dns):
		e.Said = fmt.Sprintf("the name %q is not known", dns.Name)
		e.Advise("check %s, and whether a VPN is needed to reach the cloud", settings.AuthURL)
	case errors.As(err, &silent):
		e.Said = host + " did not answer within " + silent.after.String()
		e.Advise("raise %s if the cloud is slow", settings.ReadTimeout)
	default:
		var op *net.OpError
		if errors.As(err, &op) {
			if proxy, variable := proxyOf(host); proxy != "" && (op.Op == "dial" || op.Op == "proxyconnect") {
				e.Said = fmt.Sprintf("the proxy %s (from %s) cannot be reached: %v", proxy, variable, innermost(op))
				e.Advise("correct or unset %s, or name the cloud's host in no_proxy", variable)
				return
			}
			if op.Timeout() {
				e.Said = "no connection to " + host + " came about: timed out"
			} else {
				e.Said = "no connection to " + host + ": " + innermost(op).Error()
			}
			e.Advise("check %s, and whether a VPN or proxy is needed to reach the cloud", settings.AuthURL)
		} else {
			e.Said = "the connection to " + host + " broke: " + err.Error()
		}
	}
	if e.Kind == Unreachable && errors.As(err, new(*serviceError)) && silent == nil {
		e.Advise("the cloud's catalogue names %s for this service: it may be down, or reachable from elsewhere only (%s chooses another kind of endpoint)",
			host, settings.EndpointType)
	}
}

func innermost(err error) error {
	for {
		next := errors.Unwrap(err)
		if next == nil {
			return err
		}
		err = next
	}
}

// classify finds the kind and the hint of an error answer.
func classify(e *Error) {
	said := strings.ToLower(e.Said)
	has := func(words ...string) bool {
		return !slices.ContainsFunc(words, func(w string) bool { return !strings.Contains(said, w) })
	}
	is := func(kind Kind, advice string, args ...any) {
		e.Kind = kind
		e.Advise(advice, args...)
	}
	switch {
	case e.Status == 400 && has("http request") && has("https"):
		is(Unreachable, "the service speaks TLS: write https:// in place of http:// in %s", settings.AuthURL)
	case has("quota") && (e.Status == 403 || e.Status == 409 || e.Status == 413):
		is(Quota, "destroy machines that are not needed (`galley ps` lists them), or ask the operators for a larger quota (`openstack quota show --usage`)")
	case has("no more ip addresses"), has("ipaddressgenerationfailure"), has("externalipaddressexhausted"):
		is(EmptyPool, "release floating IPs that are no longer used (`openstack floating ip list`), or name another pool")
	case has("multiple possible networks"), has("multiple", "networks", "more specific"):
		is(Ambiguous, "name the network in %s", settings.Networks)
	case has("no valid host"):
		e.Kind = NoValidHost
		e.AdviseNoRoom()
	case has("disk is too small"), has("memory is too small"), has("flavor", "too small"):
		is(Invalid, "use a bigger flavor in %s, or boot from a volume that is made for it (%s)", settings.Flavor, settings.BlockDevices)
	case e.Status == 401:
		is(Unauthorized, "check user name, password, project and their domains")
	case e.Status == 403:
		is(Forbidden, "the user's roles in this project do not allow it: check %s, or ask the operators", settings.ProjectName)
	case e.Status == 404:
		e.Kind = NotFound
	case e.Status == 429 || e.Status == 413:
		e.SetHint("the cloud limits the rate of requests: use a lower concurrency (-c)")
	case e.Status >= 500:
		e.SetHint("this is trouble inside the cloud: try again, and give the operators the request id if it stays")
	}
}

var tagPattern = text.Lazy(`(?s)<(head|style|script)\b.*?</(head|style|script)>|<[^>]*>`)

// faultText finds the message in an error body. The services differ: Nova and
// Cinder wrap it in a fault's name, Neutron in NeutronError, Keystone in
// error; Glance and proxies answer in HTML.
func faultText(body []byte) string {
	var v any
	if json.Unmarshal(body, &v) == nil {
		return Tidy(messageIn(v, 0))
	}
	return Tidy(html.UnescapeString(tagPattern().ReplaceAllString(string(body), " ")))
}

func messageIn(v any, depth int) string {
	m, ok := v.(map[string]any)
	if !ok || depth > 3 {
		return ""
	}
	for _, key := range []string{"message", "faultstring"} {
		switch s := m[key].(type) {
		case string:
			if s != "" {
				return s
			}
		case map[string]any: // Nova's validation wraps once more at times.
			if t := messageIn(s, depth+1); t != "" {
				return t
			}
		}
	}
	for _, key := range []string{"NeutronError", "error"} {
		if s, ok := m[key].(string); ok {
			return s
		}
	}
	for _, inner := range m {
		if t := messageIn(inner, depth+1); t != "" {
			return t
		}
	}
	return ""
}

// Tidy makes one bounded line of a message, without its final stop.
func Tidy(s string) string {
	s = strings.Join(strings.Fields(s), " ")
	const most = 500
	if r := []rune(s); len(r) > most {
		s = string(r[:most]) + "…"
	}
	return strings.TrimSuffix(s, ".")
}

// IsStatus says whether err is an answer with one of these HTTP statuses.
func IsStatus(err error, codes ...int) bool {
	return slices.ContainsFunc(codes, func(c int) bool { return gophercloud.ResponseCodeIs(err, c) })
}

// Unsettled reports whether the cloud may have carried out a request although an
// error came back: the answer was lost, or it came from something between.
func Unsettled(err error) bool {
	var answer gophercloud.ErrUnexpectedResponseCode
	if errors.As(err, &answer) {
		return answer.Actual >= 500 || answer.Actual < 400 || answer.Actual == http.StatusRequestTimeout
	}
	return !neverSent(err)
}

// neverSent says whether err happened before anything reached the endpoint.
func neverSent(err error) bool {
	var op *net.OpError
	var dns *net.DNSError
	var verify *tls.CertificateVerificationError
	return errors.As(err, &op) && op.Op == "dial" || errors.As(err, &dns) || errors.As(err, &verify) || noService(err) != nil
}

// noService returns the error of a request to a service that the catalogue
// lacks, nil for others.
func noService(err error) *Error {
	var u *url.Error
	var own *Error
	if errors.As(err, &u) && errors.As(u.Err, &own) {
		return own
	}
	return nil
}

// proxyOf returns the host of the proxy that requests to an address go
// through, and the variable that names it, "" for none.
func proxyOf(address string) (proxy, variable string) {
	u, err := url.Parse(address)
	if err != nil {
		return "", ""
	}
	p, err := http.ProxyFromEnvironment(&http.Request{URL: u})
	if err != nil || p == nil {
		return "", ""
	}
	variable = u.Scheme + "_proxy"
	if os.Getenv(variable) == "" {
		variable = strings.ToUpper(variable)
	}
	return p.Host, variable
}
