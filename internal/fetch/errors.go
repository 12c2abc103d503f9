package fetch

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"

	"github.com/galleyhq/galley/internal/secret"
	"github.com/galleyhq/galley/internal/text"
)

// Kind is the sort of failure that an [Error] is, for callers that decide on
// it.
type Kind uint8

// The kinds of failure.
const (
	// KindUsage: the request contradicts itself, or a file it names cannot be
	// read.
	KindUsage Kind = iota + 1
	// KindHTTP: the server answered with a status other than success.
	KindHTTP
	// KindAuth: the credentials were refused or are not available.
	KindAuth
	// KindNetwork: no connection, or one that broke too often.
	KindNetwork
	// KindTimeout: nothing came for longer than allowed.
	KindTimeout
	// KindTruncated: the body was shorter than announced.
	KindTruncated
	// KindChecksum: the body has another checksum than promised.
	KindChecksum
	// KindRedirect: redirects in a loop, too many, or to a forbidden place.
	KindRedirect
	// KindPaging: the pages repeat or are incomplete, or the next one is not
	// known.
	KindPaging
	// KindJSON: the body is not JSON, or not of the shape asked for.
	KindJSON
	// KindCoding: the compressed body is damaged or a bomb.
	KindCoding
	// KindLimit: more bytes came than allowed.
	KindLimit
	// KindDisk: the output could not be written.
	KindDisk
	// KindChanged: the body changed in mid-download and the bytes delivered
	// before cannot be undone.
	KindChanged
)

// Error is the error of a fetch that failed.
type Error struct {
	Kind Kind
	// Op is the request, such as "GET https://…".
	Op string
	// Status is the HTTP status of KindHTTP and KindAuth, 0 if there was none.
	Status int
	Msg    string
	// Body is the beginning of the body of an answer that is an error, at most
	// 4 KiB, as the server sent it.
	Body []byte
	// Resumable says that part of the output was kept and the same Request goes
	// on from there.
	Resumable bool
	hint      string
	given     bool // the checksum that failed was given by the user
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

// Hint says what the user could do next, "" if nothing is known. A cause, such
// as the error of a [Source], may know it too.
func (e *Error) Hint() string {
	h := e.hint
	var cause interface{ Hint() string }
	if h == "" && errors.As(e.err, &cause) {
		h = cause.Hint()
	}
	if e.Resumable {
		const kept = "the part downloaded so far is kept; the same command goes on from there"
		if h != "" {
			return h + "; " + kept
		}
		return kept
	}
	return h
}

func usage(format string, args ...any) *Error {
	return &Error{Kind: KindUsage, Msg: fmt.Sprintf(format, args...)}
}

// maxCause bounds the text of a cause: net/http quotes what a server sends.
const maxCause = 300

// plainError prints a cause without the request line that net/http puts before
// it: the URL may carry secrets, and the message names it already.
func plainError(err error) string {
	var u *url.Error
	for errors.As(err, &u) {
		err = u.Err
	}
	switch {
	case errors.Is(err, errMaxTime):
		return errMaxTime.Error()
	case errors.Is(err, context.DeadlineExceeded):
		return "the time allowed is over"
	case errors.Is(err, context.Canceled):
		return "interrupted"
	}
	return clean(err.Error(), maxCause)
}

// showURL returns u for a message or a summary, without the secrets in it.
func showURL(u *url.URL) string {
	if u == nil {
		return ""
	}
	return secret.URL(u.String()).String()
}

// clean makes words of a server fit for a line on a terminal.
func clean(s string, limit int) string {
	if len(s) > 8*limit {
		s = s[:8*limit]
	}
	s = strings.TrimPrefix(s, "\ufeff")
	return text.Shorten(strings.Join(strings.Fields(text.Clean(s)), " "), limit)
}
