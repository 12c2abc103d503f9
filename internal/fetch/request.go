package fetch

import (
	"context"
	"io"
	"net/http"
	"net/url"
	"time"
)

// Request says what to fetch, how, and where to. Its zero values are the
// defaults given at each field; URL or Source, and Output, are required.
type Request struct {
	// URL is what to fetch. User and password in it become basic
	// authentication.
	URL string
	// Source resolves and signs requests that need more than a URL; then URL is
	// empty.
	Source Source
	// Method is GET, or POST with a Body, unless given.
	Method string
	// Header is sent with every request to URL's origin. To another origin
	// (a redirect, a page elsewhere) only headers without secrets are sent:
	// Accept, Accept-Language, User-Agent and Content-Type.
	Header http.Header
	// Body is the request's body, nil for none.
	Body *Body
	// Auth signs the requests to URL's origin; nil for none.
	Auth Authorizer
	TLS  TLS
	// Proxy chooses a proxy for a request; nil means the environment's
	// (HTTPS_PROXY, HTTP_PROXY, ALL_PROXY, NO_PROXY).
	Proxy func(*http.Request) (*url.URL, error)
	// UnixSocket is the path of a socket that all connections are made to.
	UnixSocket string
	// HostAddresses maps "host:port" to the address to connect to instead, as
	// curl's --resolve does.
	HostAddresses map[string]string
	// NoCookies neither keeps nor sends the cookies that servers set.
	NoCookies bool
	// HTTP1 forbids HTTP/2.
	HTTP1 bool
	// UserAgent is "galley" unless given.
	UserAgent string

	Output Output
	// Resume goes on from the kept part of an earlier fetch although its
	// address was another; a fetch of the same address does so by itself.
	Resume bool
	// Restart discards the kept part of an earlier fetch.
	Restart bool
	// IfChanged fetches only if the body differs from the one that this output
	// was made from (If-None-Match, If-Modified-Since). It needs a StateDir.
	IfChanged bool
	// StateDir is where IfChanged remembers the versions of finished outputs,
	// "" for none.
	StateDir string
	// Items is the path of an array in JSON, whose elements are written one per
	// line in place of the pages. Nil for none, the root is "".
	Items *string
	Pages Pages
	// Parallel is how many pages are requested at once where their addresses
	// are known; 0 means 8, 1 one after the other.
	Parallel int
	// Split downloads a single body over this many connections at once, where
	// the server serves ranges of a version it names; 0 and 1 mean one.
	Split int

	// Raw stores bodies as they come, with their Content-Encoding.
	Raw bool
	// NoVerify stores compressed bodies that pass through without checking
	// them to their end.
	NoVerify bool
	// UTF8 converts text of another charset to UTF-8.
	UTF8 bool
	// WantJSON makes a body of HTML an error.
	WantJSON bool

	Limits   Limits
	Timeouts Timeouts
	Retry    Retry
	// Checksum is what the body must have, as "sha256:HEX" (also md5, sha1,
	// sha224, sha384, sha512); of a body with a Content-Encoding it is that of
	// the content. Repr-Digest, Content-Digest, Digest and Content-MD5 are always
	// verified. With a checksum a download is resumed even if the server names
	// no version of the body: if the parts do not match, it is read again.
	Checksum string
	// FailBody is the path of a file for the body of an answer that is an
	// error, "" for none.
	FailBody string

	// Meter, if given, can be read from another goroutine while the fetch
	// runs.
	Meter *Meter
	// Notify, if given, receives notices that are not failures: a fetch that
	// starts over, a pause before a repetition, an end that cannot be verified.
	Notify func(msg string)
	// Trace, if given, receives a line for each request and answer, without
	// secrets.
	Trace func(line string)
	// Shared is common to several fetches that run at once, nil for one alone.
	Shared *Shared

	hooks hooks
}

// Output says where the fetched bytes go and in which form.
type Output struct {
	// Path is the file to write. With a verb for the page's number
	// ("page-%05d.json") each page is a file. A path that exists
	// and is not a regular file (a pipe, /dev/null) is written to directly.
	Path string
	// Writer receives the bytes in place of a file. Written bytes cannot be
	// undone: a failure is known by the error alone.
	Writer io.Writer
	// Store receives the bytes in place of a file, and makes them an object at
	// the end.
	Store Store
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
	// RemoteTime gives the file the time of Last-Modified.
	RemoteTime bool
	// Manifest is the path of a file that lists the output's files with their
	// sizes and SHA-256, one JSON object per line; "" for none.
	Manifest string
}

// Store is an output that is not a local file, such as an object in a cloud.
type Store interface {
	io.Writer
	// Commit makes the written bytes an object. Nothing is visible before.
	Commit(ctx context.Context) error
	// Abort removes the written bytes. It is called after a failure, also of
	// Commit.
	Abort(ctx context.Context)
	// Name is how the output is called in messages.
	Name() string
}

// Limits bound the memory and traffic of a fetch. 0 means no limit, except
// where a default is named.
type Limits struct {
	// ChunkSize bounds one read, in bytes; 0 means 256 KiB.
	ChunkSize int
	// Memory bounds the buffers and compressors of a fetch, in bytes, by
	// making blocks smaller and workers fewer. It must be 4 MiB at least.
	Memory int64
	// Bytes bounds the bytes received, on the wire as well as decompressed.
	Bytes int64
	// Ratio bounds by how much a compressed body may grow, once 16 MiB came
	// out of it; 0 means 250, a negative number no bound.
	Ratio int
	// BytesPerSecond and RequestsPerSecond bound the rate.
	BytesPerSecond    float64
	RequestsPerSecond float64
	// MinBytesPerSecond is the speed below which, over 15 seconds, a connection
	// counts as broken.
	MinBytesPerSecond float64
}

// Timeouts say how long nothing may happen.
type Timeouts struct {
	// Connect bounds the making of a connection, TLS included; 0 means 30 s.
	Connect time.Duration
	// FirstByte bounds the wait for an answer's header once the request was
	// sent; 0 means 2 minutes.
	FirstByte time.Duration
	// Stall bounds the wait for the next bytes of a body; 0 means 60 s.
	Stall time.Duration
	// Total bounds the whole fetch; 0 means no bound.
	Total time.Duration
}

// Retry says how temporary failures are repeated.
type Retry struct {
	// Attempts is how often in a row a request may fail without any progress
	// before the fetch gives up; 0 means 6, 1 means no repetition.
	Attempts int
	// Base is the first pause, doubled each time up to Max, and shortened by
	// up to a half at random; 0 means 500 ms and 1 minute.
	Base, Max time.Duration
	// AfterMax bounds the pause that a server may ask for; more is an error. 0
	// means 5 minutes.
	AfterMax time.Duration
	// Unsafe repeats methods as well that may have an effect each time (POST,
	// PATCH) when it is not known whether the server has acted.
	Unsafe bool
}

// TLS says how servers are verified, and holds the client's certificate.
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
// called after a 401; on success the request is sent once more.
type Refresher interface {
	Refresh(ctx context.Context) error
}

// Source resolves things that are not named by a URL, and signs the requests
// for them. It may be a [Refresher] as well.
type Source interface {
	Authorizer
	// Resolve is called once, before anything else.
	Resolve(ctx context.Context) (Target, error)
}

// Target is the result of [Source.Resolve].
type Target struct {
	URL string
	// Root is the path of the service, "" for the host's root. A next page's
	// path outside of it is taken as relative to it, since services often do
	// not know the path that a proxy has given them.
	Root string
	// TLS, if not zero, is used in place of the request's.
	TLS TLS
	// Name is the file's name for Output.Named, "" if the source knows none.
	Name string
	// Checksum is as Request.Checksum, which overrides it. It is that of the
	// answer to GET, and of no other method.
	Checksum string
	// ChecksumOf, if given, finds the body's checksum in the header of the
	// answer to GET, "" if there is none.
	ChecksumOf func(http.Header) string
}
