package fetch

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
)

// Kind says what sort of failure an [Error] is, for callers that decide on it.
type Kind uint8

// The kinds of failure.
const (
	// KindUsage: the request contradicts itself, or a file it names cannot be
	// read.
	KindUsage Kind = iota + 1
	// KindHTTP: the server answered with a status that is no success.
	KindHTTP
	// KindAuth: the credentials were refused or could not be had.
	KindAuth
	// KindNetwork: no connection, or one that broke too often.
	KindNetwork
	// KindTimeout: nothing came for longer than allowed.
	KindTimeout
	// KindTruncated: the body was shorter than announced.
	KindTruncated
	// KindChecksum: the body is not the one that was promised.
	KindChecksum
	// KindRedirect: redirects in a loop, too many, or to where they must not
	// lead.
	KindRedirect
	// KindPaging: the pages repeat, or the next one cannot be told.
	KindPaging
	// KindJSON: the body is not JSON, or not of the shape asked for.
	KindJSON
	// KindCoding: the compressed body is broken or a bomb.
	KindCoding
	// KindLimit: more bytes came than allowed.
	KindLimit
	// KindDisk: the output could not be written.
	KindDisk
	// KindChanged: the body changed in mid-download and what was delivered
	// cannot be taken back.
	KindChanged
)

// Error is the error of a fetch that failed.
type Error struct {
	Kind Kind
	// Op is what was attempted, such as "GET https://…".
	Op string
	// Status is the HTTP status of KindHTTP and KindAuth, 0 if there was none.
	Status int
	Msg    string
	// Resumable says that part of the output was kept and a Request with
	// Resume goes on from there.
	Resumable bool
	hint      string
	err       error
}

func (e *Error) Error() string {
	var b strings.Builder
	if e.Op != "" {
		b.WriteString(e.Op)
		b.WriteString(": ")
	}
	b.WriteString(e.Msg)
	if e.err != nil {
		if e.Msg != "" {
			b.WriteString(": ")
		}
		b.WriteString(plainError(e.err))
	}
	return b.String()
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.err }

// Hint says what the person could do next, "" if nothing is known. A cause,
// such as the error of a [Source], may know it too.
func (e *Error) Hint() string {
	h := e.hint
	var cause interface{ Hint() string }
	if h == "" && errors.As(e.err, &cause) {
		h = cause.Hint()
	}
	if e.Resumable {
		kept := "what came so far is kept; the same command with --resume goes on from there"
		if h != "" {
			kept = h + "; " + kept
		}
		return kept
	}
	return h
}

func usage(format string, args ...any) *Error {
	return &Error{Kind: KindUsage, Msg: fmt.Sprintf(format, args...)}
}

// plainError prints a cause without the request line that net/http puts before
// it: the URL may carry secrets, and the message names it already.
func plainError(err error) string {
	var u *url.Error
	for errors.As(err, &u) {
		err = u.Err
	}
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return "the time allowed is over"
	case errors.Is(err, context.Canceled):
		return "interrupted"
	}
	return err.Error()
}

// secretParam reports whether the value of a query parameter of this name is
// better not shown.
func secretParam(name string) bool {
	name = strings.ToLower(name)
	for _, s := range []string{"token", "key", "secret", "sig", "password", "passwd", "credential", "auth"} {
		if strings.Contains(name, s) {
			// A page token is a cursor, and cursors are what one needs to see.
			return !strings.Contains(name, "page") && !strings.Contains(name, "next") && !strings.Contains(name, "marker")
		}
	}
	return false
}

// showURL returns u for a message or a summary, without what is secret in it.
func showURL(u *url.URL) string {
	if u == nil {
		return ""
	}
	c := *u
	if c.User != nil {
		c.User = url.User("[redacted]")
	}
	if c.RawQuery != "" {
		parts := strings.Split(c.RawQuery, "&")
		for i, p := range parts {
			if name, _, ok := strings.Cut(p, "="); ok && secretParam(name) {
				parts[i] = name + "=[redacted]"
			}
		}
		c.RawQuery = strings.Join(parts, "&")
	}
	return strings.ReplaceAll(c.String(), "%5Bredacted%5D", "[redacted]")
}

// clean makes words of a server fit for a line on a terminal.
func clean(s string, limit int) string {
	s = strings.Join(strings.FieldsFunc(s, func(r rune) bool { return r <= ' ' || r == 0x7f || r >= 0x80 && r < 0xa0 || r == '\ufeff' }), " ")
	if len(s) > limit {
		s = strings.ToValidUTF8(s[:limit], "") + "…"
	}
	return strings.ToValidUTF8(s, "\ufffd")
}
