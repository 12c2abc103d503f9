package openstack

import (
	"context"
	"time"

	"github.com/galleyhq/galley/internal/credentials"
	"github.com/galleyhq/galley/internal/openstack/session"
	"github.com/galleyhq/galley/internal/settings"
)

// Reporter receives what happens. *kitchen.Reporter is one.
type Reporter interface {
	Info(format string, args ...any)
	Warn(format string, args ...any)
	Debug(format string, args ...any)
	Waiting(what, detail string, since time.Time)
}

type silentReporter struct{}

func (silentReporter) Info(string, ...any)               {}
func (silentReporter) Warn(string, ...any)               {}
func (silentReporter) Debug(string, ...any)              {}
func (silentReporter) Waiting(string, string, time.Time) {}

// Options are what a connection may be given beside the credentials.
type Options struct {
	session.Options
	// Settle is how long a create looks for a resource whose request was not
	// answered before it asks once more. 2 s by default.
	Settle time.Duration
}

// Cloud is one session with the parts shared by everything created through
// it: one set of lookups, one watcher. It is safe for concurrent use.
type Cloud struct {
	*session.Session

	lookups  cache
	consoles hostKeys
	watch    *watcher
	claims   claims
	// settle are the pauses before each look for a resource whose request was
	// not answered, by a create that goes on.
	settle []time.Duration
	// window is how long after a request without an answer its effect may still
	// come: the time that its answer would be waited for, and a margin.
	window time.Duration
	// reservedPatience is how long a volume to be deleted may be reserved before
	// attachments to servers that are gone are removed.
	reservedPatience time.Duration
	// claimSettle is the least pause between claiming a floating IP and
	// looking who holds it.
	claimSettle time.Duration
}

// Window is how long after a request without an answer its effect may still
// come.
func (c *Cloud) Window() time.Duration { return c.window }

// Connect logs in; see [session.Open].
func Connect(ctx context.Context, a credentials.Auth, o Options) (*Cloud, error) {
	s, err := session.Open(ctx, a, o.Options)
	if err != nil {
		return nil, err
	}
	if who := s.Whoami(); who.ProjectID == "" {
		s.Close()
		return nil, session.Fail(session.Invalid, "use the login as "+who.UserName, "it is for the whole system or a domain, not for a project", "").
			Advise("set %s, and remove a system scope (OS_SYSTEM_SCOPE)", settings.ProjectName)
	}
	settle := o.Settle
	if settle <= 0 {
		settle = 2 * time.Second
	}
	c := &Cloud{
		Session:          s,
		settle:           []time.Duration{0, settle / 6, settle / 2},
		window:           s.RequestTimeout() + s.RequestTimeout()/4,
		reservedPatience: 5 * time.Second,
		claimSettle:      250 * time.Millisecond,
	}
	c.watch = newWatcher(c)
	c.claims.held = map[string]bool{}
	return c, nil
}

// Connector keeps one [Cloud] for each set of credentials, so that all
// instances of a run share one token, one cache and one watcher. Its zero
// value is ready for use.
type Connector struct {
	// Options are used for every connection.
	Options Options

	logins cache
}

// Connect returns the connection for a, making it if there is none. A login
// that failed is tried again by the next caller, unless the cloud refused the
// credentials: clouds lock accounts after a few wrong passwords.
func (k *Connector) Connect(ctx context.Context, a credentials.Auth) (*Cloud, error) {
	return cached(ctx, &k.logins, a.Fingerprint(), session.Unauthorized, func(ctx context.Context) (*Cloud, error) {
		return Connect(ctx, a, k.Options)
	})
}

// Clouds returns the connections made so far.
func (k *Connector) Clouds() []*Cloud {
	return each(k.logins.results(), func(c any) *Cloud { return c.(*Cloud) })
}

// Close lets go of the idle connections of all clouds.
func (k *Connector) Close() {
	for _, c := range k.Clouds() {
		c.Close()
	}
}
