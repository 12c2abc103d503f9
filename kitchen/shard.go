package kitchen

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Shard is one of several equal parts of a run, for as many runners: I of N,
// with I from 1.
type Shard struct{ I, N int }

// ParseShard reads "I/N", as in "2/5".
func ParseShard(s string) (Shard, error) {
	i, n, ok := strings.Cut(s, "/")
	sh := Shard{}
	var err error
	if sh.I, err = strconv.Atoi(i); ok && err == nil {
		sh.N, err = strconv.Atoi(n)
	}
	if !ok || err != nil || sh.I < 1 || sh.I > sh.N {
		return Shard{}, fmt.Errorf("invalid shard %q: it is I/N with I from 1 to N, as in 2/5", s)
	}
	return sh, nil
}

// Of returns the instances of this shard, in their order. All shards together
// are all instances, each once, and every runner computes the same parts.
//
// took is how long an instance took last time, 0 for unknown; where nothing is
// known, all are equal. The longest are dealt out first, each to the shard
// with the least to do.
func (s Shard) Of(instances []*Instance, took func(*Instance) time.Duration) []*Instance {
	type weighed struct {
		*Instance
		place  int
		weight time.Duration
	}
	all := make([]weighed, len(instances))
	var known, sum time.Duration
	for i, inst := range instances {
		all[i] = weighed{inst, i, 0}
		if took != nil {
			all[i].weight = took(inst)
		}
		if all[i].weight > 0 {
			known++
			sum += all[i].weight
		}
	}
	// What was never run counts as the average.
	average := time.Second
	if known > 0 {
		average = sum / known
	}
	for i := range all {
		if all[i].weight <= 0 {
			all[i].weight = average
		}
	}
	slices.SortStableFunc(all, func(a, b weighed) int { return cmp.Compare(b.weight, a.weight) })
	load := make([]time.Duration, s.N)
	var mine []weighed
	for _, w := range all {
		least := 0
		for i, l := range load {
			if l < load[least] {
				least = i
			}
		}
		load[least] += w.weight
		if least == s.I-1 {
			mine = append(mine, w)
		}
	}
	slices.SortFunc(mine, func(a, b weighed) int { return cmp.Compare(a.place, b.place) })
	out := make([]*Instance, len(mine))
	for i, w := range mine {
		out[i] = w.Instance
	}
	return out
}
