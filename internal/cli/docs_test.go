package cli_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/galleyhq/galley/internal/devcloud"
	"github.com/galleyhq/galley/internal/testing/standin"
)

// TestDocs runs every sh block of the README and of docs as it is printed, in
// a checkout of the demonstration's cookbook with an embedded cloud, a Chef
// Server and an HTTP API. A block below the line "<!-- not run: REASON -->" is
// left out.
func TestDocs(t *testing.T) {
	t.Parallel()
	root := filepath.Join("..", "..")
	files, err := filepath.Glob(filepath.Join(root, "docs", "*.md"))
	if err != nil {
		t.Fatal(err)
	}
	ran := 0
	for _, file := range append([]string{filepath.Join(root, "README.md")}, files...) {
		script, blocks := docScript(t, file)
		if blocks == 0 {
			continue
		}
		ran += blocks
		t.Run(filepath.Base(file), func(t *testing.T) {
			t.Parallel()
			runDoc(t, script)
		})
	}
	if ran < 5 {
		t.Errorf("only %d blocks found", ran)
	}
}

var notRun = regexp.MustCompile(`^<!-- not run: .+ -->$`)

// docScript returns the sh blocks of a Markdown file as one script, in which
// each block says where it is from, and their number.
func docScript(t *testing.T, file string) (string, int) {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var b strings.Builder
	b.WriteString("set -eu\n")
	blocks, line, inside, skip, before := 0, 0, false, false, ""
	for s := bufio.NewScanner(f); s.Scan(); {
		line++
		text := s.Text()
		switch {
		case !inside && text == "```sh":
			inside, skip = true, notRun.MatchString(before)
			if !skip {
				blocks++
				fmt.Fprintf(&b, "echo '== %s:%d' >&2\n", filepath.Base(file), line)
			}
		case inside && text == "```":
			inside = false
		case inside && !skip:
			b.WriteString(strings.TrimPrefix(text, "$ ") + "\n")
		}
		if text != "" {
			before = text
		}
	}
	return b.String(), blocks
}

func runDoc(t *testing.T, script string) {
	t.Helper()
	p := newCheckout(t)
	if out, err := p.shell(t, script); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

// checkout is a project in a checkout of the demonstration's cookbook, in the
// environment that the documentation assumes.
type checkout struct {
	*project
	api string
}

func newCheckout(t *testing.T) *checkout {
	t.Helper()
	if testing.Short() {
		t.Skip("runs whole lifecycles")
	}
	c := newCloud(t, devcloud.Options{})
	p := newProject(t, c, "")
	if err := os.CopyFS(filepath.Join(p.dir, "checkout"), os.DirFS(filepath.Join("..", "..", "testdata"))); err != nil {
		t.Fatal(err)
	}
	p.dir = filepath.Join(p.dir, "checkout", "cookbook")
	home := t.TempDir()
	if err := newChefWorld(t).configure(home); err != nil {
		t.Fatal(err)
	}
	mirror := httptest.NewServer(standin.Mirror{})
	t.Cleanup(mirror.Close)
	api := httptest.NewServer(docAPI())
	t.Cleanup(api.Close)

	bin := t.TempDir()
	for _, name := range []string{"galley", "knife", "kitchen"} {
		if err := os.Symlink(shipped(t), filepath.Join(bin, name)); err != nil {
			t.Fatal(err)
		}
	}
	p.env = append(p.env, "PATH="+bin+":"+os.Getenv("PATH"), "HOME="+home, "DEMO_MIRROR="+mirror.URL,
		"GALLEY_DEVCLOUD_DIR="+shortDir(t), "KITCHEN_GLOBAL_YAML="+filepath.Join(p.dir, "..", "home", "kitchen.yml"))
	var rc bytes.Buffer
	for k, v := range c.Env() {
		if !strings.HasPrefix(k, "OS_") {
			continue
		}
		fmt.Fprintf(&rc, "export %s='%s'\n", k, v)
	}
	if err := os.WriteFile(filepath.Join(p.dir, "openrc.sh"), rc.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	return &checkout{p, api.URL}
}

// shell runs a script there, with the test's API for that of the documentation.
func (c *checkout) shell(t *testing.T, script string) ([]byte, error) {
	cmd := exec.CommandContext(t.Context(), "sh", "-c", strings.ReplaceAll(script, "https://api.example.org", c.api))
	cmd.Dir, cmd.Env = c.dir, c.env
	return cmd.CombinedOutput()
}

// shortDir is a temporary directory with a name that leaves room for sockets.
func shortDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "dc")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		down := exec.Command(galley, "devcloud", "down")
		down.Env = append(os.Environ(), "GALLEY_DEVCLOUD_DIR="+dir)
		_ = down.Run()
		os.RemoveAll(dir)
	})
	return dir
}

// docAPI is the API that the documentation fetches from.
func docAPI() http.Handler {
	mux := http.NewServeMux()
	page := func(w http.ResponseWriter, body string) {
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprint(w, body)
	}
	mux.HandleFunc("/v2/export", func(w http.ResponseWriter, _ *http.Request) { page(w, `{"data":[{"id":1},{"id":2}]}`) })
	mux.HandleFunc("/repos/o/r/issues", func(w http.ResponseWriter, r *http.Request) {
		if r.FormValue("page") == "" {
			w.Header().Set("Link", `</repos/o/r/issues?page=2>; rel="next"`)
		}
		page(w, `[{"number":1},{"number":2}]`)
	})
	mux.HandleFunc("/graphql", func(w http.ResponseWriter, r *http.Request) {
		var q struct{ Variables map[string]any }
		if err := json.NewDecoder(r.Body).Decode(&q); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		more, cursor := q.Variables["endCursor"] == nil, "null"
		if more {
			cursor = `"two"`
		}
		page(w, fmt.Sprintf(`{"data":{"repo":{"issues":{"nodes":[{"id":1}],"pageInfo":{"endCursor":%s,"hasNextPage":%v}}}}}`, cursor, more))
	})
	mux.HandleFunc("/v2/numbered", func(w http.ResponseWriter, r *http.Request) {
		page(w, fmt.Sprintf(`{"total":6,"items":[{"page":%q},{}]}`, r.FormValue("page")))
	})
	mux.HandleFunc("/universe", func(w http.ResponseWriter, _ *http.Request) { page(w, "{}") })
	for n := range 500 {
		mux.HandleFunc(fmt.Sprintf("/part-%d.json", n+1), func(w http.ResponseWriter, _ *http.Request) { page(w, "{}") })
	}
	mux.HandleFunc("/part/{n}", func(w http.ResponseWriter, r *http.Request) { page(w, `{"part":`+r.PathValue("n")+`}`) })
	mux.HandleFunc("/v2/items", func(w http.ResponseWriter, r *http.Request) {
		if r.FormValue("token") == "" {
			page(w, `{"data":[{"id":1}],"meta":{"next_token":"two"}}`)
			return
		}
		page(w, `{"data":[{"id":2}],"meta":{"next_token":null}}`)
	})
	return mux
}
