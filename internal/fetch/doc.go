// Package fetch brings what an HTTP server gives straight to disk, in constant
// memory: one body or many pages, compressed on the way, resumed after a
// failure, verified, and renamed into place only when it is whole.
//
// Its one entrance is [Fetch], which takes a [Request] and gives a [Summary].
// The command `galley fetch` is one caller; image and package downloads are
// others. internal/cli and the plug-ins below kitchen/ may import it. It knows
// no cloud: what a URL alone does not say (a catalogue's endpoint, a token and
// its renewal) comes through a [Source] of the caller's.
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
package fetch
