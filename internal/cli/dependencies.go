package cli

import (
	"github.com/galleyhq/galley/internal/secret"
	"github.com/galleyhq/galley/internal/ui"
)

// deps are what commands are made of. A command takes those that it needs into
// its options.
type deps struct {
	// program faces the user: streams, messages, questions.
	*program
	// settings reads the environment and says which files are read.
	*settings
	// knife is knife's configuration.
	knife *knifeSetup
	// clouds logs in to a cloud without a kitchen file.
	clouds *cloudAccess
	// projects opens the configuration of the current directory.
	projects *projects
	// chef connects to the Chef Server.
	chef *chefAccess
}

func newDeps(name string, streams *ui.Streams) *deps {
	p := &program{streams: streams, name: name, secrets: &secret.Redactor{}}
	s := &settings{program: p}
	d := &deps{program: p, settings: s, knife: &knifeSetup{settings: s}, projects: &projects{settings: s}}
	d.clouds = &cloudAccess{settings: s, knife: d.knife}
	d.chef = &chefAccess{knife: d.knife}
	return d
}
