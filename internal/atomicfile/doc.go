// Package atomicfile replaces a file in one step: whoever reads it, also after
// a crash, finds the old content or the new one, whole. Every package but the
// engine writes its records, caches and results with it.
package atomicfile
