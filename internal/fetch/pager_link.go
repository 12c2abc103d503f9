package fetch

import "strings"

// linkPager follows the header Link (RFC 8288).
type linkPager struct{ *paging }

func (p linkPager) first(*checkpoint) error { return nil }

func (p linkPager) next(_ checkpoint, to *checkpoint, r *pageResult) (string, error) {
	ref := nextLink(r.header.Values("Link"))
	if ref == "" {
		return "no link to a next page", nil
	}
	var err error
	to.URL, err = p.resolve(r, ref)
	return "", err
}

func (p linkPager) early(at checkpoint, r *pageResult) (checkpoint, bool) {
	to := at
	to.Page++
	stop, err := p.next(at, &to, r)
	return to, stop == "" && err == nil
}

func (p linkPager) ahead(to checkpoint, _ *pageResult, _ int) []checkpoint { return []checkpoint{to} }

// nextLink finds the target of the link with the relation next among the
// values of Link headers (RFC 8288, 3), "" if there is none.
func nextLink(values []string) string {
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
				if strings.EqualFold(r, "next") {
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
