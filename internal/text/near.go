package text

import (
	"cmp"
	"slices"
	"strings"

	"github.com/agnivade/levenshtein"
)

// mostNear is how many names [Near] returns at most.
const mostNear = 4

// Nearest returns the candidate that name is most likely a misspelling of, ""
// when none is close. Letter case is ignored; name itself is not a candidate.
func Nearest(name string, candidates []string) string {
	best, least := "", 2+min(len(name)/5, 2)
	for _, c := range candidates {
		if c == name {
			continue
		}
		if d := distance(name, c); d < least {
			best, least = c, d
		}
	}
	return best
}

// Near returns the candidates that someone who typed name may have meant, the
// best first, at most four: those spelt alike and those that contain it or are
// contained in it.
func Near(name string, candidates []string) []string {
	type scored struct {
		name  string
		score float64
	}
	var all []scored
	want := strings.ToLower(name)
	for _, c := range candidates {
		if c == "" || slices.ContainsFunc(all, func(s scored) bool { return s.name == c }) {
			continue
		}
		have := strings.ToLower(c)
		score := 1 - float64(distance(want, have))/float64(max(len(want), len(have), 1))
		if len(want) > 2 && len(have) > 2 && (strings.Contains(have, want) || strings.Contains(want, have)) {
			score += 0.5
		}
		if score >= 0.5 {
			all = append(all, scored{c, score})
		}
	}
	slices.SortStableFunc(all, func(a, b scored) int { return cmp.Compare(b.score, a.score) })
	var out []string
	for _, s := range all[:min(len(all), mostNear)] {
		out = append(out, s.name)
	}
	return out
}

// DidYouMean returns `did you mean "x" or "y"?` for the candidates near name,
// "" when there are none.
func DidYouMean(name string, candidates []string) string {
	near := Near(name, candidates)
	if len(near) == 0 {
		return ""
	}
	return "did you mean " + QuotedOr(near) + "?"
}

// distance is the number of edits between two names, letter case aside. Two
// neighbouring letters in the wrong order are one edit.
func distance(a, b string) int {
	a, b = strings.ToLower(a), strings.ToLower(b)
	if len(a) > 128 || len(b) > 128 {
		return max(len(a), len(b))
	}
	if swapped(a, b) {
		return 1
	}
	return levenshtein.ComputeDistance(a, b)
}

func swapped(a, b string) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range len(a) - 1 {
		if a[i] != b[i] {
			return a[i] == b[i+1] && a[i+1] == b[i] && a[i+2:] == b[i+2:]
		}
	}
	return false
}
