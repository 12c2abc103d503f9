package policyfile

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/galleyhq/galley/internal/cookbooks/source"
	"github.com/galleyhq/galley/internal/cookbooks/version"
	"github.com/galleyhq/galley/internal/jsonorder"
)

// policy is a Policyfile as it was read.
type policy struct {
	name      string
	runList   []string // cookbook::recipe or cookbook, duplicates dropped
	named     []namedList
	sources   []*preferred
	cookbooks []*location
	includes  []*include
	defaults  *jsonorder.Object
	overrides *jsonorder.Object
}

// namedList is a named run list.
type namedList struct {
	name  string
	items []string
}

// preferred is a source and the cookbooks for which it is preferred.
type preferred struct {
	source.Source
	names []string
}

// location is a cookbook line of a Policyfile, or a cookbook of the solution:
// where one cookbook comes from.
type location struct {
	name       string
	constraint version.Constraint
	kind       string // a key of kinds, "" where the default sources have it
	options    *jsonorder.Object
	// origin is the line, as "Policyfile.rb:7".
	origin string

	*source.Book        // nil until the cookbook is here
	revision     string // of a git repository
}

// The options that say where a cookbook comes from.
const (
	kindPath           = "path"
	kindGit            = "git"
	kindGithub         = "github"
	kindSupermarket    = "artifactserver"
	kindArtifactory    = "artifactory"
	kindServer         = "chef_server"
	kindServerArtifact = "chef_server_artifact"
)

var kinds = []string{
	kindGit, kindGithub, kindPath, kindSupermarket, kindServer, kindServerArtifact, kindArtifactory,
}

// newLocation checks what a cookbook line says.
func newLocation(name, constraint string, options *jsonorder.Object, origin string) (*location, error) {
	c, err := version.ParseConstraint(constraint)
	if err != nil {
		return nil, fmt.Errorf("cookbook %s: %w", name, err)
	}
	l := &location{name: name, constraint: c, options: options, origin: origin}
	for _, key := range options.Keys() {
		if slices.Contains(kinds, key) {
			l.kind = key
			break
		}
	}
	switch {
	case options.Len() > 0 && l.kind == "":
		return nil, fmt.Errorf("cookbook %s has invalid source options %s; one of %s must say where it comes from",
			name, inspectOptions(options), strings.Join(kinds, ", "))
	case l.kind == kindGithub:
		l.kind = kindGit
		git := jsonorder.NewObject("git", "https://github.com/"+options.String(kindGithub)+".git")
		for _, key := range options.Keys() {
			if key != kindGithub {
				git.Set(key, options.Value(key))
			}
		}
		l.options = git
	}
	if l.kind != "" && l.options.String(l.kind) == "" {
		return nil, fmt.Errorf("cookbook %s: the option %s must be a text", name, l.kind)
	}
	return l, nil
}

// fixed says whether the version is decided by the place, not by the solver.
func (l *location) fixed() bool {
	return l.kind == kindPath || l.kind == kindGit || l.kind == kindServerArtifact
}

// inspectOptions shows options as Ruby would.
func inspectOptions(o *jsonorder.Object) string {
	parts := make([]string, 0, o.Len())
	for _, k := range o.Keys() {
		v := o.Value(k)
		if s, ok := v.(string); ok {
			v = fmt.Sprintf("%q", s)
		}
		parts = append(parts, fmt.Sprintf("%s: %v", k, v))
	}
	return "{" + strings.Join(parts, ", ") + "}"
}

// cookbookOf is the cookbook of an entry of a run list.
func cookbookOf(item string) string {
	name, _, _ := strings.Cut(item, ":")
	return name
}

// normalized is an entry of a run list as a lock has it.
func normalized(item string) string {
	if !strings.Contains(item, "::") {
		item += "::default"
	}
	return "recipe[" + item + "]"
}

// find returns the line of a cookbook, nil where there is none.
func (p *policy) find(name string) *location {
	for _, l := range p.cookbooks {
		if l.name == name {
			return l
		}
	}
	return nil
}

// mistakes is the error of a Policyfile with these problems, each with its line
// where it has one.
func mistakes(file string, problems ...string) error {
	if len(problems) == 1 {
		return errors.New(file + ": " + problems[0])
	}
	return errors.New(file + ":\n  " + strings.Join(problems, "\n  "))
}
