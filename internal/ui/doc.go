// Package ui decides who prints what where: the console's lines and status
// lines, the log files, tables and colors. It receives everything as events of
// the engine and decides only how they look.
//
// Standard output carries what a script reads, standard error the rest. Color
// and status lines appear on a terminal only; NO_COLOR is honored. Whatever is
// printed is cleaned here, at the sink: without secrets, and without what
// would control the terminal.
//
// What is made of the events besides has a package each below it: runlog, the
// structured log; history, which puts its records together again; junit,
// report and summary, which show a history; ansi, which reads colors.
//
// internal/cli uses it; it imports the engine's event types and the small
// shared packages.
package ui
