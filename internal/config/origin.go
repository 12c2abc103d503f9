package config

import (
	"fmt"
	"strings"
)

// Origin tells how a value came to be.
type Origin struct {
	// File is the path as given or found, "" for a value of Galley's own.
	File string
	// Line and Column are its place in the file, the template when the
	// file has ERB; counted from 1, 0 when unknown.
	Line, Column int
	// Default says that no file set it, and whose default it is.
	Default string
	// ERB says that a template's code wrote the text, or a part of it.
	ERB bool
	// Env are the environment variables that this code read, in order.
	Env []string
	// Moved is the old place of a value that a legacy rule has moved
	// ("driver.require_chef_omnibus").
	Moved string
}

// String writes the origin in the form "kitchen.yml:12", "default", or with
// what else is known of it behind.
func (o *Origin) String() string {
	if o == nil || o.File == "" {
		if o != nil && o.Default != "" && o.Default != "default" {
			return "default of " + o.Default
		}
		return "default"
	}
	var b strings.Builder
	b.WriteString(o.place())
	if o.ERB {
		b.WriteString(" (ERB")
		if len(o.Env) > 0 {
			b.WriteString(", ENV ")
			b.WriteString(strings.Join(o.Env, ", "))
		}
		b.WriteString(")")
	}
	if o.Moved != "" {
		b.WriteString(" (as " + o.Moved + ")")
	}
	return b.String()
}

// place is the file and line alone.
func (o *Origin) place() string {
	switch {
	case o == nil || o.File == "":
		return "default"
	case o.Line == 0:
		return o.File
	}
	return fmt.Sprintf("%s:%d", o.File, o.Line)
}
