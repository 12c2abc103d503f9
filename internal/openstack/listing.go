package openstack

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/gophercloud/gophercloud/v2"
	"github.com/gophercloud/gophercloud/v2/pagination"

	"github.com/galleyhq/galley/internal/openstack/session"
	"github.com/galleyhq/galley/internal/text"
)

// clientOf gives the client of a service, as [session.Session.ComputeClient].
type clientOf = func() *gophercloud.ServiceClient

// list returns the objects of all pages of a listing. label names them in
// errors: "servers".
func list[T, O any](
	ctx context.Context, label string, client clientOf,
	pages func(*gophercloud.ServiceClient, O) pagination.Pager, o O, extract func(pagination.Page) ([]T, error),
) ([]T, error) {
	all, err := pages(client(), o).AllPages(ctx)
	if err != nil {
		return nil, session.Explain("list the "+label, err)
	}
	out, err := extract(all)
	return out, session.Explain("read the list of "+label, err)
}

// each returns f of each element.
func each[T, U any](all []T, f func(T) U) []U {
	out := make([]U, len(all))
	for i, x := range all {
		out[i] = f(x)
	}
	return out
}

// idsWhere returns the IDs of the objects of a listing that fit.
func idsWhere[T any](all []T, err error, id func(T) string, fits func(T) bool) ([]string, error) {
	var ids []string
	for _, x := range all {
		if fits(x) {
			ids = append(ids, id(x))
		}
	}
	return ids, err
}

// byIDOrName asks for the objects of that ID if ref looks like one, and then for
// those of that name.
func byIDOrName[T any](ref string, ask func(id, name string) ([]T, error)) ([]T, error) {
	if looksLikeID(ref) {
		if found, err := ask(ref, ""); err != nil || len(found) > 0 {
			return found, err
		}
	}
	return ask("", ref)
}

// object is a kind of thing that references are resolved to.
type object interface{ key() (id, name string) }

func (i Image) key() (id, name string)         { return i.ID, i.Name }
func (f Flavor) key() (id, name string)        { return f.ID, f.Name }
func (n Network) key() (id, name string)       { return n.ID, n.Name }
func (v Volume) key() (id, name string)        { return v.ID, v.Name }
func (g SecurityGroup) key() (id, name string) { return g.ID, g.Name }
func (k KeyPair) key() (id, name string)       { return k.Name, k.Name }
func (f FloatingIP) key() (id, name string)    { return f.ID, f.Address }

// item is an object of which only this is needed.
type item struct{ id, name string }

func (i item) key() (id, name string) { return i.id, i.name }

func idOf[T object](x T) string {
	id, _ := x.key()
	return id
}

func nameOf[T object](x T) string {
	_, name := x.key()
	return name
}

// lookupID resolves ref to one of the listed objects. What looks like an ID is
// passed on: the service says clearly enough when it does not exist.
func lookupID[T object](ctx context.Context, c *Cloud, label, ref string, rep Reporter, all func(context.Context) ([]T, error)) (string, error) {
	if looksLikeID(ref) {
		return ref, nil
	}
	return lookup(ctx, c, label, ref, rep, func(ctx context.Context) (string, string, error) {
		list, err := all(ctx)
		if err != nil {
			return "", "", err
		}
		x, note, err := choose(label, ref, list)
		return idOf(x), note, err
	})
}

// choose finds the one that ref means among all: by ID, else by name, else by
// /regexp/, else by a regexp without slashes. note says what the user should
// know of the choice.
func choose[T object](label, ref string, all []T) (found T, note string, err error) {
	re, err := pattern(ref)
	if err != nil {
		return found, "", err
	}
	if re == nil {
		for _, of := range []func(T) string{idOf[T], nameOf[T]} {
			for _, x := range all {
				if of(x) == ref {
					return x, "", nil
				}
			}
		}
		re = barePattern(ref)
	}
	var hits []T
	for _, x := range all {
		if re != nil && re.MatchString(nameOf(x)) {
			hits = append(hits, x)
		}
	}
	switch {
	case len(hits) == 0:
		return found, "", notFound(label, ref, each(all, nameOf[T]))
	case !isPattern(ref):
		note = fmt.Sprintf("no %s has the name %q; taken for a regular expression (write /%s/) it means %s (%s)",
			label, ref, ref, nameOf(hits[0]), idOf(hits[0]))
	case len(hits) > 1:
		note = fmt.Sprintf("%d %ss match %s: taking %s (%s)", len(hits), label, ref, nameOf(hits[0]), idOf(hits[0]))
	}
	return hits[0], note, nil
}

func notFound(label, ref string, names []string) error {
	said := fmt.Sprintf("no %s has this ID or name", label)
	if isPattern(ref) {
		said = fmt.Sprintf("no %s has a name that matches", label)
	}
	return session.Fail(session.NotFound, fmt.Sprintf("find the %s %q", label, ref), said, suggest(label, strings.Trim(ref, "/"), names))
}

// suggest returns the hint of a failed lookup: the names near the given one, or
// else the names there are.
func suggest(label, name string, names []string) string {
	if hint := text.DidYouMean(name, names); hint != "" {
		return hint
	}
	names = slices.DeleteFunc(slices.Clone(names), func(s string) bool { return s == "" })
	slices.Sort(names)
	names = slices.Compact(names)
	switch {
	case len(names) == 0:
		return "this project has no " + label + " at all"
	case len(names) > 12:
		return fmt.Sprintf("the cloud has %d, among them %s", len(names), text.Quoted(names[:12]))
	}
	return "the cloud has " + text.Quoted(names)
}
