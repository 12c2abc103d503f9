package source

import (
	"context"
	"fmt"

	"github.com/galleyhq/galley/internal/cookbooks/git"
	"github.com/galleyhq/galley/internal/ruby"
)

// Options are what the work on a Policyfile or a Berksfile needs.
type Options struct {
	Source *Context
	Git    *git.Client
	// Dir is the current folder, to which relative file names refer.
	Dir string
	// AllowExec lets the file run commands.
	AllowExec ruby.Consent
	// ChefConfig returns a setting of knife's configuration, nil where it has
	// none; may be nil.
	ChefConfig func(ctx context.Context, key string) (any, error)
	// Say receives progress, Warn warnings; both may be nil.
	Say, Warn func(line string)
}

// Sayf reports progress.
func (o *Options) Sayf(format string, args ...any) {
	if o.Say != nil {
		o.Say(fmt.Sprintf(format, args...))
	}
}

// Warnf reports a warning.
func (o *Options) Warnf(format string, args ...any) {
	if o.Warn != nil {
		o.Warn(fmt.Sprintf(format, args...))
	}
}
