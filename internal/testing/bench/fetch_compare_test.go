package bench

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/galleyhq/galley/internal/fetch"
)

type bench struct {
	galley, dir string
	// url and secure are the server without and with TLS.
	url, secure string
	size        int64
	runs        int
	only        []string
	rows        []row
}

// wanted reports whether one of the targets is to be measured.
func (b *bench) wanted(ids ...string) bool {
	return len(b.only) == 0 || slices.ContainsFunc(ids, func(id string) bool { return slices.Contains(b.only, id) })
}

// cost is what one run took.
type cost struct {
	wall, cpu time.Duration
	rss, out  int64
}

// candidate is one way of doing a job. Its shell command finds the URL in $URL
// and writes to $OUT.
type candidate struct {
	name  string
	needs []string // programs
	sh    string
}

// ours is galley fetch with some flags.
func ours(name, flags string) candidate {
	return candidate{name, nil, `exec "$GALLEY" fetch "$URL" -o "$OUT" -q ` + flags}
}

func (b *bench) run(c candidate, url, out string) (cost, error) {
	var k cost
	_ = os.Remove(out)
	cmd := exec.Command("sh", "-c", "set -e; "+c.sh)
	cmd.Env = append(os.Environ(), "URL="+url, "OUT="+out, "GALLEY="+b.galley, "BENCH="+os.Args[0], helper+"=1")
	cmd.Stderr = os.Stderr
	begun := time.Now()
	if err := cmd.Run(); err != nil {
		return k, fmt.Errorf("%s: %w", c.name, err)
	}
	k.wall = time.Since(begun)
	k.cpu = cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
	k.rss = peakOf(cmd.ProcessState)
	if st, err := os.Stat(out); err == nil {
		k.out = st.Size()
	}
	return k, os.Remove(out)
}

func missing(c candidate) string {
	for _, p := range c.needs {
		if p == "requests" {
			if exec.Command("python3", "-c", "import requests").Run() != nil {
				return "Python's requests"
			}
			continue
		}
		if _, err := exec.LookPath(p); err != nil {
			return p
		}
	}
	return ""
}

const python = `python3 -c '
import gzip, os, requests
with requests.get(os.environ["URL"], stream=True) as r, gzip.open(os.environ["OUT"], "wb") as f:
    for chunk in r.iter_content(10240):
        f.write(chunk)
'`

// bar is what a figure may be at most.
type bar struct {
	id, figure string // figure: wall, CPU, size
	most       float64
}

// comparison is one job and two ways of doing it.
type comparison struct {
	what, path, ext string
	ours, theirs    candidate
	bars            []bar
}

func comparisons() []comparison {
	curl := candidate{"curl -o", []string{"curl"}, `exec curl -sS "$URL" -o "$OUT"`}
	curlGzip := candidate{"curl | gzip -6", []string{"curl", "gzip"}, `curl -sS "$URL" | gzip -6 > "$OUT"`}
	wall := 0.25
	if runtime.NumCPU() >= 8 {
		wall = 0.10
	}
	return []comparison{
		{
			"gzip within 5 % of the size of gzip -6", "plain", ".json.gz", ours("galley --level 5", "--level 5 --no-sync"), curlGzip,
			[]bar{{"M1", "wall", wall}, {"M1", "size", 1.05}, {"M2", "CPU", 0.40}},
		},
		{
			"the default, a cursor looked for", "plain", ".json.gz", ours("galley --next", "--next meta.next --no-sync"),
			candidate{"requests, 10240, gzip", []string{"python3", "requests"}, python},
			[]bar{{"M3", "wall", 0.10}, {"M3", "CPU", 0.15}},
		},
		{"plain", "plain", ".json", ours("galley", "--no-sync"), curl, []bar{{"M4", "wall", 1}, {"M4", "CPU", 1}}},
		{
			"plain, until the disk has it", "plain", ".json", ours("galley", ""),
			candidate{"curl -o; sync", []string{"curl", "sync"}, `curl -sS "$URL" -o "$OUT"; sync "$OUT"`},
			[]bar{{"M4", "wall", 1}, {"M4", "CPU", 1}},
		},
		{
			"gzip from the server, a cursor found", "gzip", ".json.gz", ours("galley --next", "--next meta.next --no-sync"),
			candidate{"curl --compressed | gzip -6", []string{"curl", "gzip"}, `curl -sS --compressed "$URL" | gzip -6 > "$OUT"`},
			[]bar{{"M5", "CPU", 0.15}},
		},
		{"what looking for a cursor costs", "plain", ".json.gz", ours("galley --next", "--next meta.next --no-sync"), ours("galley", "--no-sync"), []bar{{"M10", "CPU", 1.12}}},
		{
			"gzip beside igzip", "plain", ".json.gz", ours("galley", "--no-sync"),
			candidate{"curl | igzip -1", []string{"curl", "igzip"}, `curl -sS "$URL" | igzip -1 -c > "$OUT"`},
			[]bar{{"igzip", "CPU", 1.5}, {"igzip", "size", 0}},
		},
		{
			"zstd", "plain", ".json.zst", ours("galley", "--no-sync"),
			candidate{"curl | zstd -1", []string{"curl", "zstd"}, `curl -sS "$URL" | zstd -q -1 -o "$OUT"`},
			[]bar{{"zstd", "wall", 0}, {"zstd", "CPU", 1.1}, {"zstd", "size", 1}},
		},
		{
			"plain over TLS", "secure", ".json", ours("galley -k", "-k --no-sync"),
			candidate{"curl -k -o", []string{"curl"}, `exec curl -sSk "$URL" -o "$OUT"`},
			[]bar{{"https", "wall", 0}, {"https", "CPU", 1.2}},
		},
		{
			"3,000 tiny pages", "pages", ".json.gz", ours("galley --next", "--next next --no-sync"),
			candidate{"a loop in Go", nil, `exec "$BENCH" pages "$URL" "$OUT"`},
			[]bar{{"pages", "wall", 0}, {"pages", "CPU", 1}},
		},
		{"records to NDJSON", "plain", ".ndjson", ours("galley --items", "--items items --no-sync"), curl, []bar{{"items", "wall", 0}, {"items", "CPU", 0}}},
	}
}

// pair runs two candidates in turn and keeps the medians of their ratios.
func (b *bench) pair(c comparison) error {
	var ids []string
	for _, bar := range c.bars {
		ids = append(ids, bar.id)
	}
	if !b.wanted(ids...) {
		return nil
	}
	claim := func(figure string) string { return fmt.Sprintf("%s: %s of %s's", c.what, figure, c.theirs.name) }
	if p := missing(c.theirs); p != "" {
		for _, bar := range c.bars {
			b.rows = append(b.rows, row{id: bar.id, claim: claim(bar.figure), measured: p + " is not installed"})
		}
		return nil
	}
	url := fmt.Sprintf("%s/%s/%d", b.url, c.path, b.size)
	switch c.path {
	case "secure":
		url = fmt.Sprintf("%s/plain/%d", b.secure, b.size)
	case "pages":
		url = b.url + "/pages/3000"
	}
	out := filepath.Join(b.dir, "out"+c.ext)
	ratios := map[string][]float64{}
	var a, z []cost
	for range b.runs {
		x, err := b.run(c.ours, url, out)
		if err != nil {
			return err
		}
		y, err := b.run(c.theirs, url, out)
		if err != nil {
			return err
		}
		a, z = append(a, x), append(z, y)
		ratios["wall"] = append(ratios["wall"], x.wall.Seconds()/y.wall.Seconds())
		ratios["CPU"] = append(ratios["CPU"], x.cpu.Seconds()/y.cpu.Seconds())
		ratios["size"] = append(ratios["size"], float64(x.out)/float64(y.out))
	}
	fmt.Printf("%s, %s\n", c.what, fetch.FormatSize(b.size))
	for _, r := range []struct {
		name string
		runs []cost
	}{{c.ours.name, a}, {c.theirs.name, z}} {
		fmt.Printf("  %-28s wall %7.2f s, CPU %7.2f s, peak %9s, output %s\n", r.name,
			medianOf(r.runs, func(k cost) float64 { return k.wall.Seconds() }), medianOf(r.runs, func(k cost) float64 { return k.cpu.Seconds() }),
			fetch.FormatSize(int64(medianOf(r.runs, func(k cost) float64 { return float64(k.rss) }))), fetch.FormatSize(r.runs[0].out))
	}
	for _, bar := range c.bars {
		v := ratios[bar.figure]
		slices.Sort(v)
		m := v[len(v)/2]
		r := row{id: bar.id, claim: claim(bar.figure), measured: fmt.Sprintf("%.3f (%.3f to %.3f)", m, v[0], v[len(v)-1])}
		if bar.most > 0 {
			r.bar = "at most " + strconv.FormatFloat(bar.most, 'f', 2, 64)
			r.verdict = verdict(m <= bar.most)
		}
		b.rows = append(b.rows, r)
	}
	return nil
}

func medianOf(runs []cost, of func(cost) float64) float64 {
	var v []float64
	for _, k := range runs {
		v = append(v, of(k))
	}
	slices.Sort(v)
	return v[len(v)/2]
}

// memory measures the peak of memory at two sizes.
func (b *bench) memory(sizes string) error {
	if !b.wanted("M6", "M7") {
		return nil
	}
	texts := strings.FieldsFunc(sizes, func(r rune) bool { return r == ',' })
	if len(texts) != 2 {
		return nil
	}
	workers := 2
	for _, c := range []struct {
		what, ext, flags string
		most             int64 // MiB
	}{
		{"plain", ".json", "", 24},
		{fmt.Sprintf("gzip, %d workers, a cursor looked for", workers), ".json.gz", fmt.Sprintf("--next meta.next --workers %d", workers), 32},
	} {
		var peaks []int64
		for _, t := range texts {
			n, err := fetch.ParseSize(t)
			if err != nil {
				return err
			}
			k, err := b.run(ours("galley", c.flags+" --no-sync"), fmt.Sprintf("%s/plain/%d", b.url, n), filepath.Join(b.dir, "out"+c.ext))
			if err != nil {
				return err
			}
			fmt.Printf("memory, %s, %s: peak %s, CPU %.1f s, wall %.1f s\n", c.what, t, fetch.FormatSize(k.rss), k.cpu.Seconds(), k.wall.Seconds())
			peaks = append(peaks, k.rss)
		}
		const mib = 1 << 20
		high := max(peaks[0], peaks[1])
		b.rows = append(b.rows,
			row{"M6", "peak of memory, " + c.what, fmt.Sprintf("at most %d MiB", c.most), fetch.FormatSize(high), verdict(high <= c.most*mib)},
			row{"M7", fmt.Sprintf("its growth from %s to %s, %s", texts[0], texts[1], c.what), "at most 4 MiB", fmt.Sprintf("%+.1f MiB", float64(peaks[1]-peaks[0])/mib), verdict(peaks[1] <= peaks[0]+4*mib)})
	}
	return nil
}
