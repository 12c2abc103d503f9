package cookbooks_test

import (
	"archive/tar"
	"context"
	"errors"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/galleyhq/galley/internal/bootstrap/chefserver"
	"github.com/galleyhq/galley/internal/cookbooks"
	"github.com/galleyhq/galley/internal/cookbooks/solver"
	"github.com/galleyhq/galley/internal/cookbooks/web"
	"github.com/galleyhq/galley/internal/env"
	"github.com/galleyhq/galley/internal/testing/chefservertest"
	"github.com/galleyhq/galley/internal/testing/supermarkettest"
	"github.com/galleyhq/galley/kitchen"
)

// world is a project's folder with a Supermarket.
type world struct {
	t      *testing.T
	dir    string
	market *supermarkettest.Server
	said   []string
	o      cookbooks.Options
}

func newWorld(t *testing.T, files map[string]string, books ...supermarkettest.Cookbook) *world {
	t.Helper()
	w := &world{t: t, dir: t.TempDir(), market: supermarkettest.Start(books...)}
	t.Cleanup(w.market.Close)
	home := t.TempDir()
	w.o = cookbooks.Options{
		Env: env.FromMap(map[string]string{"HOME": home, "PATH": os.Getenv("PATH"), "SOURCE": w.market.URL}), Dir: w.dir,
		Warn: func(line string) { w.said = append(w.said, line) },
	}
	for name, text := range files {
		w.write(name, text)
	}
	return w
}

func (w *world) write(name, text string) {
	w.t.Helper()
	file := filepath.Join(w.dir, filepath.FromSlash(name))
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		w.t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) read(name string) string {
	text, err := os.ReadFile(filepath.Join(w.dir, name))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		w.t.Fatal(err)
	}
	return string(text)
}

func (w *world) open(file string) *cookbooks.Project {
	w.t.Helper()
	p, err := cookbooks.Open(file, w.o)
	if err != nil {
		w.t.Fatal(err)
	}
	return p
}

func (w *world) install(file string) error {
	w.t.Helper()
	_, err := w.open(file).Install(w.t.Context())
	return err
}

const policy = "name 'web'\ndefault_source :supermarket, ENV['SOURCE']\nrun_list 'apache'\n"

var apache = []supermarkettest.Cookbook{
	{Name: "apache", Version: "1.2.0", Needs: map[string]string{"openssl": "~> 1.0"}},
	{Name: "openssl", Version: "1.4.0"},
	{Name: "openssl", Version: "2.0.0"},
}

func TestInstallAsksForNothingTwice(t *testing.T) {
	for _, file := range []string{"Policyfile.rb", "Berksfile"} {
		w := newWorld(t, map[string]string{"Policyfile.rb": policy, "Berksfile": "source ENV['SOURCE']\ncookbook 'apache'\n"}, apache...)
		if err := w.install(file); err != nil {
			t.Fatal(err)
		}
		if got := slices.Sorted(slices.Values(w.market.Asked())); !slices.Equal(got, []string{"/download/apache/1.2.0", "/download/openssl/1.4.0", "/universe"}) {
			t.Errorf("%s: asked for %q", file, got)
		}
		if err := w.install(file); err != nil {
			t.Fatal(err)
		}
		if got := w.market.Asked(); len(got) != 0 {
			t.Errorf("%s: with the lock, asked for %q", file, got)
		}
		if _, err := w.open(file).Update(t.Context(), cookbooks.UpdateOptions{}); err != nil {
			t.Fatal(err)
		}
		if got := w.market.Asked(); !slices.Equal(got, []string{"/universe 304"}) {
			t.Errorf("%s: for an update, asked for %q", file, got)
		}
		lists, _ := filepath.Glob(filepath.Join(w.o.Env.Get("HOME"), ".cache", "galley", "cookbooks", "universe", "*.list"))
		if len(lists) != 1 || os.Truncate(lists[0], 100) != nil {
			t.Fatalf("the cache has the lists %q", lists)
		}
		if _, err := w.open(file).Update(t.Context(), cookbooks.UpdateOptions{}); err != nil {
			t.Fatal(err)
		}
		if got := w.market.Asked(); !slices.Equal(got, []string{"/universe 304", "/universe"}) {
			t.Errorf("%s: with a broken list in the cache, asked for %q", file, got)
		}
		w.market.Close()
		w.o.Offline = true
		if _, err := w.open(file).Update(t.Context(), cookbooks.UpdateOptions{}); err != nil {
			t.Errorf("%s: offline: %v", file, err)
		}
	}
}

// A policy whose cookbook is the project's folder is exported into a folder of
// it, as people try it out: the export does not become part of the cookbook.
func TestExportIntoTheCookbook(t *testing.T) {
	w := newWorld(t, map[string]string{
		"Policyfile.rb": "name 'web'\nrun_list 'web'\ncookbook 'web', path: '.'\ncookbook 'aux', path: 'test/aux'\n",
		"metadata.rb":   "name 'web'\nversion '1.0.0'\n", "recipes/default.rb": "log 'x'\n",
		"test/aux/metadata.rb": "name 'aux'\n", "test/aux/recipes/default.rb": "log 'y'\n",
	})
	if err := w.install("Policyfile.rb"); err != nil {
		t.Fatal(err)
	}
	if _, err := w.open("Policyfile.rb").Export(t.Context(), "out", cookbooks.ExportOptions{}); err != nil {
		t.Fatal(err)
	}
	found := 0
	err := filepath.WalkDir(filepath.Join(w.dir, "out", "cookbook_artifacts"), func(path string, d fs.DirEntry, err error) error {
		if d.Name() == "out" || strings.HasPrefix(d.Name(), ".galley") {
			t.Errorf("the export has %s", path)
		}
		if d.Name() == "default.rb" {
			found++
		}
		return err
	})
	if err != nil || found != 3 { // that of web, that of aux in it, that of aux
		t.Errorf("%d recipes, %v", found, err)
	}
}

func TestProcessesShareTheCache(t *testing.T) {
	w := newWorld(t, map[string]string{"a/Policyfile.rb": policy, "b/Policyfile.rb": policy, "c/Policyfile.rb": policy}, apache...)
	var wg sync.WaitGroup
	for _, dir := range []string{"a", "b", "c"} {
		wg.Go(func() {
			if err := w.install(dir + "/Policyfile.rb"); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	downloads := 0
	for _, path := range w.market.Asked() {
		if strings.HasPrefix(path, "/download/") {
			downloads++
		}
	}
	if downloads != 2 {
		t.Errorf("%d downloads of two cookbooks", downloads)
	}
}

func TestConflictIsExplained(t *testing.T) {
	w := newWorld(t, map[string]string{"Policyfile.rb": policy + "cookbook 'openssl', '> 1.4'\n"}, apache...)
	err := w.install("Policyfile.rb")
	var c *solver.Conflict
	if !errors.As(err, &c) {
		t.Fatalf("error %v", err)
	}
	for _, want := range []string{
		"no version of openssl fits", "Policyfile.rb:4 needs openssl > 1.4.0",
		"the run_list needs apache >= 0.0.0; apache 1.2.0 needs openssl ~> 1.0", "there are openssl 2.0.0, 1.4.0",
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("no %q in\n%v", want, err)
		}
	}
	if w.read("Policyfile.lock.json") != "" {
		t.Error("a lock was written")
	}
}

// entry is a file of an archive of apache.
func entry(name string, typ byte, link string) supermarkettest.Entry {
	return supermarkettest.Entry{Header: tar.Header{Name: name, Typeflag: typ, Linkname: link, Mode: 0o644}}
}

func TestBadArchives(t *testing.T) {
	meta := supermarkettest.Entry{Header: tar.Header{Name: "apache/metadata.json", Mode: 0o644}, Data: `{"name":"apache","version":"1.2.0"}`}
	other := meta
	other.Data = `{"name":"nginx","version":"1.2.0"}`
	older := meta
	older.Data = `{"name":"apache","version":"1.1.0"}`
	for name, c := range map[string]struct {
		archive []byte
		want    string
	}{
		"path upwards":     {supermarkettest.Tar(meta, entry("../../evil", tar.TypeReg, "")), "outside of the cookbook"},
		"absolute path":    {supermarkettest.Tar(meta, entry("/etc/evil", tar.TypeReg, "")), "outside of the cookbook"},
		"link upwards":     {supermarkettest.Tar(meta, entry("apache/l", tar.TypeSymlink, "../../../etc")), "outside of the cookbook"},
		"absolute link":    {supermarkettest.Tar(meta, entry("apache/l", tar.TypeSymlink, "/etc/passwd")), "outside of the cookbook"},
		"hard link":        {supermarkettest.Tar(meta, entry("apache/l", tar.TypeLink, "apache/metadata.json")), "hard link"},
		"device":           {supermarkettest.Tar(meta, entry("apache/d", tar.TypeChar, "")), "neither a file nor a folder"},
		"garbage":          {[]byte("<html>Sign in</html>"), "cannot be unpacked"},
		"cut off":          {supermarkettest.Tar(meta)[:40], "cannot be unpacked"},
		"bomb":             {bomb(), "MiB"},
		"other name":       {supermarkettest.Tar(other), `name it "nginx"`},
		"other version":    {supermarkettest.Tar(older), "does not fit the constraint = 1.2.0"},
		"not a cookbook":   {supermarkettest.Tar(entry("apache/README.md", tar.TypeReg, "")), "not a cookbook"},
		"link, then below": {supermarkettest.Tar(meta, entry("apache/l", tar.TypeSymlink, ".."), entry("apache/l/../../x", tar.TypeReg, "")), "outside of the cookbook"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, map[string]string{"Policyfile.rb": policy}, supermarkettest.Cookbook{Name: "apache", Version: "1.2.0"})
			w.market.Archive = func(supermarkettest.Cookbook) []byte { return c.archive }
			err := w.install("Policyfile.rb")
			if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), "apache") {
				t.Errorf("error %v", err)
			}
			w.nothingLeft()
		})
	}
}

// bomb is an archive of a large file.
func bomb() []byte {
	return supermarkettest.Tar(supermarkettest.Entry{Header: tar.Header{Name: "apache/big", Mode: 0o644}, Data: strings.Repeat("\x00", 257<<20)})
}

// nothingLeft sees that a failure wrote neither a lock nor into the cache.
func (w *world) nothingLeft() {
	w.t.Helper()
	w.nothingWritten()
	cache := filepath.Join(w.o.Env.Get("HOME"), ".cache", "galley", "cookbooks")
	for _, sub := range []string{"objects", "keys", "tmp"} {
		entries, err := os.ReadDir(filepath.Join(cache, sub))
		if err == nil && len(entries) > 0 {
			w.t.Errorf("the cache has %d entries in %s", len(entries), sub)
		}
	}
}

// nothingWritten sees that there is no lock.
func (w *world) nothingWritten() {
	w.t.Helper()
	if w.read("Policyfile.lock.json")+w.read("Berksfile.lock") != "" {
		w.t.Error("a lock was written")
	}
}

func TestBadSources(t *testing.T) {
	serve := func(body string, status int) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(status)
			_, _ = w.Write([]byte(body))
		}
	}
	cut := func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "1000")
		_, _ = w.Write([]byte(`{"apache": {"1.0.0": {`))
	}
	for name, c := range map[string]struct {
		handler http.HandlerFunc
		want    string
	}{
		"down":      {nil, "refused"},
		"500":       {serve("out of order", 500), "500"},
		"a page":    {serve("<html>Sign in</html>", 200), "a web page came"},
		"garbage":   {serve("nonsense", 200), "is not JSON"},
		"empty":     {serve("", 200), "is empty"},
		"cut off":   {cut, "unexpected EOF"},
		"half JSON": {serve(`{"apache": {"1.0.0": {"dependencies": {`, 200), "not complete JSON"},
		"a version": {serve(`{"apache": {"one": {"dependencies": {}}}}`, 200), `"one" is not a version`},
		"a need":    {serve(`{"apache": {"1.0.0": {"dependencies": {"x": "about 3"}}}}`, 200), `"about 3" is not a version constraint`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, map[string]string{"Policyfile.rb": policy})
			web := httptest.NewServer(c.handler)
			if c.handler == nil {
				web.Close()
			} else {
				defer web.Close()
			}
			w.o.Env.Set("SOURCE", web.URL)
			err := w.install("Policyfile.rb")
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v", err)
			}
			w.nothingLeft()
		})
	}
}

func TestBadFiles(t *testing.T) {
	for name, c := range map[string]struct {
		file, text, want, hint string
	}{
		"policy word":   {"Policyfile.rb", "name 'x'\nrunlist 'y'\n", "Policyfile.rb:2", `"run_list"`},
		"berks word":    {"Berksfile", "source ENV['SOURCE']\ncookboook 'y'\n", "Berksfile:2", `"cookbook"`},
		"old word":      {"Berksfile", "site :opscode\n", "Berksfile:1", "Berkshelf 2"},
		"source type":   {"Policyfile.rb", "default_source :supermarkt\nrun_list 'a'", "line 1: the default_source type :supermarkt", ""},
		"no run list":   {"Policyfile.rb", "name 'x'\n", "run_list is empty", ""},
		"recipe":        {"Policyfile.rb", "name 'x'\nrun_list 'a:b'\n", `did you mean "a::b"`, ""},
		"cookbook word": {"Policyfile.rb", "name 'x'\nrun_list 'a'\ncookbook 'a', svn: 'x'\n", "line 3: cookbook a has invalid source options", ""},
		"git password":  {"Policyfile.rb", "name 'x'\nrun_list 'a'\ncookbook 'a', git: 'http://127.0.0.1:1/x.git'\n", "fetching http://127.0.0.1:1/x.git", ""},
		"git option":    {"Policyfile.rb", "name 'x'\nrun_list 'a'\ncookbook 'a', git: '--upload-pack=evil'\n", "cannot be used as a URL", ""},
		"lock newer":    {"Policyfile.lock.json", `{"name":"x","run_list":["recipe[a::b]"],"cookbook_locks":[]}`, "no cookbook_locks", "deps update"},
		"berks lock":    {"Berksfile.lock", "VERSION 9\n", "does not begin with DEPENDENCIES", "deps install"},
		"two names":     {"Berksfile", "source ENV['SOURCE']\ncookbook 'a'\ncookbook 'a'\n", "Berksfile:3: the cookbook a is named twice", "different groups"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, map[string]string{"Policyfile.rb": policy, "Berksfile": "source ENV['SOURCE']\ncookbook 'apache'\n"})
			w.write(c.file, c.text)
			file := strings.TrimSuffix(c.file, ".lock")
			err := w.install(file)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Fatalf("error %v", err)
			}
			if h := kitchen.Hint(err); !strings.Contains(h, c.hint) {
				t.Errorf("hint %q", h)
			}
		})
	}
}

func TestModifiedCookbookIsNotExported(t *testing.T) {
	w := newWorld(t, map[string]string{"Policyfile.rb": policy}, apache...)
	if err := w.install("Policyfile.rb"); err != nil {
		t.Fatal(err)
	}
	changed, _ := filepath.Glob(filepath.Join(w.o.Env.Get("HOME"), ".cache/galley/cookbooks/objects/*/recipes/default.rb"))
	if len(changed) != 2 {
		t.Fatalf("the cache has %q", changed)
	}
	if err := os.WriteFile(changed[0], []byte("log 'changed'"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := w.open("Policyfile.rb").Export(t.Context(), "out", cookbooks.ExportOptions{})
	if err == nil || !strings.Contains(err.Error(), "is not the one that was locked") {
		t.Errorf("error %v", err)
	}
	if entries, err := os.ReadDir(filepath.Join(w.dir, "out")); err == nil {
		t.Errorf("out has %d entries", len(entries))
	}
}

// server signs as the admin of a double, which verifies the signatures.
func server(t *testing.T, s *chefservertest.Server) cookbooks.Server {
	t.Helper()
	signer, err := chefserver.NewSigner(s.Admin, s.AdminKey, chefserver.Protocol13)
	if err != nil {
		t.Fatal(err)
	}
	c, err := chefserver.New(s.URL, signer, nil)
	if err != nil {
		t.Fatal(err)
	}
	return signed{c.AtAPI("2")}
}

type signed struct{ *chefserver.Client }

type notFound struct{ error }

func (notFound) NotFound() bool { return true }

func (s signed) Do(ctx context.Context, method, path string, in, out any) error {
	err := s.Client.Do(ctx, method, path, in, out)
	if chefserver.IsNotFound(err) {
		return notFound{err}
	}
	return err
}

func TestPush(t *testing.T) {
	w := newWorld(t, map[string]string{"Policyfile.rb": policy}, apache...)
	if err := w.install("Policyfile.rb"); err != nil {
		t.Fatal(err)
	}
	s := chefservertest.Start(t, "acme")
	p := w.open("Policyfile.rb")
	done, err := p.Push(t.Context(), server(t, s), "prod")
	if err != nil {
		t.Fatal(err)
	}
	if len(done.Uploaded) != 2 || len(done.Reused) != 0 {
		t.Errorf("uploaded %q, reused %q", done.Uploaded, done.Reused)
	}
	policy := s.Object("policy_groups/prod/policies/web")
	if policy["revision_id"] != done.Lock.RevisionID() {
		t.Errorf("the group has %v", policy)
	}
	book := done.Lock.Cookbook("apache")
	artifact := s.Object("cookbook_artifacts/apache/" + string(book.Identifier))
	files, _ := artifact["all_files"].([]any)
	if len(files) != 2 || artifact["version"] != "1.2.0" {
		t.Errorf("the server has %v", artifact)
	}
	again, err := p.Push(t.Context(), server(t, s), "prod")
	if err != nil || len(again.Reused) != 2 {
		t.Errorf("again: %v, %+v", err, again)
	}
}

func TestMeterShowsDownloads(t *testing.T) {
	w := newWorld(t, map[string]string{"Policyfile.rb": "name 'x'\ndefault_source :supermarket, ENV['SOURCE']\nrun_list 'web'\n"},
		supermarkettest.Cookbook{Name: "web", Version: "1.0.0", Needs: map[string]string{"ssl": ">= 0.0.0"}},
		supermarkettest.Cookbook{Name: "ssl", Version: "2.0.0"})
	w.o.Meter = &web.Meter{}
	var mu sync.Mutex
	var states []string
	w.market.Archive = func(c supermarkettest.Cookbook) []byte {
		mu.Lock()
		defer mu.Unlock()
		states = append(states, w.o.Meter.String())
		return supermarkettest.Tar(supermarkettest.Entry{
			Header: tar.Header{Name: c.Name + "/metadata.rb", Mode: 0o644}, Data: "name '" + c.Name + "'\nversion '" + c.Version + "'\n",
		}, supermarkettest.Entry{Header: tar.Header{Name: c.Name + "/recipes/default.rb", Mode: 0o644}})
	}
	if err := w.install(""); err != nil {
		t.Fatal(err)
	}
	first := regexp.MustCompile(`^\d of 2, \d+ B; (web 1.0.0|ssl 2.0.0) from 127.0.0.1`)
	if len(states) != 2 || !first.MatchString(states[0]) {
		t.Errorf("during the downloads the meter says %q", states)
	}
	if state := w.o.Meter.String(); !strings.HasPrefix(state, "2 of 2, ") || strings.Contains(state, "127.0.0.1") {
		t.Errorf("after them it says %q", state)
	}
}
