// Package atomicfile replaces a file in one step: whoever reads it, also after
// a crash, finds the old content or the new one, whole. Records,
// caches and results are written with it; streams and whole trees are
// renamed elsewhere. Every package but the engine may import it.
package atomicfile
