package config

import "strings"

// nearest returns the candidate that name is most likely a misspelling of,
// "" when none is near.
func nearest(name string, candidates []string) string {
	limit := 1 + len(name)/5
	if limit > 3 {
		limit = 3
	}
	best, at := "", limit+1
	low := strings.ToLower(name)
	for _, c := range candidates {
		if c == name {
			continue
		}
		if d := distance(low, strings.ToLower(c), at); d < at {
			best, at = c, d
		}
	}
	return best
}

// distance is the number of letters to add, drop, change or swap with their
// neighbour; it is not told apart from limit when it is not below.
func distance(a, b string, limit int) int {
	x, y := []rune(a), []rune(b)
	if abs(len(x)-len(y)) >= limit {
		return limit
	}
	prev2 := make([]int, len(y)+1)
	prev := make([]int, len(y)+1)
	cur := make([]int, len(y)+1)
	for j := range prev {
		prev[j] = j
	}
	for i := 1; i <= len(x); i++ {
		cur[0] = i
		low := cur[0]
		for j := 1; j <= len(y); j++ {
			cost := 1
			if x[i-1] == y[j-1] {
				cost = 0
			}
			cur[j] = min(prev[j]+1, cur[j-1]+1, prev[j-1]+cost)
			if i > 1 && j > 1 && x[i-1] == y[j-2] && x[i-2] == y[j-1] {
				cur[j] = min(cur[j], prev2[j-2]+1)
			}
			low = min(low, cur[j])
		}
		if low >= limit {
			return limit
		}
		prev2, prev, cur = prev, cur, prev2
	}
	return min(prev[len(y)], limit)
}

func abs(i int) int {
	if i < 0 {
		return -i
	}
	return i
}
