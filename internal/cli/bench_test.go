//go:build unix

package cli_test

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/galleyhq/galley/internal/devcloud"
	"github.com/galleyhq/galley/internal/testing/standin"
)

// The benchmarks of `make bench-converge`. Each runs the built binary against
// an embedded cloud, in turn beside its yardstick, and reports
// medians: other work on the machine then touches both alike. The CPU time is
// that of everything: the command, the machine at the other end and the cloud.

// cost is what one run of a command took.
type cost struct {
	wall, cpu, own time.Duration
	// peak is the largest resident set in bytes.
	peak int64
}

// spent runs a command that must succeed.
func spent(b *testing.B, cmd *exec.Cmd) (c cost, out string) {
	b.Helper()
	before := treeCPU(b)
	start := time.Now()
	text, err := cmd.CombinedOutput()
	c.wall = time.Since(start)
	c.cpu = treeCPU(b) - before
	if err != nil {
		b.Fatalf("%v: %v\n%s", cmd.Args, err, text)
	}
	c.own = cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
	if u, ok := cmd.ProcessState.SysUsage().(*syscall.Rusage); ok {
		c.peak = int64(u.Maxrss)
		if runtime.GOOS != "darwin" {
			c.peak *= 1024
		}
	}
	return c, string(text)
}

func median[T cmp.Ordered](v []T) T {
	s := slices.Sorted(slices.Values(v))
	return s[len(s)/2]
}

func ms(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// sample collects the runs of one way.
type sample struct{ wall, cpu, own []time.Duration }

func (s *sample) add(c cost) {
	s.wall, s.cpu, s.own = append(s.wall, c.wall), append(s.cpu, c.cpu), append(s.own, c.own)
}

func (s *sample) report(b *testing.B, name string) {
	b.ReportMetric(ms(median(s.wall)), name+"-ms")
	b.ReportMetric(ms(median(s.cpu)), name+"-cpu-ms")
	b.ReportMetric(ms(median(s.own)), name+"-own-cpu-ms")
}

// treeCPU is the CPU time of this process and of all that came of it: of the
// guests and of what has run in them.
func treeCPU(b *testing.B) time.Duration {
	b.Helper()
	if runtime.GOOS != "linux" {
		return 0
	}
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		b.Fatal(err)
	}
	parent, ticks := map[int]int{}, map[int]int{}
	for _, file := range stats {
		text, err := os.ReadFile(file)
		if err != nil {
			continue // it has ended
		}
		// Fields are counted after the name, which may hold anything.
		at := strings.LastIndexByte(string(text), ')')
		f := strings.Fields(string(text[at+1:]))
		pid, _ := strconv.Atoi(filepath.Base(filepath.Dir(file)))
		parent[pid], _ = strconv.Atoi(f[1])
		for _, n := range f[11:15] { // utime, stime, cutime, cstime
			v, _ := strconv.Atoi(n)
			ticks[pid] += v
		}
	}
	sum := 0
	for pid := range parent {
		for up := pid; up > 0; up = parent[up] {
			if up == os.Getpid() {
				sum += ticks[pid]
				break
			}
		}
	}
	return time.Duration(sum) * 10 * time.Millisecond // USER_HZ is 100
}

// BenchmarkNoChangeConverge is what a converge adds that changes nothing: the
// whole process from its start to its end, less the run of the client itself
// as the machine's own clock tells it.
func BenchmarkNoChangeConverge(b *testing.B) {
	c := newCloud(b, devcloud.Options{})
	p := chefProject(b, c, standin.Mirror{}, "file '/etc/motd' do\n  content 'x'\nend\n")
	// A client that writes down how long it ran.
	p.write(b, map[string]string{"kitchen.local.yml": "provisioner: {chef_client_path: /opt/timed}\n"})
	p.must(b, "create")
	p.must(b, "exec", "-c", `printf '#!/bin/sh\nb=$(date +%%s%%N)\n/opt/cinc/bin/cinc-client "$@"\ns=$?\necho client-ns $(($(date +%%s%%N)-b))\nexit $s\n' | sudo tee /opt/timed >/dev/null; sudo chmod 755 /opt/timed`)
	p.must(b, "converge")
	var all, client, added []time.Duration
	var own sample
	for b.Loop() {
		got, out := spent(b, p.command(b.Context(), "converge"))
		_, rest, ok := strings.Cut(out, "client-ns ")
		ns, err := strconv.ParseInt(strings.Fields(rest + " -")[0], 10, 64)
		if !ok || err != nil {
			b.Fatalf("the client's time is missing:\n%s", out)
		}
		own.add(got)
		all, client, added = append(all, got.wall), append(client, time.Duration(ns)), append(added, got.wall-time.Duration(ns))
	}
	b.ReportMetric(ms(median(added)), "added-ms")
	b.ReportMetric(ms(median(client)), "client-ms")
	b.ReportMetric(float64(median(all))/float64(median(client)), "x-client")
	b.ReportMetric(ms(median(own.own)), "galley-own-cpu-ms")
	p.must(b, "destroy")
}

// bigTree makes 2,000 files of 10 kB each, as a repository of cookbooks.
func bigTree(b *testing.B, dir string) {
	b.Helper()
	rnd := rand.New(rand.NewPCG(1, 2))
	words := []string{"package ", "service ", "template ", "do\n", "end\n", "action ", ":install\n", "node[", "'attr'", "]\n", "  "}
	for i := range 2000 {
		file := filepath.Join(dir, fmt.Sprintf("c%d", i/50), "recipes", fmt.Sprintf("r%d.rb", i))
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			b.Fatal(err)
		}
		var text []byte
		for len(text) < 10_000 {
			text = append(text, words[rnd.IntN(len(words))]...)
			if rnd.IntN(4) == 0 {
				text = fmt.Appendf(text, "%d", rnd.Uint32())
			}
		}
		if err := os.WriteFile(file, text[:10_000], 0o644); err != nil {
			b.Fatal(err)
		}
	}
}

// uploadFile sends the directory data to the machine and does nothing with it.
const uploadFile = `---
driver: {name: openstack, image_ref: debian-12, flavor_ref: m1.small, network_ref: net1}
transport: {username: debian, port: <%= ENV['GALLEY_DEVCLOUD_SSH_PORT'] %>}
provisioner: {name: shell, command: "true", data_path: <%= ENV['DATA'] %>}
platforms: [{name: x}]
suites: [{name: default}]
`

func uploadProject(b *testing.B) (p *project, c *devcloud.Cloud) {
	c = newCloud(b, devcloud.Options{})
	p = newProject(b, c, uploadFile)
	p.env = append(p.env, "DATA=data")
	bigTree(b, filepath.Join(p.dir, "data"))
	p.write(b, map[string]string{"none/one": "x"})
	p.must(b, "create")
	return p, c
}

// BenchmarkFirstUpload is a converge that sends a tree of 2,000 files and
// 20 MB to a machine that has none of it, beside tar piped through ssh.
func BenchmarkFirstUpload(b *testing.B) {
	for _, tool := range []string{"ssh", "tar"} {
		if _, err := exec.LookPath(tool); err != nil {
			b.Skipf("there is no %s here", tool)
		}
	}
	p, _ := uploadProject(b)
	login := fmt.Sprintf("ssh -F none -o BatchMode=yes -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR -o IdentitiesOnly=yes -i .kitchen/galley/default-x.pem -p %s debian@%s", p.getenv("GALLEY_DEVCLOUD_SSH_PORT"), p.address(b))
	shell := func(code string) *exec.Cmd {
		cmd := exec.CommandContext(b.Context(), "sh", "-c", code)
		cmd.Dir, cmd.Env = p.dir, p.env
		return cmd
	}
	var galley, tar sample
	ways := []func(){
		func() {
			got, _ := spent(b, p.command(b.Context(), "converge"))
			galley.add(got)
		},
		func() {
			got, _ := spent(b, shell("tar -C data -c . | "+login+" 'mkdir -p /tmp/tarred && tar -x -C /tmp/tarred'"))
			tar.add(got)
		},
	}
	for b.Loop() {
		for _, way := range ways {
			// What the file system still has to do with the last tree is
			// nobody's cost.
			spent(b, p.command(b.Context(), "exec", "-c", "sudo rm -rf /tmp/kitchen /tmp/tarred; sync"))
			way()
		}
		slices.Reverse(ways)
	}
	galley.report(b, "galley")
	tar.report(b, "tar-ssh")
	b.ReportMetric(float64(median(galley.wall))/float64(median(tar.wall)), "x-tar-ssh")
	b.ReportMetric(float64(median(galley.cpu))/float64(median(tar.cpu)), "x-tar-ssh-cpu")
	p.must(b, "destroy")
}

// BenchmarkSecondUpload is a converge with the same tree that the machine has
// all of, beside one that has a single small file to look at: the difference
// is what the tree costs.
func BenchmarkSecondUpload(b *testing.B) {
	p, _ := uploadProject(b)
	small := func() *exec.Cmd {
		cmd := p.command(b.Context(), "converge")
		cmd.Env = append(slices.Clone(cmd.Env), "DATA=none", "KITCHEN_LOCAL_YAML=small.yml")
		return cmd
	}
	p.write(b, map[string]string{"small.yml": "provisioner: {root_path: /tmp/small}\n"})
	p.must(b, "converge")
	spent(b, small())
	var tree, one sample
	var added []time.Duration
	for b.Loop() {
		big, out := spent(b, p.command(b.Context(), "converge"))
		if strings.Contains(out, "Sent ") {
			b.Fatalf("something was sent:\n%s", out)
		}
		little, _ := spent(b, small())
		tree.add(big)
		one.add(little)
		added = append(added, big.wall-little.wall)
	}
	tree.report(b, "tree")
	one.report(b, "one-file")
	b.ReportMetric(ms(median(added)), "added-ms")
	p.must(b, "destroy")
}

// BenchmarkTwentyAtOnce takes twenty instances from nothing to converged at
// -c 20, each with the whole tree, and reports the memory that galley took.
func BenchmarkTwentyAtOnce(b *testing.B) {
	c := newCloud(b, devcloud.Options{Quotas: map[string]int{"instances": 40, "cores": 80, "ram": 200_000, "port": 100, "floatingip": 50, "key_pairs": 100}})
	file := strings.Replace(uploadFile, "suites: [{name: default}]", "suites: [<%= (1..20).map { |i| \"{name: s#{i}}\" }.join(', ') %>]", 1)
	p := newProject(b, c, file)
	p.env = append(p.env, "DATA=data")
	bigTree(b, filepath.Join(p.dir, "data"))
	var all sample
	var peak []int64
	for b.Loop() {
		got, out := spent(b, p.command(b.Context(), "converge", "-c", "20"))
		if n := strings.Count(out, "Finished converging"); n != 20 {
			b.Fatalf("%d converged:\n%s", n, out)
		}
		all.add(got)
		peak = append(peak, got.peak)
		spent(b, p.command(b.Context(), "destroy", "-c", "20"))
	}
	all.report(b, "galley")
	b.ReportMetric(float64(slices.Max(peak))/1e6, "peak-MB")
}
