// Package ansi reads the escape sequences that programs write to colour a
// terminal, so that their output can be shown where there is none.
//
// It imports the standard library only.
package ansi
