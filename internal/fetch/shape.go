package fetch

import (
	"fmt"
	"slices"
	"strings"

	"github.com/galleyhq/galley/internal/fetch/jsonscan"
)

// noFailure refuses a page that carries an error, which many servers send with
// status 200.
func (p *paging) noFailure(at checkpoint, r *pageResult) error {
	if r.doc == nil || p.AllowErrors {
		return nil
	}
	what := p.query.reported(r.doc)
	if what == "" {
		return nil
	}
	e := p.fail(r, "page %d reports an error: %s", at.Page, what)
	e.hint = "if such pages are data, say --allow-errors"
	return suspicion{e}
}

// whole judges whether a page is one of the list's: it must have the members
// that the first page had.
func (p *paging) whole(at checkpoint, r *pageResult) error {
	if r.doc == nil {
		return nil
	}
	root, keys := r.doc.Root(), r.doc.Keys()
	all := len(keys) < jsonscan.MaxKeys
	if p.start == nil {
		if at.Page == 1 {
			p.start = &pageShape{Root: root, Keys: slices.Clone(keys), All: all}
		}
		// A resumed run has not seen the first page; its own path is checked.
		return p.hasRecords(at, r, keys)
	}
	if p.End.Missing {
		return nil
	}
	if root != p.start.Root {
		e := p.fail(r, "page %d is %v and the first page was %v", at.Page, root, p.start.Root)
		return suspicion{p.hintKeys(e, keys)}
	}
	if all && p.start.All && !p.provesItself(r) {
		for _, key := range p.start.Keys {
			if !slices.Contains(keys, key) && !p.query.mayLack(key) {
				return suspicion{p.lacks(at, r, key)}
			}
		}
	}
	return p.hasRecords(at, r, keys)
}

// provesItself reports whether a page has the values that it is there for, so
// that other members may be missing.
func (p *paging) provesItself(r *pageResult) bool {
	if p.counts() && r.kind == jsonscan.Array {
		return true
	}
	for _, i := range []int{p.query.more, p.query.stop, p.query.total, p.query.totalPages} {
		if r.value(i).Kind != jsonscan.None {
			return true
		}
	}
	return false
}

// hasRecords refuses a page without the array of records, except the first:
// itemsFound does that for every page of the run's own.
func (p *paging) hasRecords(at checkpoint, r *pageResult, keys []string) error {
	if !p.counts() || at.Page == 1 || p.End.Missing {
		return nil
	}
	switch {
	case r.kind == jsonscan.None:
		return suspicion{p.lacks(at, r, p.query.itemsText())}
	case r.kind == jsonscan.Null && p.start != nil && len(keys) > len(p.start.Keys):
		// An empty list is null in many APIs; but not beside news.
		e := p.fail(r, "page %d has null at %s, and members that the first page did not have", at.Page, p.query.itemsText())
		return suspicion{p.hintKeys(e, keys)}
	}
	return nil
}

// lacks is the error of a page without something that the first page had, or
// that ends the pages.
func (p *paging) lacks(at checkpoint, r *pageResult, what string) *Error {
	e := p.fail(r, "page %d has no %q", at.Page, clean(what, 80))
	var keys []string
	if r.doc != nil {
		keys = r.doc.Keys()
	}
	return p.hintKeys(e, keys)
}

// hintKeys adds the names that a page had, and the option that accepts it.
func (p *paging) hintKeys(e *Error, keys []string) *Error {
	if len(keys) > 0 {
		e.Msg += " (it has " + showKeys(keys) + ")"
	}
	e.hint = "check the path; if the last page is like that, say --end-on missing"
	return e
}

func showKeys(keys []string) string {
	const most = 12
	shown := make([]string, 0, most+1)
	for i, k := range keys {
		if i == most {
			shown = append(shown, "…")
			break
		}
		shown = append(shown, clean(k, 40))
	}
	return strings.Join(shown, ", ")
}

// last reports whether a page says that it is the last.
func (p *paging) last(at checkpoint, r *pageResult) bool {
	last, err := p.says(at, r)
	return last != "" && err == nil
}

// itemsFound refuses a page that has no array at the path of the records.
func (p *paging) itemsFound(op string, at checkpoint, resumed bool, r *pageResult) error {
	switch {
	case r.kind == jsonscan.Array, r.kind == jsonscan.Null:
		return nil
	case r.kind == jsonscan.None && (at.Page > 1 || resumed || p.End.Missing):
		return nil // the rules of pages decide
	case p.mode != onePage && p.last(at, r):
		return nil
	case r.doc != nil && p.query.reported(r.doc) != "" && p.mode != onePage:
		return nil // as well
	}
	e := &Error{Kind: KindJSON, Op: op, Msg: fmt.Sprintf("expected an array at %s, found %v", p.query.itemsText(), r.kind)}
	if r.doc != nil && len(r.doc.Keys()) > 0 {
		e.hint = "the body has the members " + showKeys(r.doc.Keys())
	}
	return e
}
