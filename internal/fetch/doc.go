// Package fetch downloads the responses of an HTTP server to disk, in constant
// memory: one body or many pages, compressed on the way, resumed after a
// failure, verified, and renamed into place only once they are complete.
//
// Its entry point is [Fetch], which takes a [Request] and returns a [Summary].
// The command `galley fetch` calls it, for URLs as well as for a cloud's images
// and objects. internal/cli and the plug-ins may import it. It does not depend
// on any cloud: an endpoint from a catalogue, a token and its renewal come from
// the caller's [Source], an object as the output is the caller's [Store].
//
// How the bytes flow:
//
//	stream ──► inspection (digests, document) ──► sink (blocks ► workers ► part file)
//
// The stream is one logical body, whatever happens to the connections under it.
// The sink cuts its input into blocks, compresses each as a separate member
// (gzip) or frame (zstd) on all cores, and writes them in order; every block is
// a place to resume from. A journal beside the part file says how far it is
// valid.
//
// Where to look: fetch.go and session.go (one fetch, its loop over the pages);
// paging.go, shape.go and the pagers (the next page, and whether a page is
// complete), preset.go (the options for common APIs); client.go, exchange.go,
// transport.go and failure.go (one exchange, through redirects and
// repetitions), lookahead.go and split.go (requests before their turn); page.go,
// inspect.go and move.go (one page, from its beginning if need be), stream.go
// (its bytes), document.go (its values); output.go, sink.go and coding.go
// (compressed and written), commit.go (synced and renamed), journal.go,
// resume.go, tail.go and aside.go (what a later run goes on with).
package fetch
