package fetch

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/url"
	"strconv"
	"strings"

	"github.com/tidwall/sjson"

	"github.com/galleyhq/galley/internal/fetch/jsonscan"
)

// maxTemplate bounds a body into which a cursor is put.
const maxTemplate = 16 << 20

// bodyTemplate is the JSON body of the requests for pages, of which one value
// says which page.
type bodyTemplate struct {
	first, later []byte // nil without one
	path         string // for sjson
	contentType  string
}

// sendInBody finds out whether the place of a page is sent in the body of the
// request, and where in it.
func (p *paging) sendInBody(r *Request) error {
	place := p.CursorBody + p.OffsetBody + p.PageBody
	if place == "" && p.LimitBody == "" && (p.CursorParam == "" || r.Body == nil) {
		return nil
	}
	var text []byte
	if r.Body != nil {
		var err error
		if text, err = r.Body.content(maxTemplate); err != nil {
			return err
		}
		p.body.contentType = r.Body.Type
	} else {
		text, p.body.contentType = []byte("{}"), "application/json"
	}
	var root map[string]json.RawMessage
	if err := json.Unmarshal(text, &root); err != nil {
		if place == "" && p.LimitBody == "" {
			return nil // the cursor goes into the URL
		}
		return usage("the place of the next page goes into the request's body, which is not a JSON object")
	}
	if place == "" && p.CursorParam != "" {
		place = bodyPath(root, p.CursorParam)
		p.CursorBody, p.CursorParam = place, ""
	}
	p.scroll()
	set := func(where string) (string, error) {
		path, err := jsonscan.ParsePath(where)
		names, plain := path.Places()
		if err != nil || !plain || len(names) == 0 {
			return "", usage("%q: a place in the request's body is names and numbers of elements, such as variables.after or queries[0].page", where)
		}
		return sjsonPath(names), nil
	}
	var err error
	if p.LimitBody != "" {
		at, perr := set(p.LimitBody)
		if perr != nil {
			return perr
		}
		if text, err = sjson.SetRawBytes(text, at, []byte(strconv.Itoa(p.Limit))); err != nil {
			return usage("--limit-body %s: %v", p.LimitBody, err)
		}
	}
	p.body.first, p.body.later = text, text
	if p.CursorTemplate != "" {
		if !json.Valid([]byte(p.CursorTemplate)) {
			return usage("the body of requests with a cursor is not JSON")
		}
		p.body.later = []byte(p.CursorTemplate)
	}
	if place == "" {
		return nil
	}
	if p.body.path, err = set(place); err != nil {
		return err
	}
	return nil
}

// bodyPath is the path of the parameter name in a body: in the variables of a
// GraphQL query, else at the root.
func bodyPath(root map[string]json.RawMessage, name string) string {
	quoted := `["` + name + `"]`
	if strings.ContainsAny(name, ".[") {
		quoted = name // a path already
	}
	_, hasQuery := root["query"]
	vars, hasVars := root["variables"]
	if hasQuery && hasVars && bytes.HasPrefix(bytes.TrimSpace(vars), []byte("{")) {
		return "variables" + strings.Replace("."+quoted, ".[", "[", 1)
	}
	return quoted
}

// scroll recognizes a scroll of Elasticsearch, whose pages after the first are
// at another URL, and end with one that is empty (Elasticsearch reference,
// "Scroll API").
func (p *paging) scroll() {
	index, ok := strings.CutSuffix(p.firstURL.Path, "/_search")
	keep := p.firstURL.Query().Get("scroll")
	if !ok || keep == "" || p.CursorURL != "" || !strings.Contains(p.CursorBody, "scroll_id") {
		return
	}
	root := ""
	if i := strings.LastIndexByte(index, '/'); i >= 0 {
		root = index[:i]
	}
	p.CursorURL = (&url.URL{Path: root + "/_search/scroll"}).EscapedPath()
	// Behind a proxy, the last part may be its prefix and not the index.
	p.otherURLs = []string{(&url.URL{Path: index + "/_search/scroll"}).EscapedPath()}
	if p.CursorTemplate == "" {
		text, _ := json.Marshal(map[string]string{"scroll": keep})
		p.CursorTemplate = string(text)
	}
	p.SameCursor, p.End.Empty = true, true
}

func sjsonPath(names []string) string {
	parts := make([]string, len(names))
	for i, n := range names {
		var b strings.Builder
		for _, c := range n {
			if strings.ContainsRune(`\.*?|#@!{}[]()=<>:%`, c) {
				b.WriteByte('\\')
			}
			b.WriteRune(c)
		}
		parts[i] = b.String()
	}
	return strings.Join(parts, ".")
}

// inBody reports whether requests carry a body made from the template.
func (t *bodyTemplate) inBody() bool { return t.first != nil }

// at returns the body for a place, nil for that of the request itself.
func (t *bodyTemplate) at(c checkpoint) (*Body, error) {
	if !t.inBody() {
		return nil, nil
	}
	text := t.first
	if c.Page > 1 {
		text = t.later
	}
	if c.Cursor != nil {
		var err error
		if text, err = sjson.SetRawBytes(text, t.path, c.Cursor); err != nil {
			return nil, usage("the place of the next page does not fit into the request's body: %v", err)
		}
	}
	return BytesBody(text, t.contentType), nil
}

// content reads the whole of a body that can be read again.
func (b *Body) content(limit int64) ([]byte, error) {
	if b.once {
		return nil, usage("each page is requested with a body, and one that is read from a pipe can be sent once only")
	}
	in, err := b.open()
	if err != nil {
		return nil, &Error{Kind: KindUsage, Msg: "the request's body", err: err}
	}
	text, err := io.ReadAll(io.LimitReader(in, limit+1))
	if err = errors.Join(err, in.Close()); err != nil {
		return nil, &Error{Kind: KindUsage, Msg: "the request's body", err: err}
	}
	if int64(len(text)) > limit {
		return nil, usage("a body that takes a cursor is at most %s long", FormatSize(limit))
	}
	return text, nil
}
