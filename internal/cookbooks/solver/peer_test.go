package solver

import (
	"bufio"
	"encoding/json"
	"errors"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// TestSameAsPeer compares with the library that chef-cli and Berkshelf use,
// over random universes. GALLEY_PEER_LIBS names the lib folders of solve,
// molinillo and semverse, separated as in PATH; GALLEY_PEER_PROBLEMS how many
// problems (2,000).
func TestSameAsPeer(t *testing.T) {
	libs := os.Getenv("GALLEY_PEER_LIBS")
	if libs == "" {
		t.Skip("GALLEY_PEER_LIBS does not name the lib folders of solve, molinillo and semverse")
	}
	count := 2000
	if n, err := strconv.Atoi(os.Getenv("GALLEY_PEER_PROBLEMS")); err == nil {
		count = n
	}
	args := []string{}
	for _, d := range filepath.SplitList(libs) {
		args = append(args, "-I", d)
	}
	cmd := exec.CommandContext(t.Context(), "ruby", append(args, "testdata/solve.rb")...)
	in, _ := cmd.StdinPipe()
	pipe, _ := cmd.StdoutPipe()
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		t.Skipf("no ruby: %v", err)
	}
	defer cmd.Wait()
	defer in.Close()
	out := bufio.NewScanner(pipe)
	out.Buffer(nil, 1<<20)
	rng := rand.New(rand.NewPCG(20, 26))
	solved, unsolvable, crashed := 0, 0, 0
	for i := range count {
		p := randomProblem(rng, 3+rng.IntN(18), 2+rng.IntN(6))
		line, err := json.Marshal(p)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := in.Write(append(line, '\n')); err != nil || !out.Scan() {
			t.Fatalf("Molinillo ended at problem %d: %v", i, err)
		}
		var want struct {
			Solution map[string]string
			Error    string
		}
		if err := json.Unmarshal(out.Bytes(), &want); err != nil {
			t.Fatal(err)
		}
		if strings.HasPrefix(want.Error, "ArgumentError") || strings.HasPrefix(want.Error, "NoMethodError") {
			crashed++ // Molinillo cannot describe some circles
			continue
		}
		g, demands := p.build()
		choices, err := Solve(t.Context(), g, demands, 0)
		if err != nil {
			var c *Conflict
			if !errors.As(err, &c) {
				t.Fatalf("problem %d: %v", i, err)
			}
			unsolvable++
			if want.Error == "" {
				t.Fatalf("problem %d: here %v, Molinillo finds %v\n%s", i, err, want.Solution, line)
			}
			continue
		}
		solved++
		got := map[string]string{}
		for _, c := range choices {
			got[c.Name] = c.Version.String()
		}
		if len(got) != len(want.Solution) || want.Error != "" {
			t.Fatalf("problem %d: here %v, Molinillo %v %s\n%s", i, got, want.Solution, want.Error, line)
		}
		for n, v := range want.Solution {
			if got[n] != v {
				t.Fatalf("problem %d: %s is %s here, %s there\n%s", i, n, got[n], v, line)
			}
		}
	}
	t.Logf("%d problems: %d solved, %d without a solution, %d ended in a crash of Molinillo", count, solved, unsolvable, crashed)
	if min(solved, unsolvable) < count/20 {
		t.Error("nearly all problems are of one kind")
	}
}
