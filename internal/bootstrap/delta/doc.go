// Package delta brings a tree of files onto a machine and sends what the
// machine lacks, decided by content hashes, as one compressed stream.
//
// It needs nothing of the machine but a POSIX shell and tar. With gzip the
// stream is compressed, with sha256sum only changed files are sent, and with
// GNU find an unchanged tree is recognised by one short command. Where one of
// them is missing more is sent, never something wrong.
//
// The package depends neither on SSH nor the engine: its caller hands it a
// [Runner]. It may be imported by the plug-ins below kitchen.
package delta
