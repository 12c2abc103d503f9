// Package runlog is the structured log of the actions on instances: one JSON
// object a line, in the files, with the fields and by the meaning of those
// that Test Kitchen 4.1 writes (.kitchen/logs/INSTANCE.ndjson, and
// kitchen.ndjson for the run as a whole), so that either tool reads the
// other's. What only Galley knows of an event is below one further key,
// "galley", which Test Kitchen passes over.
//
// A [Recorder] turns events into records and hands them to sinks: the files,
// and whatever else wants to know how a run went. Where Test Kitchen begins
// its files afresh with every run, these are always appended to, since runs
// and sessions in them have identifiers, and are bounded by size: a report can
// be made of a create, a converge and a verify that were three runs, and of
// one that was killed.
//
// Many processes may write one file at once: a record is one write of one
// line. [Scan] and [Tail] read; they pass over anything but JSON objects, as a
// line that a killed process or a full disk has cut short.
//
// internal/cli and the other packages below internal/ui use it; it imports
// internal/ui, for levels and the redactor, and the engine's event types.
package runlog
