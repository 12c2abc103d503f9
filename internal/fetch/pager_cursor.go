package fetch

import (
	"encoding/json"
	"net/url"
	"strings"

	"github.com/galleyhq/galley/internal/fetch/jsonscan"
)

// cursorPager follows a URL or cursor that a page names, in its body or in a
// header.
type cursorPager struct {
	*paging
	numberedPages
}

func (p *cursorPager) first(*checkpoint) error { return nil }

// cursor is a value that names the next page.
type cursor struct {
	text string // "" for none
	raw  []byte // as JSON
	// found: the page has the value, were it null.
	found bool
	where string
}

// read finds the cursor of a page.
func (p *cursorPager) read(r *pageResult) (cursor, error) {
	if p.mode == byHeader {
		c := cursor{text: strings.TrimSpace(r.header.Get(p.NextHeader)), where: p.NextHeader}
		c.found = len(r.header.Values(p.NextHeader)) > 0
		c.raw, _ = json.Marshal(c.text)
		return c, nil
	}
	c := cursor{where: p.Next}
	for n, i := range p.query.next {
		v := r.value(i)
		if v.Kind == jsonscan.None {
			continue
		}
		if n > 0 {
			c.where = p.NextAlso[n-1]
		}
		c.found = true
		switch v.Kind {
		case jsonscan.Bool:
			if v.Text() == "true" {
				return c, p.fail(r, "%s is true and not a cursor", c.where)
			}
		case jsonscan.Object, jsonscan.Array:
			raw := v.Raw()
			if string(raw) == "[]" || string(raw) == "{}" {
				continue
			}
			if raw == nil || p.CursorBody == "" {
				return c, p.fail(r, "%s is %v and not a URL or cursor", c.where, v.Kind)
			}
			c.text, c.raw = string(raw), raw
		case jsonscan.String, jsonscan.Number:
			c.text, c.raw = v.Text(), v.Raw()
		}
		if c.text != "" {
			return c, nil
		}
	}
	if parent := r.value(p.query.parent); !c.found && parent.Kind != jsonscan.None {
		raw := string(parent.Raw())
		c.found = parent.Kind == jsonscan.Null || raw == "[]" || raw == "{}"
	}
	return c, nil
}

func (p *cursorPager) next(at checkpoint, to *checkpoint, r *pageResult) (string, error) {
	c, err := p.read(r)
	if err != nil {
		return "", err
	}
	for _, v := range p.StopValues {
		if c.text == v {
			return c.where + " is " + v, nil
		}
	}
	if c.text == "" {
		return p.none(at, r, c)
	}
	return "", p.locate(to, r, c)
}

// none ends the pages, or refuses to, where no cursor was found. That a value
// is missing says nothing by itself: the rest of the page has to be there.
func (p *cursorPager) none(at checkpoint, r *pageResult, c cursor) (string, error) {
	if said := p.follows(r); said != "" && !p.End.NoNext {
		e := p.fail(r, "page %d says that pages follow (%s), but has no %s", at.Page, said, c.where)
		e.hint = "if it is the last all the same, say --end-on no-next"
		return "", suspicion{e}
	}
	switch {
	case c.found, p.End.NoNext, p.End.Missing, at.Page > 1:
		return "no " + c.where, nil
	case p.counts() && r.kind == jsonscan.Array && r.items == 0:
		return "a page without records", nil
	}
	e := p.lacks(at, r, c.where)
	if p.mode == byHeader {
		e = p.fail(r, "the answer has no header %q", c.where)
		e.hint = "check its name; if there is one page only, say --end-on no-next"
	} else {
		e.hint = "check the path; if there is one page only, say --end-on no-next"
		if strings.Contains(c.where, ".") {
			e.hint += `; a name with a dot in it is written ["` + strings.TrimLeft(c.where, "$.") + `"]`
		}
	}
	return "", suspicion{e}
}

// locate makes a cursor the place of the next page.
func (p *cursorPager) locate(to *checkpoint, r *pageResult, c cursor) error {
	if p.CursorBody == "" && p.CursorParam == "" {
		if !looksLikeURL(c.text) {
			e := p.fail(r, "%s is %q, which is a cursor and not a URL", c.where, clean(c.text, 100))
			e.hint = "name the query parameter that takes it with --cursor-param NAME"
			return e
		}
		next, err := p.resolve(r, c.text)
		if err == nil {
			to.goTo(next)
		}
		return err
	}
	u := *p.firstURL
	if p.CursorURL != "" {
		other, err := p.firstURL.Parse(p.CursorURL)
		if err != nil || !sameOrigin(p.firstURL, other) {
			return usage("the URL for cursors %q is not one of the same host", clean(p.CursorURL, 200))
		}
		u = *other
	}
	if p.CursorBody != "" {
		to.Cursor = append(json.RawMessage(nil), c.raw...)
	} else {
		u.RawQuery = setParam(u.RawQuery, p.CursorParam, c.text)
	}
	to.goTo(&u)
	return nil
}

func (p *cursorPager) early(at checkpoint, r *pageResult) (checkpoint, bool) {
	to := at
	to.Page++
	c, err := p.read(r)
	if err != nil || c.text == "" || p.Max > 0 && at.Page >= p.Max {
		return to, false
	}
	for _, v := range p.StopValues {
		if c.text == v {
			return to, false
		}
	}
	return to, p.locate(&to, r, c) == nil
}

// ahead counts up to the last page if p.Last finds its URL or number.
func (p *cursorPager) ahead(to checkpoint, r *pageResult, n int) []checkpoint {
	c := cursor{text: r.header.Get(p.Last)}
	if p.mode == byNext {
		c.text = r.value(p.query.last).Text()
	}
	var last checkpoint
	if c.text != "" && p.CursorBody == "" {
		_ = p.locate(&last, r, c) // else it is not known
	}
	return p.upTo(last.URL, to, r, min(n, p.left(to)))
}

// cursorText is the text of a cursor that is sent in a body.
func cursorText(raw json.RawMessage) string {
	var s string
	if json.Unmarshal(raw, &s) == nil {
		return s
	}
	return string(raw)
}

// looksLikeURL tells a URL or a reference to one from a cursor.
func looksLikeURL(s string) bool {
	if strings.HasPrefix(s, "/") || strings.HasPrefix(s, "?") || strings.HasPrefix(s, "./") || strings.HasPrefix(s, "../") {
		return true
	}
	if path, query, ok := strings.Cut(s, "?"); ok && path != "" && strings.Contains(query, "=") && !strings.ContainsAny(s, " \"{") {
		return true // such as items?page=2
	}
	i := strings.Index(s, "://")
	return i > 0 && !strings.ContainsAny(s[:i], "/?# ")
}

// setParam sets a query parameter and leaves the others as they are written.
func setParam(query, name, value string) string {
	pair := url.QueryEscape(name) + "=" + url.QueryEscape(value)
	var parts []string
	done := false
	for p := range strings.SplitSeq(query, "&") {
		if p == "" {
			continue
		}
		key, _, _ := strings.Cut(p, "=")
		if k, err := url.QueryUnescape(key); err == nil && k == name {
			if done {
				continue
			}
			p, done = pair, true
		}
		parts = append(parts, p)
	}
	if !done {
		parts = append(parts, pair)
	}
	return strings.Join(parts, "&")
}
