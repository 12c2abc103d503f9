package config

import (
	"fmt"

	"github.com/galleyhq/galley/internal/text"
)

// Error is a fault in what the user wrote. Commands that read a
// configuration end with exit status 20 on it, as Test Kitchen does.
type Error struct {
	// File is the file at fault, "" when none is.
	File string
	// Line and Column count from 1; 0 is unknown.
	Line, Column int
	// Msg describes the fault: lower case, no full stop.
	Msg string
	// Text is the offending piece of the file, "" when there is none.
	Text string
	// Advice is what to do next, "" when there is nothing to add.
	Advice string
	// Err is the cause, may be nil.
	Err error
}

// Error has the form "kitchen.yml:3:5: message: the text".
func (e *Error) Error() string {
	s := text.Place(e.File, e.Line, e.Column) + e.Msg
	if e.Text != "" {
		s += ": " + e.Text
	}
	return s
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// Hint returns what to do next.
func (e *Error) Hint() string { return e.Advice }

// ValueError is a value that is not of the form its key wants.
type ValueError struct {
	// Section is the plug-in's part ("driver"), "" when unknown.
	Section string
	Key     string
	// Where is the file and line ("kitchen.yml:12"), or "default".
	Where string
	// Found is the value as a person would name it, Want what the key wants.
	Found, Want string
}

// FaultyValue names the value for [Faults].
func (e *ValueError) FaultyValue() string { return e.Where + " " + e.Key }

// Error has the form `kitchen.yml:12: driver key "port" is "abc", not a whole
// number`.
func (e *ValueError) Error() string {
	key := "key"
	if e.Section != "" {
		key = e.Section + " key"
	}
	where := ""
	if e.Where != "" && e.Where != "default" {
		where = e.Where + ": "
	}
	return fmt.Sprintf("%s%s %q is %s, not %s", where, key, e.Key, e.Found, e.Want)
}

// Problem is something that is worth a word and no failure.
type Problem struct {
	File         string
	Line, Column int
	// Code names the kind of problem in one word, for programs:
	// "unknown-key", "foreign-key", "duplicate-key", "deprecated-key", "wrong-type", …
	Code string
	// Key is the path of the key, as in "driver.image_rf".
	Key string
	// Msg describes the problem: lower case, no full stop.
	Msg string
	// Advice is what to do about it, "" for nothing.
	Advice string
	// Fatal says that a command which uses the configuration would fail.
	Fatal bool
}

// String has the form "kitchen.yml:3:5: message (what to do)".
func (p Problem) String() string {
	s := (&Error{File: p.File, Line: p.Line, Column: p.Column, Msg: p.Msg}).Error()
	if p.Advice != "" {
		s += " (" + p.Advice + ")"
	}
	return s
}
