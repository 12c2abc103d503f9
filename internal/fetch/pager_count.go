package fetch

import (
	"encoding/json"
	"fmt"
	"strconv"
)

// countPager counts the records or the pages.
type countPager struct {
	*paging
	// The page before, to notice a server that ignores the number.
	lastSum   uint64
	lastLen   int64
	lastKnown bool
}

func (p *countPager) start() int64 {
	if p.First != nil {
		return *p.First
	}
	if p.mode == byNumber {
		return 1
	}
	return 0
}

func (p *countPager) param() string {
	if p.mode == byNumber {
		return p.PageParam + p.PageBody
	}
	return p.OffsetParam + p.OffsetBody
}

func (p *countPager) first(c *checkpoint) error {
	c.Offset = p.start()
	p.locate(c)
	return nil
}

// locate makes the number of a place its URL, or the value in its body.
func (p *countPager) locate(c *checkpoint) {
	u := *p.firstURL
	number := strconv.FormatInt(c.Offset, 10)
	if p.OffsetBody+p.PageBody != "" {
		c.Cursor = json.RawMessage(number)
	} else {
		u.RawQuery = setParam(u.RawQuery, p.param(), number)
	}
	c.goTo(&u)
}

func (p *countPager) next(at checkpoint, to *checkpoint, r *pageResult) (string, error) {
	if at.Page > 1 && p.lastKnown && r.length > 2 && r.sum == p.lastSum && (p.counts() || r.length == p.lastLen) && (!p.counts() || r.items > 0) {
		return "", p.fail(r, "page %d has the same content as page %d: the server seems not to know the parameter %q", at.Page, at.Page-1, p.param())
	}
	p.lastSum, p.lastLen, p.lastKnown = r.sum, r.length, true
	step := int64(1)
	if p.mode == byOffset {
		// Counted, not Limit: a server may send fewer than it was asked for.
		if step = r.items; !p.counts() {
			step = int64(p.Limit)
		}
		if step == 0 && !p.counts() {
			e := p.fail(r, "the next offset is not known")
			e.hint = "say which array holds the records (--items or --count), or how many a page has (--limit)"
			return "", e
		}
	}
	to.Offset += step
	all, path, err := p.all(r)
	if err != nil {
		return "", err
	}
	if path != "" && p.reached(*to) >= all {
		return fmt.Sprintf("%s is %d", path, all), nil
	}
	if p.counts() && r.items == 0 {
		if path != "" && p.First == nil {
			e := p.fail(r, "page %d has no records, although %s is %d and %d came", at.Page, path, all, p.reached(at))
			e.hint = "if that number cannot be relied on, say --end-on empty"
			return "", suspicion{e}
		}
		return "a page without records", nil
	}
	p.locate(to)
	return "", nil
}

// all returns the number of all records or pages and the path that names it,
// "" if none does.
func (p *countPager) all(r *pageResult) (int64, string, error) {
	at, path := p.query.total, p.Total
	if p.query.totalPages >= 0 {
		at, path = p.query.totalPages, p.TotalPages
	}
	if at < 0 {
		return 0, "", nil
	}
	v := r.value(at)
	all, err := strconv.ParseInt(v.Text(), 10, 64)
	if err != nil {
		return 0, "", suspicion{p.fail(r, "%s is %s and not a number", path, describe(v))}
	}
	return all, path, nil
}

// reached returns how many of the total are fetched when c comes next.
func (p *countPager) reached(c checkpoint) int64 {
	switch {
	case p.mode == byOffset:
		return c.Offset
	case p.query.totalPages >= 0:
		return c.Offset - p.start()
	case p.First != nil && p.Limit > 0:
		return (c.Offset - p.start()) * int64(p.Limit)
	}
	return c.Items
}

func (p *countPager) early(checkpoint, *pageResult) (checkpoint, bool) { return checkpoint{}, false }

// ahead counts on from the last page, as far as the total says.
func (p *countPager) ahead(to checkpoint, r *pageResult, n int) []checkpoint {
	all, path, err := p.all(r)
	if path == "" || err != nil {
		return nil
	}
	step := int64(1)
	if p.mode == byOffset {
		step = r.items
	}
	per := step
	if p.mode == byNumber && p.query.totalPages < 0 {
		per = r.items
	}
	if step <= 0 || per <= 0 {
		return nil
	}
	var list []checkpoint
	n = min(n, p.left(to))
	for reached := p.reached(to); n > 0 && reached < all; n-- {
		p.locate(&to)
		list = append(list, to)
		to.Page++
		to.Offset += step
		reached += per
	}
	return list
}
