package bench

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/galleyhq/galley/internal/testing/supermarkettest"
)

func TestDeps(t *testing.T) {
	galley := program(t)
	for _, u := range []struct {
		name             string
		others, versions int
	}{{"small list", 300, 8}, {"4,000 cookbooks of 40 versions", 4000, 40}} {
		b := &depsBench{galley: galley, runs: *runs}
		size := 0
		stop, err := start([]any{&b.url, &size}, "market", strconv.Itoa(u.others), strconv.Itoa(u.versions))
		if err != nil {
			t.Fatal(err)
		}
		fmt.Printf("%s (%.1f MB)\n", u.name, float64(size)/1e6)
		err = b.all(t.TempDir())
		stop()
		if err != nil {
			t.Fatal(err)
		}
	}
}

// market is the Supermarket, with some further cookbooks of some versions each.
func market(others, versions string) error {
	n, err := strconv.Atoi(others)
	v, verr := strconv.Atoi(versions)
	if err = errors.Join(err, verr); err != nil {
		return err
	}
	m := supermarkettest.Start(universe(n, v)...)
	fmt.Println(m.URL, len(m.Universe()))
	_, _ = io.Copy(io.Discard, os.Stdin) // until the parent is done
	return nil
}

// universe has a chain of 28 cookbooks, two that share one of them, and others
// that only make the list longer.
func universe(others, versions int) []supermarkettest.Cookbook {
	var out []supermarkettest.Cookbook
	add := func(name string, needs map[string]string) {
		for v := range 3 {
			out = append(out, supermarkettest.Cookbook{Name: name, Version: fmt.Sprintf("1.%d.0", v), Needs: needs})
		}
	}
	for i := range 28 {
		var needs map[string]string
		if i < 27 {
			needs = map[string]string{fmt.Sprintf("chain%02d", i+1): ">= 1.0"}
		}
		add(fmt.Sprintf("chain%02d", i), needs)
	}
	add("left", map[string]string{"chain27": "~> 1.0"})
	add("right", map[string]string{"chain27": "< 1.2"})
	for i := range others {
		for v := range versions {
			needs := map[string]string{}
			for d := range i % 4 {
				needs[fmt.Sprintf("other%04d", (i*7+d*13)%others)] = fmt.Sprintf("~> 1.%d", v)
			}
			out = append(out, supermarkettest.Cookbook{Name: fmt.Sprintf("other%04d", i), Version: fmt.Sprintf("1.%d.0", v), Needs: needs})
		}
	}
	return out
}

type depsBench struct {
	url    string
	galley string
	runs   int
}

// step is one row: the files removed before, and the commands.
type step struct {
	name           string
	lock, cache    bool // are removed before
	galley, chef   []string
	berks          []string
	wantMS, wantMB int
}

var steps = []step{
	{"Policyfile: install, cold", true, true, []string{"install", "Policyfile.rb"}, []string{"install", "Policyfile.rb"}, nil, 1000, 150},
	{"Policyfile: install, no lock, warm cache", true, false, []string{"install", "Policyfile.rb"}, []string{"install", "Policyfile.rb"}, nil, 200, 150},
	{"Policyfile: install, lock up to date", false, false, []string{"install", "Policyfile.rb"}, []string{"install", "Policyfile.rb"}, nil, 40, 80},
	{"Berksfile: install, cold", true, true, []string{"install", "Berksfile"}, nil, []string{"install"}, 1000, 150},
	{"Berksfile: install, lock up to date", false, false, []string{"install", "Berksfile"}, nil, []string{"install"}, 40, 80},
	{"Berksfile: vendor, cold", true, true, []string{"vendor", "Berksfile", "out"}, nil, []string{"vendor", "out"}, 1000, 150},
}

func (b *depsBench) all(dir string) error {
	for name, text := range map[string]string{
		"Policyfile.rb": fmt.Sprintf("name 'bench'\ndefault_source :supermarket, '%s'\nrun_list 'chain00', 'left', 'right'\n", b.url),
		"Berksfile":     fmt.Sprintf("source '%s'\ncookbook 'chain00'\ncookbook 'left'\ncookbook 'right'\n", b.url),
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			return err
		}
	}
	for _, s := range steps {
		ours, mb, err := b.median(dir, s, append([]string{b.galley, "deps"}, s.galley...))
		if err != nil {
			return err
		}
		line := fmt.Sprintf("  %-42s %6d ms %4d MB   target %4d ms %3d MB", s.name, ours.Milliseconds(), mb, s.wantMS, s.wantMB)
		for _, peer := range []struct {
			program string
			args    []string
		}{{"chef-cli", s.chef}, {"berks", s.berks}} {
			program, err := exec.LookPath(peer.program)
			if err != nil || peer.args == nil {
				continue
			}
			theirs, mb, err := b.median(dir, s, append([]string{program}, peer.args...))
			if err != nil {
				return err
			}
			line += fmt.Sprintf("   %s %d ms %d MB, %.1f times as long", peer.program, theirs.Milliseconds(), mb, theirs.Seconds()/ours.Seconds())
		}
		fmt.Println(line)
	}
	return nil
}

// median runs a command several times.
func (b *depsBench) median(dir string, s step, args []string) (time.Duration, int, error) {
	home := filepath.Join(dir, "home-"+filepath.Base(args[0]))
	var times []time.Duration
	most := 0
	for range b.runs {
		if s.cache {
			if err := os.RemoveAll(home); err != nil {
				return 0, 0, err
			}
		}
		_ = os.RemoveAll(filepath.Join(dir, "out"))
		if s.lock {
			_ = os.Remove(filepath.Join(dir, "Policyfile.lock.json"))
			_ = os.Remove(filepath.Join(dir, "Berksfile.lock"))
		}
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
		cmd := exec.CommandContext(ctx, args[0], args[1:]...)
		cmd.Dir = dir
		cmd.Env = append(os.Environ(), "HOME="+home, "XDG_CACHE_HOME=", "CHEF_LICENSE=accept-no-persist")
		start := time.Now()
		out, err := cmd.CombinedOutput()
		times = append(times, time.Since(start))
		cancel()
		if err != nil {
			return 0, 0, fmt.Errorf("%s: %w\n%.2000s", strings.Join(args, " "), err, out)
		}
		most = max(most, int(peakOf(cmd.ProcessState)>>20))
	}
	slices.Sort(times)
	return times[len(times)/2], most, nil
}
