package fetch

import (
	"context"
	"io"
	"net/http"
	"net/url"
	"time"
)

// Request says what to fetch, how, and where to. Its zero values are the
// defaults told at each field; URL or Source, and Output, must be given.
type Request struct {
	// URL is what to fetch. User and password in it become basic
	// authentication.
	URL string
	// Source finds and signs what a URL alone does not say; then URL is empty.
	Source Source
	// Method is GET, or POST with a Body, unless given.
	Method string
	// Header is sent with every request to URL's origin. To another origin
	// (a redirect, a page elsewhere) only what cannot be a secret is sent:
	// Accept, Accept-Language, User-Agent and Content-Type.
	Header http.Header
	// Body is the request's body, nil for none.
	Body *Body
	// Auth signs the requests to URL's origin; nil for none.
	Auth Authorizer
	TLS  TLS
	// Proxy chooses a proxy for a request; nil means the environment's
	// (HTTPS_PROXY, HTTP_PROXY, NO_PROXY), as net/http reads it.
	Proxy func(*http.Request) (*url.URL, error)
	// HTTP1 forbids HTTP/2.
	HTTP1 bool
	// UserAgent is "galley" unless given.
	UserAgent string

	Output Output
	// Resume goes on from what an earlier, failed fetch of the same request
	// to the same output left behind; without it such remains are overwritten.
	Resume bool
	// Items is the JSON path of an array: its elements are written, one per
	// line, in place of the pages. Nil for none, the root is "".
	Items *string
	Pages Pages

	Limits   Limits
	Timeouts Timeouts
	Retry    Retry
	// Checksum is what the body must have, as "sha256:HEX" (also md5, sha1,
	// sha224, sha384, sha512); of a body with a Content-Encoding it is that of
	// the content. Repr-Digest, Content-Digest, Digest and Content-MD5 are
	// verified without being asked for. A body whose checksum is known is gone
	// on with although the server names no version of it: should the parts not
	// make it, it is read anew.
	Checksum string

	// Meter, if given, can be read from another goroutine while the fetch
	// runs.
	Meter *Meter
	// Notify, if given, receives what a person should know although it is no
	// failure: a fetch that starts over, a body whose end cannot be verified.
	Notify func(msg string)

	hooks hooks
}

// Output says where the fetched bytes go and in which form.
type Output struct {
	// Path is the file to write. With a verb for the page's number
	// ("page-%05d.json") each page is a file. A path that is there already
	// and is no regular file (a pipe, /dev/null) is written to directly.
	Path string
	// Writer receives the bytes in place of a file. What was written to it
	// cannot be taken back: a failure is known by the error alone.
	Writer io.Writer
	// Named takes the file's name from Content-Disposition or the URL, made
	// safe, in the directory Path ("" is the current one). A file that exists
	// is not overwritten unless Overwrite is set.
	Named     bool
	Overwrite bool
	// Compress is the format to store; Auto goes by the name's ending.
	Compress Format
	// Level is the compression's level: gzip 1 to 9, zstd 1 to 4 (fastest,
	// default, better, best). 0 means 1.
	Level int
	// Workers is how many cores compress at once; 0 means all.
	Workers int
	// NoSync leaves out the fsync before the rename: a power failure may then
	// lose what a finished fetch has written.
	NoSync bool
}

// Limits bound what a fetch takes. 0 means no limit but for the ones named.
type Limits struct {
	// ChunkSize bounds one read, in bytes; 0 means 256 KiB.
	ChunkSize int
	// Memory bounds the buffers and compressors of a fetch, in bytes, by
	// making blocks smaller and workers fewer. It must be 4 MiB at least.
	Memory int64
	// Bytes bounds what may come, on the wire as well as decompressed.
	Bytes int64
	// Ratio bounds by how much a compressed body may grow, once 16 MiB came
	// out of it; 0 means 250, a negative number no bound.
	Ratio int
	// BytesPerSecond and RequestsPerSecond bound the rate.
	BytesPerSecond    float64
	RequestsPerSecond float64
}

// Timeouts say how long nothing may happen. There is none for the whole.
type Timeouts struct {
	// Connect bounds the making of a connection, TLS included; 0 means 30 s.
	Connect time.Duration
	// FirstByte bounds the wait for an answer's header once the request was
	// sent; 0 means 2 minutes.
	FirstByte time.Duration
	// Stall bounds the wait for the next bytes of a body; 0 means 60 s.
	Stall time.Duration
}

// Retry says how failures that may pass are met.
type Retry struct {
	// Attempts is how often in a row a request may fail without any progress
	// before the fetch gives up; 0 means 6, 1 means no repetition.
	Attempts int
	// Base is the first pause, doubled each time up to Max, and shortened by
	// up to a half at random; 0 means 500 ms and 1 minute.
	Base, Max time.Duration
	// AfterMax bounds what a server may ask for in Retry-After; more is an
	// error. 0 means 5 minutes.
	AfterMax time.Duration
	// Unsafe repeats methods as well that may have an effect each time (POST,
	// PATCH) when it is not known whether the server has acted.
	Unsafe bool
}

// TLS says how servers are verified and who we are to them.
type TLS struct {
	// CACert is a PEM file of authorities to trust besides the system's.
	CACert string
	// Cert and Key are PEM files of a client certificate, shown to URL's
	// origin alone. Key may be in Cert's file.
	Cert, Key string
	// Insecure skips the verification of the server's certificate.
	Insecure bool
}

// Authorizer adds credentials to requests. Fetch calls it for requests to the
// first URL's origin only, before each attempt, from one goroutine at a time.
type Authorizer interface {
	Authorize(r *http.Request) error
}

// Refresher is an [Authorizer] that can renew its credentials. Refresh is
// called after a 401; nil means that the request is worth another attempt.
type Refresher interface {
	Refresh(ctx context.Context) error
}

// Source resolves what is named otherwise than by a URL, and signs the
// requests for it. It may be a [Refresher] as well.
type Source interface {
	Authorizer
	// Resolve is called once, before anything else.
	Resolve(ctx context.Context) (Target, error)
}

// Target is what a [Source] resolves to.
type Target struct {
	URL string
	// Root is the path under which the service lies, "" for the host's root. A
	// next page's path that lies outside is taken to be relative to it, since
	// services often do not know where a proxy has put them.
	Root string
	// TLS, if not zero, is used in place of the request's.
	TLS TLS
	// Name is the file's name for Output.Named, "" if the source knows none.
	Name string
	// Checksum is as Request.Checksum; the request's own goes before it. It is
	// that of what GET gives, and no other method.
	Checksum string
	// ChecksumOf, if given, finds the body's checksum in the header of the
	// answer to GET, "" if there is none.
	ChecksumOf func(http.Header) string
}

// Summary tells what was fetched. Its JSON is `galley fetch --summary`.
type Summary struct {
	URL   string   `json:"url"`
	Files []string `json:"files,omitempty"` // the last 1000, when each page is a file
	// Received are bytes of bodies on the wire, in this run. Content is what
	// they are without Content-Encoding, where that was looked at. Written is
	// the size of the output.
	Received int64 `json:"bytes_received"`
	Content  int64 `json:"bytes_content,omitempty"`
	Written  int64 `json:"bytes_written"`
	// Compressed is the output's format; PassedThrough says that the server's
	// own compression was kept.
	Compressed    string `json:"compress"`
	PassedThrough bool   `json:"passed_through"`
	Pages         int    `json:"pages"`
	Items         int64  `json:"items,omitempty"`
	Requests      int64  `json:"requests"`
	Retries       int64  `json:"retries"`
	// ResumedAt is the byte, and ResumedPage the page from 1, that an earlier
	// fetch had come to.
	ResumedAt   int64 `json:"resumed_at,omitempty"`
	ResumedPage int   `json:"resumed_page,omitempty"`
	// StartedOver is why nothing was resumed although it was asked for.
	StartedOver string `json:"started_over,omitempty"`
	// Verified names what was verified of a single body: "length", "digest",
	// "json". Of pages: what held for each of them.
	Verified []string `json:"verified,omitempty"`
	// Stopped says why the last page was the last.
	Stopped string        `json:"stopped,omitempty"`
	ETag    string        `json:"etag,omitempty"`
	Elapsed time.Duration `json:"-"`
	Seconds float64       `json:"seconds"`
}
