// Package fetch brings what an HTTP server gives straight to disk, in constant
// memory: one body or many pages, compressed on the way, resumed after a
// failure, verified, and renamed into place only when it is whole.
//
// Its one entrance is [Fetch], which takes a [Request] and gives a [Summary].
// The command `galley fetch` calls it, for URLs as well as for a cloud's images
// and objects; whatever else in the house is to bring a file here does so too
// (packages are fetched by the machines that they are installed on).
// internal/cli and the plug-ins below kitchen/ may import it. It knows no
// cloud: what a URL alone does not say (a catalogue's endpoint, a token and its
// renewal) comes through a [Source] of the caller's.
//
// How the bytes flow:
//
//	stream ──► taps (digests, JSON scanner) ──► sink (blocks ► workers ► part file)
//
// The stream is one logical body, whatever became of the connections under it.
// The sink cuts what it is given into blocks, compresses each as a member
// (gzip) or frame (zstd) of its own on several cores, and writes them in
// order; every block is a place to resume from. A journal beside the part file
// says how far it is valid.
//
// Where to look, in the order in which a fetch goes through it: fetch.go (the
// loop over the pages), setup.go (the request is checked), client.go, auth.go
// and retry.go (one exchange, through redirects and repetitions), open.go and
// resume.go (the output, and what an earlier run left), page.go (one page, from
// its beginning if need be), stream.go (its bytes, whatever connection they come
// by), pump.go and taps.go (they are moved, looked at and verified), sink.go and
// coding.go (compressed and written), pages.go (the next page), finish.go (synced
// and renamed), journal.go (what to resume from).
package fetch
