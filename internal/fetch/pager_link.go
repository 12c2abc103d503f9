package fetch

import (
	"strconv"
	"strings"
)

// linkPager follows the header Link (RFC 8288).
type linkPager struct {
	*paging
	numberedPages
}

func (p *linkPager) first(*checkpoint) error { return nil }

func (p *linkPager) next(_ checkpoint, to *checkpoint, r *pageResult) (string, error) {
	ref := link(r.header.Values("Link"), "next")
	if ref == "" {
		return "no link to a next page", nil
	}
	next, err := p.resolve(r, ref)
	if err == nil {
		to.goTo(next)
	}
	return "", err
}

func (p *linkPager) early(at checkpoint, r *pageResult) (checkpoint, bool) {
	to := at
	to.Page++
	stop, err := p.next(at, &to, r)
	return to, stop == "" && err == nil
}

func (p *linkPager) ahead(to checkpoint, r *pageResult, n int) []checkpoint {
	last := ""
	if ref := link(r.header.Values("Link"), "last"); ref != "" {
		if u, err := p.resolve(r, ref); err == nil {
			last = u.String()
		}
	}
	return p.upTo(last, to, r, min(n, p.left(to)))
}

// numberedPages counts from the next page up to the last one, where the server
// names it and their URLs differ in a number.
type numberedPages struct {
	// guess is the page after the next one as expected. wrong: the server named
	// another one in its place.
	guess checkpoint
	wrong bool
	// list is the memory of the places that were returned last.
	list []checkpoint
}

// upTo returns at most n places from to on. last is the URL of the last page,
// "" if it is unknown.
func (p *numberedPages) upTo(last string, to checkpoint, r *pageResult, n int) []checkpoint {
	list := append(p.list[:0], to)
	p.list = list
	p.wrong = p.wrong || p.guess.Page == to.Page && p.guess.URL != to.URL
	if p.wrong || last == "" {
		return list
	}
	before, number, through, after := countUp(to.URL, last)
	if page := int64(to.Page); number != page && number != page-1 && r.url.String() != before+strconv.FormatInt(number-1, 10)+after {
		return list // a number of something else
	}
	for len(list) < n && number < through {
		number++
		to.Page++
		to.URL, to.parsed = before+strconv.FormatInt(number, 10)+after, nil
		list = append(list, to)
	}
	p.list = list
	if len(list) > 1 {
		p.guess = list[1]
	}
	return list
}

// countUp returns the one number in which two URLs differ, and the text around
// it; from is through without such a number.
func countUp(next, last string) (before string, from, through int64, after string) {
	const digits = "0123456789"
	i := 0
	for i < min(len(next), len(last)) && next[i] == last[i] {
		i++
	}
	before = strings.TrimRight(next[:i], digits)
	a, b := next[len(before):], last[len(before):]
	after = strings.TrimLeft(a, digits)
	b, same := strings.CutSuffix(b, after)
	from, err1 := strconv.ParseInt(strings.TrimSuffix(a, after), 10, 64)
	through, err2 := strconv.ParseInt(b, 10, 64)
	if !same || err1 != nil || err2 != nil {
		return before, 0, 0, after
	}
	return before, from, through, after
}

// link finds the target of the link with a relation among the values of Link
// headers (RFC 8288, 3), "" if there is none.
func link(values []string, relation string) string {
	for _, v := range values {
		for v != "" {
			v = strings.TrimLeft(v, " \t,")
			if !strings.HasPrefix(v, "<") {
				// Not a link: on to the next comma.
				i := strings.IndexByte(v, ',')
				if i < 0 {
					break
				}
				v = v[i:]
				continue
			}
			end := strings.IndexByte(v, '>')
			if end < 0 {
				break
			}
			ref := strings.TrimSpace(v[1:end])
			v = v[end+1:]
			rel, anchored := "", false
			seenRel := false
			for {
				v = strings.TrimLeft(v, " \t")
				if !strings.HasPrefix(v, ";") {
					break
				}
				v = strings.TrimLeft(v[1:], " \t")
				i := strings.IndexAny(v, "=;, \t")
				if i < 0 {
					i = len(v)
				}
				name := strings.ToLower(v[:i])
				v = strings.TrimLeft(v[i:], " \t")
				value := ""
				if strings.HasPrefix(v, "=") {
					v = strings.TrimLeft(v[1:], " \t")
					value, v = linkValue(v)
				}
				switch {
				case name == "rel" && !seenRel:
					rel, seenRel = value, true
				case name == "anchor":
					anchored = true
				}
			}
			if anchored {
				continue // a link of something else
			}
			for _, r := range strings.Fields(rel) {
				if strings.EqualFold(r, relation) {
					return ref
				}
			}
		}
	}
	return ""
}

// linkValue reads a token or a quoted string at the start of s.
func linkValue(s string) (value, rest string) {
	if !strings.HasPrefix(s, `"`) {
		i := strings.IndexAny(s, ";, \t")
		if i < 0 {
			i = len(s)
		}
		return s[:i], s[i:]
	}
	var b strings.Builder
	for i := 1; i < len(s); i++ {
		switch s[i] {
		case '"':
			return b.String(), s[i+1:]
		case '\\':
			if i++; i < len(s) {
				b.WriteByte(s[i])
			}
		default:
			b.WriteByte(s[i])
		}
	}
	return b.String(), ""
}
