// Package history puts the records of the structured log together again to
// what happened: instances, the phases each went through, the waits
// in them, how each ended and why, and the end of its output.
//
// It hears of a run while it goes on, as a sink of [runlog.Recorder], or reads
// it afterwards from the files, also those of a run that was killed and those
// that Test Kitchen 4.1 wrote. The JUnit file, the HTML report and the closing
// summary are made from it.
//
// It imports internal/ui/runlog and the engine's names.
package history
