package berksfile

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/galleyhq/galley/internal/cookbooks/git"
	"github.com/galleyhq/galley/internal/cookbooks/source"
	"github.com/galleyhq/galley/internal/cookbooks/version"
)

// dependency is a cookbook line of a Berksfile, or what the lock says of one
// (Berkshelf: Dependency).
type dependency struct {
	job        *Job
	name       string
	constraint version.Constraint
	groups     []string
	place      *place
	// locked is the version that is chosen, nil while there is none.
	locked *version.Version
	// line says where it was written, as "Berksfile:3".
	line string

	book *source.Book // see cached
}

// place is where a cookbook comes from that no source has: a path or a git
// repository.
type place struct {
	path     string // relative to the Berksfile
	metadata bool   // it is the cookbook that the Berksfile belongs to
	git      *git.Place
	// found is the cookbook once it is here.
	found *source.Book
}

// equal says whether two places are the same for a lock.
func (p *place) equal(o *place) bool {
	switch {
	case p == nil || o == nil:
		return p == o
	case p.git == nil || o.git == nil:
		return p.git == nil && o.git == nil && p.path == o.path && p.metadata == o.metadata
	}
	a, b := p.git, o.git
	return a.URL == b.URL && a.Branch == b.Branch && a.Tag == b.Tag && short(a.Ref) == short(b.Ref) &&
		a.Rel == b.Rel
}

func short(ref string) string { return ref[:min(7, len(ref))] }

// String describes a place for people.
func (p *place) String() string {
	if p.git == nil {
		return "source at " + p.path
	}
	return fmt.Sprintf("%s (at %s)", p.git.URL, p.git.Name())
}

// lines are those of a lock.
func (p *place) lines() string {
	var b strings.Builder
	line := func(key, value string) {
		if value != "" {
			fmt.Fprintf(&b, "    %s: %s\n", key, value)
		}
	}
	if p.git == nil {
		line("path", p.path)
		if p.metadata {
			line("metadata", "true")
		}
		return b.String()
	}
	line("git", p.git.URL)
	line("revision", p.git.Revision)
	line("ref", short(p.git.Ref))
	line("branch", p.git.Branch)
	line("tag", p.git.Tag)
	line("rel", p.git.Rel)
	return b.String()
}

// lines are those of the section DEPENDENCIES of a lock.
func (d *dependency) lines() string {
	out := "  " + d.name
	if d.place == nil && d.constraint.String() != ">= 0.0.0" {
		out += " (" + d.constraint.String() + ")"
	}
	out += "\n"
	if d.place != nil {
		out += d.place.lines()
	}
	return out
}

func (d *dependency) String() string {
	v := d.constraint.String()
	if d.locked != nil {
		v = d.locked.String()
	}
	return fmt.Sprintf("%s (%s)", d.name, v)
}

func sortByName(list []*dependency) {
	slices.SortStableFunc(list, func(a, b *dependency) int { return strings.Compare(a.name, b.name) })
}

// cached returns the cookbook if it is on this machine. One with a place is
// then held at the version that is there.
func (d *dependency) cached(ctx context.Context) (*source.Book, error) {
	if d.book != nil {
		return d.book, nil
	}
	var err error
	switch {
	case d.place != nil:
		if d.book, err = d.job.atPlace(ctx, d.place); d.book == nil {
			return nil, err
		}
		d.locked = &d.book.Version
		d.constraint = version.Exactly(d.book.Version)
	case d.locked != nil:
		d.book, err = d.job.fromCache(ctx, d.name, *d.locked)
	}
	return d.book, err
}

// atPlace returns the cookbook at a place, nil where a repository has not been
// fetched yet.
func (j *Job) atPlace(ctx context.Context, p *place) (*source.Book, error) {
	if p.found != nil {
		return p.found, nil
	}
	dir := source.Absolute(j.root(), filepath.FromSlash(p.path))
	if p.git != nil {
		var ok bool
		if dir, ok = j.Cached(source.Place{Git: p.git}); !ok {
			return nil, nil
		}
	}
	b, err := j.Book(ctx, dir)
	if err == nil {
		p.found = b
	}
	return b, err
}

// install sees that a cookbook with a place is here and is the one that the
// Berksfile names.
func (d *dependency) install(ctx context.Context) error {
	want := source.Wanted{Name: d.name, Constraint: d.constraint}
	p, j := d.place, d.job
	if p.git == nil {
		b, err := j.atPlace(ctx, p)
		if err != nil {
			return fmt.Errorf("the cookbook %s (%s): %w", d.name, p, err)
		}
		_, err = j.Check(ctx, b.Dir, p.path, want)
		return err
	}
	var err error
	if p.git.Revision == "" {
		j.Sayf("Fetching '%s' from %s", d.name, p)
		if p.git.Revision, err = j.Git.Resolve(ctx, *p.git); err != nil {
			return fmt.Errorf("the cookbook %s: %w", d.name, err)
		}
	}
	_, err = j.Fetch(ctx, source.Place{Git: p.git}, want)
	return err
}
