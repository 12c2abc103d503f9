package openstack

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// near returns the names most like name, best first, at most four.
func near(name string, names []string) []string {
	type scored struct {
		name  string
		score float64
	}
	want := strings.ToLower(name)
	var all []scored
	seen := map[string]bool{}
	for _, n := range names {
		if n == "" || seen[n] {
			continue
		}
		seen[n] = true
		have := strings.ToLower(n)
		score := 1 - float64(distance(want, have))/float64(max(len([]rune(want)), len([]rune(have)), 1))
		// A part of the name is what people remember of it.
		if len(want) > 2 && len(have) > 2 && (strings.Contains(have, want) || strings.Contains(want, have)) {
			score += 0.5
		}
		if score >= 0.5 {
			all = append(all, scored{n, score})
		}
	}
	slices.SortStableFunc(all, func(a, b scored) int { return cmp.Compare(b.score, a.score) })
	var out []string
	for _, s := range all[:min(len(all), 4)] {
		out = append(out, s.name)
	}
	return out
}

// suggest makes the hint of a failed lookup: what is like name, or else what
// there is.
func suggest(label, name string, names []string) string {
	if like := near(name, names); len(like) > 0 {
		return "did you mean " + quotedOr(like) + "?"
	}
	names = slices.DeleteFunc(slices.Clone(names), func(s string) bool { return s == "" })
	slices.Sort(names)
	names = slices.Compact(names)
	switch {
	case len(names) == 0:
		return "this project sees no " + label + " at all"
	case len(names) > 12:
		return fmt.Sprintf("there are %d, among them %s", len(names), quotedList(names[:12]))
	}
	return "there is " + quotedList(names)
}

func quotedOr(items []string) string {
	q := make([]string, len(items))
	for i, s := range items {
		q[i] = fmt.Sprintf("%q", s)
	}
	if len(q) == 1 {
		return q[0]
	}
	return strings.Join(q[:len(q)-1], ", ") + " or " + q[len(q)-1]
}

func quotedList(items []string) string {
	q := make([]string, len(items))
	for i, s := range items {
		q[i] = fmt.Sprintf("%q", s)
	}
	return strings.Join(q, ", ")
}

// distance is the number of edits between two strings, a swap of neighbours
// being one (optimal string alignment).
func distance(a, b string) int {
	x, y := []rune(a), []rune(b)
	before, prev, row := make([]int, len(y)+1), make([]int, len(y)+1), make([]int, len(y)+1)
	for j := range prev {
		prev[j] = j
	}
	for i := 1; i <= len(x); i++ {
		row[0] = i
		for j := 1; j <= len(y); j++ {
			cost := 1
			if x[i-1] == y[j-1] {
				cost = 0
			}
			row[j] = min(prev[j]+1, row[j-1]+1, prev[j-1]+cost)
			if i > 1 && j > 1 && x[i-1] == y[j-2] && x[i-2] == y[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, prev, row = prev, row, before
	}
	return prev[len(y)]
}
