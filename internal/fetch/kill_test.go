package fetch

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
	"time"
)

// TestKilled is the process that TestKills kills.
func TestKilled(t *testing.T) {
	spec := os.Getenv("GALLEY_FETCH_KILLED")
	if spec == "" {
		t.Skip("not a child of TestKills")
	}
	var r Request
	if err := json.Unmarshal([]byte(spec), &r); err != nil {
		t.Fatal(err)
	}
	r.Resume = true
	r.Retry.Base = time.Millisecond
	if _, err := Fetch(t.Context(), r); err != nil {
		t.Fatal(err)
	}
}

// A fetch that is killed at any moment and resumed, over and over, ends in the
// same bytes as one that was left alone; and never is there anything under the
// output's name before. GALLEY_FETCH_KILLS sets the number of kills.
func TestKills(t *testing.T) {
	kills := 24
	if underRace && os.Getenv("GALLEY_FETCH_KILLS") == "" {
		t.Skip("the processes that are killed share no memory with this one")
	}
	if n, err := strconv.Atoi(os.Getenv("GALLEY_FETCH_KILLS")); err == nil {
		kills = n
	}
	body := records(12<<20, 1, "null")
	zipped := gzipped(body)
	var members []byte
	for rest := body; len(rest) > 0; rest = rest[min(len(rest), 300_000):] {
		members = append(members, gzipped(rest[:min(len(rest), 300_000)])...)
	}
	// The server is slow enough for a kill to strike in the middle.
	slow := func(w http.ResponseWriter) http.ResponseWriter { return &trickle{w, 64 << 10, 2 * time.Millisecond} }
	const pages = 60
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/file":
			file(slow(w), r, `"v1"`, body)
		case "/members":
			w.Header().Set("Content-Encoding", "gzip")
			file(slow(w), r, `"v1"`, members)
		case "/zipped":
			w.Header().Set("Content-Encoding", "gzip")
			file(slow(w), r, `"v1"`, zipped)
		default:
			i := 1
			fmt.Sscan(r.URL.Query().Get("p"), &i)
			next := "null"
			if i < pages {
				next = fmt.Sprintf(`"%d"`, i+1)
			}
			slow(w).Write(records(150_000, uint64(i), next))
		}
	})
	items := "items"
	shapes := []struct {
		name string
		r    Request
	}{
		{"plain", Request{URL: s.URL + "/file", Output: Output{Path: "o.json"}}},
		{"gzip", Request{URL: s.URL + "/file", Output: Output{Path: "o.json.gz"}}},
		{"zstd", Request{URL: s.URL + "/file", Output: Output{Path: "o.json.zst"}}},
		{"passed through", Request{URL: s.URL + "/zipped", Output: Output{Path: "o.json.gz"}}},
		{"records of one body", Request{URL: s.URL + "/file", Output: Output{Path: "o.ndjson.gz"}, Items: &items}},
		{"inflated", Request{URL: s.URL + "/members", Output: Output{Path: "o.json"}}},
		{"pages", Request{URL: s.URL + "/pages", Output: Output{Path: "o.json"}, Pages: Pages{Next: "meta.next", CursorParam: "p"}}},
		{"pages, gzip", Request{URL: s.URL + "/pages", Output: Output{Path: "o.json.gz"}, Pages: Pages{Next: "meta.next", CursorParam: "p"}}},
		{"records, zstd", Request{URL: s.URL + "/pages", Output: Output{Path: "o.ndjson.zst"}, Items: &items, Pages: Pages{Next: "meta.next", CursorParam: "p"}}},
		{"files", Request{URL: s.URL + "/pages", Output: Output{Path: "p-%03d.json.gz"}, Pages: Pages{Next: "meta.next", CursorParam: "p"}}},
	}
	rnd := rand.New(rand.NewPCG(uint64(time.Now().UnixNano()), 1))
	done := 0
	for round := 0; done < kills; round++ {
		for _, shape := range shapes {
			want, got := t.TempDir(), t.TempDir()
			r := shape.r
			name := r.Output.Path
			r.Output.Path = filepath.Join(want, name)
			mustFetch(t, r)
			r.Output.Path = filepath.Join(got, name)
			spec, err := json.Marshal(map[string]any{"URL": r.URL, "Output": map[string]any{"Path": r.Output.Path}, "Items": r.Items, "Pages": r.Pages})
			if err != nil {
				t.Fatal(err)
			}
			here := 0
			for complete := false; !complete; {
				cmd := exec.Command(os.Args[0], "-test.run=^TestKilled$")
				cmd.Env = append(os.Environ(), "GALLEY_FETCH_KILLED="+string(spec))
				if err := cmd.Start(); err != nil {
					t.Fatal(err)
				}
				ended := make(chan error, 1)
				go func() { ended <- cmd.Wait() }()
				if here >= min(12, kills/len(shapes)+1) {
					// Killed often enough: let it come to its end.
					if err := <-ended; err != nil {
						t.Fatalf("%s: %v", shape.name, err)
					}
					complete = true
					break
				}
				select {
				case err := <-ended:
					if err != nil {
						t.Fatalf("%s: %v", shape.name, err)
					}
					complete = true
				case <-time.After(time.Duration(20+rnd.IntN(180)) * time.Millisecond):
					if cmd.Process.Kill() == nil {
						here++
					}
					<-ended
				}
				if _, err := os.Stat(r.Output.Path); err == nil && !complete {
					// The kill struck after the rename: then it is the whole.
					if string(read(t, r.Output.Path)) != string(read(t, filepath.Join(want, name))) {
						t.Fatalf("%s: a partial file under the output's name", shape.name)
					}
				}
			}
			done += here
			entries, err := os.ReadDir(want)
			if err != nil {
				t.Fatal(err)
			}
			for _, e := range entries {
				same(t, filepath.Join(got, e.Name()), read(t, filepath.Join(want, e.Name())))
			}
			if left, _ := os.ReadDir(got); len(left) != len(entries) {
				t.Fatalf("%s: %d files, want %d", shape.name, len(left), len(entries))
			}
			if done >= kills && round > 0 {
				break
			}
		}
	}
	t.Logf("%d kills", done)
}

// trickle is a ResponseWriter that pauses after every so many bytes.
type trickle struct {
	http.ResponseWriter
	n     int
	pause time.Duration
}

func (c *trickle) Write(p []byte) (n int, err error) {
	for len(p) > 0 && err == nil {
		var m int
		m, err = c.ResponseWriter.Write(p[:min(len(p), c.n)])
		n += m
		p = p[m:]
		time.Sleep(c.pause) // a slow network
	}
	return n, err
}
