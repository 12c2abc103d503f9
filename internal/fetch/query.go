package fetch

import (
	"bytes"
	"strings"

	"github.com/galleyhq/galley/internal/fetch/jsonscan"
)

// queries are the values that are looked for in each page. The numbers are
// places in paths, -1 for a value that is not looked for.
type queries struct {
	paths []jsonscan.Path
	items *jsonscan.Path
	// emits: the records are written in place of the pages.
	emits  bool
	onItem func([]byte, bool) error
	store  func([]byte) error // of records that keep their own form

	next                          []int // in their order
	parent                        int   // of the first of them
	more, stop, total, totalPages int
	last                          int
	stopPath, stopValue           string
	failures                      [4]int
	nextRoots                     []string
}

// failureMembers are members of a page's root that report a failure.
var failureMembers = [4]string{"error", "errors", "ok", "success"}

// build collects the paths of a request.
func (q *queries) build(r *Request, mode pageMode) error {
	p := &r.Pages
	q.parent, q.more, q.stop, q.total, q.totalPages, q.last = -1, -1, -1, -1, -1, -1
	q.failures = [4]int{-1, -1, -1, -1}
	var err error
	add := func(text string) int {
		if text == "" || err != nil {
			return -1
		}
		var path jsonscan.Path
		if path, err = jsonscan.ParsePath(text); err != nil {
			return -1
		}
		q.paths = append(q.paths, path)
		return len(q.paths) - 1
	}
	for _, text := range append([]string{p.Next}, p.NextAlso...) {
		if i := add(text); i >= 0 {
			q.next = append(q.next, i)
			q.nextRoots = append(q.nextRoots, q.paths[i].Root())
		}
	}
	if names, plain := q.plainNext(); plain && len(names) > 1 {
		q.parent = add(strings.Join(quoteNames(names[:len(names)-1]), ""))
	}
	q.more, q.total, q.totalPages = add(p.More), add(p.Total), add(p.TotalPages)
	if mode == byNext {
		q.last = add(p.Last)
	}
	if p.Stop != "" {
		i := strings.LastIndexByte(p.Stop, '=')
		if i <= 0 || i == len(p.Stop)-1 {
			return usage("a condition that ends the pages is PATH=VALUE, such as has_more=false")
		}
		q.stopPath, q.stopValue = strings.TrimSuffix(p.Stop[:i], "="), p.Stop[i+1:]
		q.stop = add(q.stopPath)
	}
	items := r.Items
	q.emits = items != nil
	if items == nil {
		items = p.Count
	}
	if items == nil && mode.counted() && p.TotalPages == "" && p.More == "" && p.Stop == "" && len(p.StopStatus) == 0 {
		if p.Total != "" {
			return usage("say which array holds the records (--items PATH, or --count PATH): a server may send fewer per page than asked for")
		}
		root := ""
		items = &root
	}
	if items != nil && err == nil {
		// In JSONPath and jq, "all elements" is a last step; it is meant anyway.
		var path jsonscan.Path
		if path, err = jsonscan.ParsePath(strings.TrimSuffix(*items, "[]")); err == nil {
			path, _ = path.EndsInAny()
			q.items = &path
		}
	}
	if mode != onePage {
		for i, name := range failureMembers {
			q.failures[i] = add(name)
		}
	}
	if err != nil {
		return &Error{Kind: KindUsage, Msg: err.Error(), hint: jsonscan.PathSyntax}
	}
	return nil
}

// plainNext returns the names of the path of the next page, and false if it has
// other steps.
func (q *queries) plainNext() ([]string, bool) {
	if len(q.next) == 0 {
		return nil, false
	}
	return q.paths[q.next[0]].Names()
}

func quoteNames(names []string) []string {
	quoted := make([]string, len(names))
	for i, n := range names {
		quoted[i] = `["` + n + `"]`
	}
	return quoted
}

// none reports whether nothing is looked for but failures.
func (q *queries) none() bool {
	return len(q.next) == 0 && q.more < 0 && q.stop < 0 && q.total < 0 && q.totalPages < 0 && q.items == nil
}

// values reports whether single values are looked for.
func (q *queries) values() bool {
	return len(q.next) > 0 || q.more >= 0 || q.stop >= 0 || q.total >= 0 || q.totalPages >= 0
}

func (q *queries) itemsText() string {
	if q.items == nil || q.items.IsRoot() {
		return "the root"
	}
	return q.items.String()
}

// mayLack reports whether the last page may be without a member of the first
// one's root: one on the way to the next page.
func (q *queries) mayLack(key string) bool {
	for _, i := range q.next {
		if q.paths[i].StartsWith(key) {
			return true
		}
	}
	return false
}

// reported returns what a document says of a failure, "" if it is none.
func (q *queries) reported(d document) string {
	for i, name := range failureMembers {
		at := q.failures[i]
		if at < 0 {
			continue
		}
		v := d.Value(at)
		bad := false
		switch {
		case name == "ok" || name == "success":
			bad = v.Kind == jsonscan.Bool && v.Text() == "false"
		case v.Kind == jsonscan.String:
			bad = v.Text() != ""
		case v.Kind == jsonscan.Bool:
			bad = v.Text() == "true"
		case v.Kind == jsonscan.Array:
			bad = len(bytes.TrimSpace(bytes.Trim(v.Raw(), "[]"))) > 0 || v.Raw() == nil
		case v.Kind == jsonscan.Object:
			bad = len(bytes.TrimSpace(bytes.Trim(v.Raw(), "{}"))) > 0 || v.Raw() == nil
		}
		if !bad {
			continue
		}
		said := v.Text()
		if v.Kind >= jsonscan.Object {
			said = string(v.Raw())
		}
		return clean(name+": "+said, 200)
	}
	return ""
}
