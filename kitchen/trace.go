package kitchen

import (
	"context"
	"fmt"
	"io/fs"
	"time"
)

type reporterKey struct{}

// ReporterOf returns the reporter of the step that ctx belongs to, for code that
// knows nothing of steps; outside of one it throws everything away.
func ReporterOf(ctx context.Context) *Reporter {
	r, _ := ctx.Value(reporterKey{}).(*Reporter)
	return r
}

func withReporter(ctx context.Context, r *Reporter) context.Context {
	return context.WithValue(ctx, reporterKey{}, r)
}

// Call tells of a call that has just ended, an [APICall] or an [SSHCall].
func (r *Reporter) Call(kind EventKind, took time.Duration, format string, args ...any) {
	r.emit(Event{Kind: kind, Text: fmt.Sprintf(format, args...), Elapsed: took})
}

// tracedConn reports how long each command on a machine takes.
type tracedConn struct{ Conn }

func traced(ctx context.Context, what string, start time.Time) {
	ReporterOf(ctx).Call(SSHCall, time.Since(start), "%s", what)
}

func (c tracedConn) Run(ctx context.Context, cmd Command) (int, error) {
	defer traced(ctx, "run a command", time.Now())
	return c.Conn.Run(ctx, cmd)
}

func (c tracedConn) Upload(ctx context.Context, src fs.FS, dest string) error {
	defer traced(ctx, "upload to "+dest, time.Now())
	return c.Conn.Upload(ctx, src, dest)
}

func (c tracedConn) Download(ctx context.Context, src, dest string) error {
	defer traced(ctx, "download "+src, time.Now())
	return c.Conn.Download(ctx, src, dest)
}

// Near implements [Neighbour].
func (c tracedConn) Near() bool {
	n, ok := c.Conn.(Neighbour)
	return ok && n.Near()
}
