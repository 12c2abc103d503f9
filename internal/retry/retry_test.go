package retry

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"testing"
	"time"
)

type testClock struct {
	now    time.Time
	pauses []time.Duration
}

func (c *testClock) Now() time.Time { return c.now }

func (c *testClock) Sleep(ctx context.Context, d time.Duration) error {
	c.pauses = append(c.pauses, d)
	c.now = c.now.Add(d)
	return ctx.Err()
}

var errBusy = errors.New("busy")

func TestPausesGrowAndEnd(t *testing.T) {
	clock := &testClock{}
	tries := 0
	p := Policy{Attempts: 5, First: time.Second, Max: 3 * time.Second, Clock: clock}
	err := p.Do(t.Context(), func(context.Context) error { tries++; return Again(errBusy, 0) })
	if !errors.Is(err, errBusy) || tries != 5 || len(clock.pauses) != 4 {
		t.Fatalf("%v after %d tries, pauses %v", err, tries, clock.pauses)
	}
	for i, longest := range []time.Duration{1, 2, 3, 3} {
		if d := clock.pauses[i]; d > longest*time.Second || d < longest*time.Second/2 {
			t.Errorf("pause %d is %s", i+1, d)
		}
	}
}

func TestWhatIsNotMarkedIsNotRepeated(t *testing.T) {
	tries := 0
	err := Default.Do(t.Context(), func(context.Context) error { tries++; return errBusy })
	if !errors.Is(err, errBusy) || tries != 1 {
		t.Errorf("%v after %d tries", err, tries)
	}
	if Again(nil, 0) != nil {
		t.Error("success became an error")
	}
}

func TestTheServersPauseIsKept(t *testing.T) {
	clock := &testClock{}
	var seen []Pause
	p := Policy{Attempts: 3, First: time.Millisecond, Max: time.Millisecond, Clock: clock, OnPause: func(p Pause) { seen = append(seen, p) }}
	tries := 0
	err := p.Do(t.Context(), func(context.Context) error {
		if tries++; tries == 1 {
			return Again(errBusy, 7*time.Second)
		}
		return nil
	})
	if err != nil || len(seen) != 1 || seen[0].For != 7*time.Second || !seen[0].Asked || seen[0].Attempt != 1 || !errors.Is(seen[0].Cause, errBusy) {
		t.Errorf("%v, pauses %+v", err, seen)
	}
	p.LongestAfter = time.Second
	var long *TooLongError
	if err := p.Do(t.Context(), func(context.Context) error { return Again(errBusy, 7*time.Second) }); !errors.As(err, &long) || !errors.Is(err, errBusy) {
		t.Errorf("got %v", err)
	}
}

func TestBudgetAndCancel(t *testing.T) {
	clock := &testClock{}
	p := Policy{Attempts: 100, First: 4 * time.Second, Max: 4 * time.Second, Budget: 10 * time.Second, Clock: clock}
	if err := p.Do(t.Context(), func(context.Context) error { return Again(errBusy, 0) }); !errors.Is(err, errBusy) {
		t.Errorf("got %v", err)
	}
	if clock.now.Sub(time.Time{}) > 10*time.Second {
		t.Errorf("it took %s", clock.now.Sub(time.Time{}))
	}
	ctx, cancel := context.WithCancel(t.Context())
	tries := 0
	err := p.Do(ctx, func(context.Context) error { tries++; cancel(); return Again(errBusy, 0) })
	if tries != 1 || !errors.Is(err, errBusy) {
		t.Errorf("%v after %d tries", err, tries)
	}
}

func TestResetForgetsFailures(t *testing.T) {
	a := Policy{Attempts: 2, First: 1, Max: 1}.Start()
	for range 5 {
		if _, err := a.Next(errBusy, 0); err != nil {
			t.Fatal(err)
		}
		a.Reset()
	}
	if _, err := a.Next(errBusy, 0); err != nil || a.Failed() != 1 {
		t.Errorf("%v, %d failed", err, a.Failed())
	}
	if _, err := a.Next(errBusy, 0); !errors.Is(err, errBusy) {
		t.Errorf("got %v", err)
	}
}

func TestAfter(t *testing.T) {
	now := time.Date(2026, 5, 4, 12, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		headers map[string]string
		want    time.Duration
		none    bool
	}{
		{headers: map[string]string{"Retry-After": "3"}, want: 3 * time.Second},
		{headers: map[string]string{"Retry-After": "2s"}, want: 2 * time.Second},
		{headers: map[string]string{"Retry-After": "0.5"}, want: 500 * time.Millisecond},
		{headers: map[string]string{"Retry-After": "Mon, 04 May 2026 12:00:05 GMT"}, want: 5 * time.Second},
		{headers: map[string]string{"Retry-After": "2026-05-04T12:00:06Z"}, want: 6 * time.Second},
		{headers: map[string]string{"Retry-After": fmt.Sprint(now.Unix() + 7)}, want: 7 * time.Second},
		{headers: map[string]string{"Retry-After": fmt.Sprint((now.Unix() + 8) * 1000)}, want: 8 * time.Second},
		{headers: map[string]string{"Retry-After": "Mon, 04 May 2020 12:00:05 GMT"}, want: 0},
		{headers: map[string]string{"Retry-After": "-4"}, want: 0},
		{headers: map[string]string{"Retry-After": "1e300"}, want: 0},
		{headers: map[string]string{"Retry-After": "soon"}, none: true},
		{headers: map[string]string{"Retry-After": "NaN"}, none: true},
		{headers: map[string]string{}, none: true},
		{headers: map[string]string{"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": fmt.Sprint(now.Unix() + 9)}, want: 9 * time.Second},
		{headers: map[string]string{"X-RateLimit-Remaining": "5", "X-RateLimit-Reset": fmt.Sprint(now.Unix() + 9)}, none: true},
		{headers: map[string]string{"X-Rate-Limit-Remaining": "0", "X-Rate-Limit-Reset": "10"}, want: 10 * time.Second},
		{headers: map[string]string{"RateLimit": "limit=10, remaining=0, reset=11"}, want: 11 * time.Second},
		{headers: map[string]string{"RateLimit": `"default";r=0;t=12`}, want: 12 * time.Second},
		{headers: map[string]string{"RateLimit": `"default";r=1;t=12`}, none: true},
	} {
		h := http.Header{}
		for k, v := range c.headers {
			h.Set(k, v)
		}
		got, ok := After(h, now)
		if ok == c.none || (got-c.want).Abs() > time.Microsecond && c.headers["Retry-After"] != "1e300" || got < 0 {
			t.Errorf("%v: got %s, %v", c.headers, got, ok)
		}
	}
}

func TestTransient(t *testing.T) {
	dial := &net.OpError{Op: "dial", Err: errors.New("connection refused")}
	for _, c := range []struct {
		err                error
		transient, notSent bool
	}{
		{dial, true, true},
		{fmt.Errorf("get: %w", &net.OpError{Op: "read", Err: errors.New("reset")}), true, false},
		{&net.DNSError{IsNotFound: true}, false, false},
		{&net.DNSError{IsTemporary: true}, true, false},
		{x509.UnknownAuthorityError{}, false, false},
		{&net.OpError{Op: "remote error", Err: errors.New("tls: certificate required")}, false, false},
		{errors.New(`unsupported protocol scheme "ftp"`), false, false},
		{nil, false, false},
	} {
		if Transient(c.err) != c.transient || NotSent(c.err) != c.notSent {
			t.Errorf("%v: transient %v, not sent %v", c.err, Transient(c.err), NotSent(c.err))
		}
	}
	if !Status(503) || !Status(522) || Status(404) || Status(501) {
		t.Error("wrong status codes are repeated")
	}
}
