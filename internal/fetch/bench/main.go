// Command bench measures galley fetch beside what people use otherwise: curl,
// curl with gzip, and Python's requests. The candidates of one comparison run
// in turn, several times, so that a busy machine is busy for all of them; what
// it prints are medians of their ratios.
//
//	go run ./internal/fetch/bench -galley bin/galley -size 512M
//
// A candidate that is not installed is left out, and the line says so.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/galleyhq/galley/internal/fetch"
)

func main() {
	if len(os.Args) > 1 && os.Args[1] == "serve" {
		fatal(serve(os.Args[2]))
		return
	}
	b := &bench{}
	flag.StringVar(&b.galley, "galley", "galley", "the program to measure")
	size := flag.String("size", "512M", "size of the body")
	growth := flag.String("growth", "", "sizes for the growth of memory, such as 1G,10G (empty: not measured)")
	flag.IntVar(&b.runs, "runs", 3, "runs of each candidate")
	only := flag.String("only", "", "comparisons to make, such as M1,M4 (empty: all)")
	dir := flag.String("dir", "", "where to write (empty: a temporary folder)")
	flag.Parse()
	var err error
	if b.size, err = fetch.ParseSize(*size); err != nil {
		fatal(err)
	}
	b.only = strings.FieldsFunc(*only, func(r rune) bool { return r == ',' })
	if b.dir = *dir; b.dir == "" {
		if b.dir, err = os.MkdirTemp("", "bench-fetch-"); err != nil {
			fatal(err)
		}
		defer os.RemoveAll(b.dir)
	}
	fatal(b.all(*growth))
}

func fatal(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// serve is the server, a process of its own. The paths are /plain/SIZE and
// /gzip/SIZE.
func serve(sizeText string) error {
	size, err := strconv.ParseInt(sizeText, 10, 64)
	if err != nil {
		return err
	}
	block := records(32 << 20)
	zipped, err := packed(block, size)
	if err != nil {
		return err
	}
	l, err := (&net.ListenConfig{}).Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	fmt.Println(l.Addr())
	go func() {
		// It ends with the one who started it.
		_, _ = io.Copy(io.Discard, os.Stdin)
		os.Exit(0)
	}()
	s := &http.Server{ReadHeaderTimeout: time.Minute, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		kind, text, _ := strings.Cut(r.URL.Path[1:], "/")
		if kind == "gzip" {
			w.Header().Set("Content-Encoding", "gzip")
			w.Header().Set("Content-Length", strconv.Itoa(len(zipped)))
			_, _ = w.Write(zipped)
			return
		}
		n, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			http.NotFound(w, r)
			return
		}
		w.Header().Set("Content-Length", strconv.FormatInt(bodySize(block, n), 10))
		_ = writeBody(w, block, n)
	})}
	return s.Serve(l)
}

type bench struct {
	galley, dir, url string
	size             int64
	runs             int
	only             []string
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

func (b *bench) run(c candidate, url, out string) (cost, error) {
	var k cost
	_ = os.Remove(out)
	cmd := exec.Command("sh", "-c", "set -e; "+c.sh)
	cmd.Env = append(os.Environ(), "URL="+url, "OUT="+out, "GALLEY="+b.galley)
	cmd.Stderr = os.Stderr
	begun := time.Now()
	if err := cmd.Run(); err != nil {
		return k, fmt.Errorf("%s: %w", c.name, err)
	}
	k.wall = time.Since(begun)
	k.cpu = cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
	k.rss = peak(cmd.ProcessState)
	if st, err := os.Stat(out); err == nil {
		k.out = st.Size()
	}
	return k, os.Remove(out)
}

func installed(c candidate) string {
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

func (b *bench) all(growth string) error {
	if _, err := exec.LookPath(b.galley); err != nil {
		return err
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	server := exec.Command(self, "serve", strconv.FormatInt(b.size, 10))
	server.Stderr = os.Stderr
	hold, err := server.StdinPipe()
	if err != nil {
		return err
	}
	defer hold.Close()
	out, err := server.StdoutPipe()
	if err != nil {
		return err
	}
	if err := server.Start(); err != nil {
		return err
	}
	line := make([]byte, 64)
	n, err := out.Read(line)
	if err != nil {
		return fmt.Errorf("the server did not start: %w", err)
	}
	b.url = "http://" + strings.TrimSpace(string(line[:n]))
	plain := fmt.Sprintf("%s/plain/%d", b.url, b.size)
	zipped := fmt.Sprintf("%s/gzip/%d", b.url, b.size)

	curlGzip := candidate{"curl | gzip -6", []string{"curl", "gzip"}, `curl -sS "$URL" | gzip -6 > "$OUT"`}
	for _, j := range []struct {
		id, what, url, ext string
		ours, theirs       candidate
	}{
		{"M1 M2", "gzip within 5 % of the size of gzip -6", plain, ".json.gz", candidate{"galley --level 5", nil, `"$GALLEY" fetch "$URL" -o "$OUT" --level 5 -q --no-sync`}, curlGzip},
		{"M3", "default, cursor looked for", plain, ".json.gz", candidate{"galley --next", nil, `"$GALLEY" fetch "$URL" -o "$OUT" --next meta.next -q --no-sync`},
			candidate{"requests, 10240, gzip", []string{"python3", "requests"}, python}},
		{"M4", "plain", plain, ".json", candidate{"galley", nil, `"$GALLEY" fetch "$URL" -o "$OUT" -q --no-sync`}, candidate{"curl -o", []string{"curl"}, `curl -sS "$URL" -o "$OUT"`}},
		{"M4s", "plain, on the disk", plain, ".json", candidate{"galley", nil, `"$GALLEY" fetch "$URL" -o "$OUT" -q`}, candidate{"curl -o; sync", []string{"curl", "sync"}, `curl -sS "$URL" -o "$OUT"; sync "$OUT"`}},
		{"M5", "gzip from the server, cursor found", zipped, ".json.gz", candidate{"galley --next", nil, `"$GALLEY" fetch "$URL" -o "$OUT" --next meta.next -q --no-sync`},
			candidate{"curl --compressed | gzip -6", []string{"curl", "gzip"}, `curl -sS --compressed "$URL" | gzip -6 > "$OUT"`}},
		{"M10", "what looking for a cursor costs", plain, ".json.gz", candidate{"galley --next", nil, `"$GALLEY" fetch "$URL" -o "$OUT" --next meta.next -q --no-sync`},
			candidate{"galley", nil, `"$GALLEY" fetch "$URL" -o "$OUT" -q --no-sync`}},
		{"zstd", "zstd", plain, ".json.zst", candidate{"galley", nil, `"$GALLEY" fetch "$URL" -o "$OUT" -q --no-sync`}, candidate{"curl | zstd -3", []string{"curl", "zstd"}, `curl -sS "$URL" | zstd -q -3 -o "$OUT"`}},
		{"items", "records to NDJSON", plain, ".ndjson", candidate{"galley --items", nil, `"$GALLEY" fetch "$URL" -o "$OUT" --items items -q --no-sync`}, candidate{"curl -o", []string{"curl"}, `curl -sS "$URL" -o "$OUT"`}},
	} {
		if len(b.only) > 0 && !slices.ContainsFunc(strings.Fields(j.id), func(id string) bool { return slices.Contains(b.only, id) }) {
			continue
		}
		if err := b.pair(j.id, j.what, j.url, filepath.Join(b.dir, "out"+j.ext), j.ours, j.theirs); err != nil {
			return err
		}
	}
	return b.growth(growth)
}

// pair runs two candidates in turn and prints the medians of their ratios.
func (b *bench) pair(id, what, url, out string, ours, theirs candidate) error {
	if missing := installed(theirs); missing != "" {
		fmt.Printf("%-6s %s: %s is not installed\n", id, what, missing)
		return nil
	}
	var wall, cpu []float64
	var a, z cost
	for range b.runs {
		var err error
		if a, err = b.run(ours, url, out); err != nil {
			return err
		}
		if z, err = b.run(theirs, url, out); err != nil {
			return err
		}
		wall = append(wall, a.wall.Seconds()/z.wall.Seconds())
		cpu = append(cpu, a.cpu.Seconds()/z.cpu.Seconds())
	}
	fmt.Printf("%-6s %s, %s: wall %.3f, CPU %.3f, size %.3f of %s's\n", id, what, fetch.FormatSize(b.size), median(wall), median(cpu), float64(a.out)/float64(z.out), theirs.name)
	for _, r := range []struct {
		name string
		cost
	}{{ours.name, a}, {theirs.name, z}} {
		fmt.Printf("         last run: %-28s wall %6.2f s, CPU %6.2f s, peak %s, output %s\n", r.name, r.wall.Seconds(), r.cpu.Seconds(), fetch.FormatSize(r.rss), fetch.FormatSize(r.out))
	}
	return nil
}

func median(v []float64) float64 {
	slices.Sort(v)
	return v[len(v)/2]
}

// growth prints the peak of memory at several sizes.
func (b *bench) growth(sizes string) error {
	for _, s := range strings.FieldsFunc(sizes, func(r rune) bool { return r == ',' }) {
		n, err := fetch.ParseSize(s)
		if err != nil {
			return err
		}
		url := fmt.Sprintf("%s/plain/%d", b.url, n)
		for _, c := range []candidate{
			{"plain", nil, `exec "$GALLEY" fetch "$URL" -o "$OUT" -q --no-sync`},
			{"gzip, cursor", nil, `exec "$GALLEY" fetch "$URL" -o "$OUT" --next meta.next -q --no-sync --workers 2`},
		} {
			ext := ".json"
			if c.name != "plain" {
				ext = ".json.gz"
			}
			k, err := b.run(c, url, filepath.Join(b.dir, "out"+ext))
			if err != nil {
				return err
			}
			fmt.Printf("M6 M7  %-13s %8s: peak %s, CPU %.1f s, wall %.1f s\n", c.name, fetch.FormatSize(n), fetch.FormatSize(k.rss), k.cpu.Seconds(), k.wall.Seconds())
		}
	}
	return nil
}
