// Package ui is who prints where: the console's lines and live progress, the
// log files, tables and colours. It hears of everything as events of the
// engine and decides only how they look.
//
// Standard output carries what a script reads, standard error the rest.
// Colour and live progress appear on a terminal only; NO_COLOR is honoured.
//
// What is made of the events beside that has a package each below it: runlog,
// the structured log; history, which puts its records together again; junit,
// report and summary, which show a history; ansi, which reads colours.
//
// internal/cli uses it; it imports the engine's event types and nothing else
// of ours.
package ui
