package kitchen

import (
	"fmt"
	"slices"
	"testing"
	"time"
)

func TestParseShard(t *testing.T) {
	if s, err := ParseShard("2/5"); err != nil || s != (Shard{2, 5}) {
		t.Errorf("%v, %v", s, err)
	}
	for _, bad := range []string{"", "2", "0/2", "3/2", "a/b", "1/", "-1/2", "1/0"} {
		if s, err := ParseShard(bad); err == nil {
			t.Errorf("%q is %v", bad, s)
		}
	}
}

func TestShardsArePartsOfTheWhole(t *testing.T) {
	var all []*Instance
	for i := range 23 {
		all = append(all, &Instance{Name: fmt.Sprint(i)})
	}
	took := func(i *Instance) time.Duration {
		var n int
		fmt.Sscan(i.Name, &n)
		return time.Duration(n%7) * time.Minute // 0 is unknown
	}
	for n := 1; n <= 25; n++ {
		seen := map[string]int{}
		var longest, sum time.Duration
		for i := 1; i <= n; i++ {
			part := Shard{i, n}.Of(all, took)
			var load time.Duration
			for _, inst := range part {
				seen[inst.Name]++
				load += max(took(inst), 3*time.Minute) // the unknown weigh about as much as the average
			}
			longest, sum = max(longest, load), sum+load
			if again := (Shard{i, n}).Of(all, took); !slices.Equal(part, again) {
				t.Fatalf("shard %d/%d differs the second time", i, n)
			}
			if !slices.IsSortedFunc(part, func(a, b *Instance) int { return slices.Index(all, a) - slices.Index(all, b) }) {
				t.Errorf("shard %d/%d is out of order", i, n)
			}
		}
		if len(seen) != len(all) {
			t.Errorf("%d shards have %d of %d instances", n, len(seen), len(all))
		}
		for name, times := range seen {
			if times != 1 {
				t.Errorf("instance %s is in %d of %d shards", name, times, n)
			}
		}
		if fair := sum/time.Duration(n) + 7*time.Minute; longest > fair {
			t.Errorf("of %d shards the longest takes %s, of %s in all", n, longest, sum)
		}
	}
}

func TestShardsWithoutHistory(t *testing.T) {
	all := []*Instance{{Name: "a"}, {Name: "b"}, {Name: "c"}, {Name: "d"}, {Name: "e"}}
	var sizes []int
	for i := 1; i <= 3; i++ {
		sizes = append(sizes, len(Shard{i, 3}.Of(all, nil)))
	}
	if !slices.Equal(sizes, []int{2, 2, 1}) {
		t.Errorf("the shards have %v instances", sizes)
	}
}
