package bootstrap

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// WaitOptions bound a [Wait]. The zero value of each field means its default.
type WaitOptions struct {
	// Timeout bounds the whole wait; 600 s, as max_wait_until_ready of Test
	// Kitchen's ssh transport.
	Timeout time.Duration
	// Grace is how long a refused login or a session that runs nothing is
	// tried again, counted from the first refusal: a machine that boots may
	// still be putting the key in place; 75 s. No wait at all if negative.
	Grace time.Duration
	// Retry is the pause after an attempt that found nothing listening;
	// 100 ms.
	Retry time.Duration
	// Boot is how long cloud-init is waited for where it is at work when the
	// machine is reached; 0 for not at all. MustBoot makes it an error when
	// that time is over.
	Boot     time.Duration
	MustBoot bool
}

// Defaults of [WaitOptions].
const (
	DefaultWaitTimeout = 600 * time.Second
	DefaultGrace       = 75 * time.Second
	DefaultRetry       = 100 * time.Millisecond
)

const (
	// dialStagger is the time after which a dial without any answer gets
	// company: a lost SYN is repeated by the kernel only after a second, then
	// three, then seven.
	dialStagger = 100 * time.Millisecond
	// dialPatience is how long a dial is left without an answer.
	dialPatience = 2 * time.Second
	// handshakeStagger and sessionStagger are the same for accepted connections
	// but not answered, where another attempt costs the server more.
	handshakeStagger = 2 * time.Second
	sessionStagger   = 10 * time.Second
	// maxTalking bounds the attempts that are beyond dialling.
	maxTalking = 3
	// nameGrace is how long a name that does not resolve is tried, and
	// gatewayGrace a gateway that does not answer.
	nameGrace    = 30 * time.Second
	gatewayGrace = 30 * time.Second
)

// Wait tries until a command has been run on the machine and returns the
// connection it was run over. It reports its progress through Waiting. A
// failure that waiting cannot mend (a foreign host key, no key to offer, a
// gateway that lets nobody in) ends it at once.
func Wait(ctx context.Context, c Config, o WaitOptions) (*Client, error) {
	setDefault(&o.Timeout, DefaultWaitTimeout)
	setDefault(&o.Retry, DefaultRetry)
	o.Grace = cmp.Or(o.Grace, DefaultGrace)
	// Questions for a password while the key is still on its way to the
	// machine would only confuse.
	c.AskPassword = false
	cfg, err := c.resolved()
	if err != nil {
		return nil, err
	}
	if (&authenticator{ctx: ctx, cfg: cfg, hop: &cfg.Hop, report: cfg.Report}).emptyNow() {
		return nil, &AuthError{User: cfg.User, Addr: cfg.Addr()}
	}
	reach := func() (*Client, bool, error) {
		w := &waiter{cfg: cfg, o: o, route: newRoute(cfg), started: time.Now()}
		client, err := w.run(ctx)
		if err != nil {
			w.route.Close()
			return nil, false, err
		}
		if o.Boot > 0 {
			client.warnOfBoot(client.booted)
		}
		return client, client.booting, nil
	}
	client, booting, err := reach()
	if err != nil || !booting || o.Boot <= 0 {
		return client, err
	}
	return whenBooted(ctx, client, o, reach)
}

// emptyNow is empty for an authenticator that is used for nothing else.
func (a *authenticator) emptyNow() bool {
	defer a.close()
	return a.empty()
}

// attempt is one try, from dialling to the end of the probe.
type attempt struct {
	phase atomic.Int32
	// talked is when the dialling ended, in nanoseconds; 0 for not yet.
	talked atomic.Int64
	cancel context.CancelCauseFunc
	start  time.Time
}

type outcome struct {
	a      *attempt
	client *Client
	err    error
}

type waiter struct {
	cfg     *Config
	o       WaitOptions
	route   *route
	started time.Time

	wg       sync.WaitGroup
	running  []*attempt
	results  chan outcome
	progress chan struct{}

	// refusedSince is when the login, or the session, was first refused, and
	// backoff the pause until the next try of it.
	refusedSince time.Time
	backoff      time.Duration
	nameSince    time.Time
	gatewaySince time.Time
	last         error
}

func (w *waiter) run(ctx context.Context) (*Client, error) {
	w.results = make(chan outcome)
	w.progress = make(chan struct{}, 1)
	parent := ctx
	ctx, cancel := context.WithTimeout(ctx, w.o.Timeout)
	defer func() {
		cancel()
		// What is still under way must not outlive the wait.
		go func() {
			w.wg.Wait()
			close(w.results)
		}()
		for r := range w.results {
			if r.client != nil {
				r.client.abandon()
			}
		}
	}()

	next := time.Now()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			if parent.Err() != nil {
				return nil, context.Cause(parent)
			}
			return nil, w.expired()

		case r := <-w.results:
			w.forget(r.a)
			if r.err == nil {
				return r.client, nil
			}
			if ctx.Err() != nil || errors.Is(r.err, errOvertaken) {
				continue
			}
			pause, err := w.judge(r.err)
			if err != nil {
				return nil, err
			}
			next = time.Now().Add(pause)

		case <-w.progress:
			w.overtake()

		case now := <-timer.C:
			w.tell()
			if now.Before(next) || !w.mayLaunch(now) {
				break
			}
			w.launch(ctx)
			next = now
		}
		timer.Reset(w.pause(next))
	}
}

// pause is the time until there may be something to do.
func (w *waiter) pause(next time.Time) time.Duration {
	due := max(time.Until(next), time.Until(w.staggered()))
	return min(max(due, 5*time.Millisecond), 500*time.Millisecond)
}

// staggered is when the youngest attempt gets company.
func (w *waiter) staggered() time.Time {
	if len(w.running) == 0 {
		return time.Time{}
	}
	young := w.running[len(w.running)-1]
	var d time.Duration
	switch phase(young.phase.Load()) {
	case phaseDial:
		d = dialStagger
		if w.cfg.ProxyCommand != "" {
			// Each attempt is a process.
			d = handshakeStagger
		}
	case phaseHandshake:
		d = handshakeStagger
	case phaseAsking:
		return time.Now().Add(time.Hour)
	default:
		d = sessionStagger
	}
	return young.start.Add(d)
}

func (w *waiter) mayLaunch(now time.Time) bool {
	if len(w.running) == 0 {
		return true
	}
	if now.Before(w.staggered()) {
		return false
	}
	talking := 0
	for _, a := range w.running {
		if phase(a.phase.Load()) != phaseDial {
			talking++
		}
	}
	return talking < maxTalking && len(w.running) < int(dialPatience/dialStagger)+maxTalking
}

func (w *waiter) forget(a *attempt) {
	w.running = slices.DeleteFunc(w.running, func(r *attempt) bool { return r == a })
}

// launch starts an attempt.
func (w *waiter) launch(ctx context.Context) {
	ctx, cancel := context.WithCancelCause(ctx)
	a := &attempt{cancel: cancel, start: time.Now()}
	w.running = append(w.running, a)
	w.wg.Go(func() {
		defer cancel(nil)
		client, err := w.try(ctx, a)
		w.results <- outcome{a, client, err}
	})
}

// overtake ends the attempts that were still dialling when another one began
// to talk, so that the server is not bothered with connections that say
// nothing. Those launched since then, because the talk led nowhere, go on.
func (w *waiter) overtake() {
	var talked int64
	for _, a := range w.running {
		talked = max(talked, a.talked.Load())
	}
	for _, a := range w.running {
		if phase(a.phase.Load()) == phaseDial && a.start.UnixNano() < talked {
			a.cancel(errOvertaken)
		}
	}
}

var errOvertaken = errors.New("another attempt came further")

// try connects and runs the probe.
func (w *waiter) try(ctx context.Context, a *attempt) (*Client, error) {
	dialCtx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	patience := dialPatience
	if w.cfg.ConnectTimeout < patience || w.route.shared() || w.cfg.HTTPProxy != nil {
		patience = w.cfg.ConnectTimeout
	}
	impatient := time.AfterFunc(patience, func() { cancel(context.DeadlineExceeded) })
	defer impatient.Stop()
	client, err := connect(dialCtx, w.cfg, w.route, func(p phase) {
		if p != phaseDial {
			impatient.Stop()
			a.talked.CompareAndSwap(0, time.Now().UnixNano())
		}
		a.phase.Store(int32(p))
		select {
		case w.progress <- struct{}{}:
		default:
		}
	})
	if err != nil {
		if errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil {
			var typed *UnreachableError
			if !errors.As(err, &typed) {
				err = &UnreachableError{Addr: w.cfg.Addr(), Via: w.route.via(), Reason: "no answer", Err: err}
			}
		}
		return nil, err
	}
	a.phase.Store(int32(phaseSession))
	if err := client.probe(ctx); err != nil {
		client.abandon()
		return nil, err
	}
	return client, nil
}

// abandon closes the connection but leaves the route to the others.
func (c *Client) abandon() {
	c.mu.Lock()
	c.closed = true
	c.mu.Unlock()
	c.ssh.Close()
	<-c.gone
}

// judge decides about a failed attempt: how long to pause, or that it is of no
// use to go on.
func (w *waiter) judge(err error) (time.Duration, error) {
	var gate *gatewayError
	var auth *AuthError
	var session *SessionError
	var unreachable *UnreachableError
	var lost *LostError
	w.last = err
	switch {
	case permanent(err):
		return 0, err
	case errors.As(err, &gate):
		// A gateway is there before the machines behind it: it may restart, but
		// it need not boot.
		return w.within(&w.gatewaySince, gatewayGrace, err)
	case errors.As(err, &auth):
		if bootingUp(auth.Banner) {
			return w.slower(2 * time.Second), nil
		}
		return w.refused(err)
	case errors.As(err, &session):
		if bootingUp(session.Output) {
			return w.slower(2 * time.Second), nil
		}
		return w.refused(err)
	case nameUnknown(err):
		return w.within(&w.nameSince, nameGrace, err)
	}
	if !errors.As(err, &unreachable) && !errors.As(err, &lost) {
		return 0, err
	}
	w.nameSince, w.gatewaySince = time.Time{}, time.Time{}
	return w.o.Retry, nil
}

// permanent reports whether waiting cannot cure a failure.
func permanent(err error) bool {
	var conf *ConfigError
	var key *HostKeyError
	var algo *AlgorithmError
	var proxy *proxyError
	var gate *gatewayError
	var auth *AuthError
	switch {
	case errors.As(err, &conf), errors.As(err, &key), errors.As(err, &algo):
		return true
	case errors.As(err, &proxy) && proxy.permanent:
		return true
	case errors.As(err, &gate) && (errors.As(err, &auth) || nameUnknown(err)):
		return true
	case errors.As(err, &auth):
		return auth.Suggest != "" || len(auth.Offered) == 0 && len(auth.Allowed) == 0
	}
	return false
}

func nameUnknown(err error) bool {
	var dns *net.DNSError
	return errors.As(err, &dns) && dns.IsNotFound
}

// within bounds, from the first time on, the tries of a failure that heals soon
// or not at all.
func (w *waiter) within(since *time.Time, limit time.Duration, err error) (time.Duration, error) {
	if since.IsZero() {
		*since = time.Now()
	}
	if time.Since(*since) > limit {
		return 0, w.waited(err, *since)
	}
	return time.Second, nil
}

// refused counts the grace.
func (w *waiter) refused(err error) (time.Duration, error) {
	now := time.Now()
	if w.refusedSince.IsZero() {
		w.refusedSince = now
	}
	left := w.o.Grace - now.Sub(w.refusedSince)
	if left <= 0 {
		return 0, w.waited(err, w.refusedSince)
	}
	return min(w.slower(4*time.Second), max(left, w.o.Retry)), nil
}

// slower is the next pause between attempts to log in, the last of them at
// most. Servers lock out those who knock too often (sshd's PerSourcePenalties,
// fail2ban).
func (w *waiter) slower(most time.Duration) time.Duration {
	w.backoff = min(max(w.backoff*2, 150*time.Millisecond), most)
	return w.backoff
}

// bootingUp recognises pam_nologin and systemd-user-sessions.
func bootingUp(text string) bool {
	t := strings.ToLower(text)
	return strings.Contains(t, "booting up") || strings.Contains(t, "not permitted to log in yet")
}

// waited adds to err how long it was tried.
func (w *waiter) waited(err error, since time.Time) error {
	d := max(time.Since(since), time.Millisecond)
	var gate *gatewayError
	var tried interface{ afterWaiting(d time.Duration) error }
	switch {
	case errors.As(err, &gate):
		return &gatewayError{w.waited(gate.err, since)}
	case errors.As(err, &tried):
		return tried.afterWaiting(d)
	}
	return err
}

// expired makes the error of a wait whose time is up.
func (w *waiter) expired() error {
	if w.last == nil {
		w.last = &UnreachableError{Addr: w.cfg.Addr(), Via: w.route.via(), Reason: "no answer", Err: context.DeadlineExceeded}
	}
	return w.waited(w.last, w.started)
}

// tell reports the wait.
func (w *waiter) tell() {
	detail := ""
	if w.last != nil {
		detail = detailOf(w.last)
	}
	for _, a := range w.running {
		switch phase(a.phase.Load()) {
		case phaseHandshake:
			detail = "the port answers, handshake under way"
		case phaseAuth:
			detail = "logging in"
		case phaseSession:
			detail = "logged in, running a first command"
		case phaseAsking:
			return
		}
	}
	if detail == "" {
		detail = "no answer yet"
	}
	w.cfg.Report.Waiting("SSH service on "+w.cfg.Addr(), detail, w.started)
}

// detailOf summarizes the last failure.
func detailOf(err error) string {
	var unreachable *UnreachableError
	var auth *AuthError
	var session *SessionError
	switch {
	case errors.As(err, &auth):
		if bootingUp(auth.Banner) {
			return "the machine is booting and lets nobody in yet"
		}
		return fmt.Sprintf("login as %q refused so far", auth.User)
	case errors.As(err, &session):
		return "logged in, but " + session.Reason
	case errors.As(err, &unreachable):
		return unreachable.Reason
	}
	return err.Error()
}
