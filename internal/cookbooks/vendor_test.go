package cookbooks_test

import (
	"archive/tar"
	"compress/gzip"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/galleyhq/galley/internal/cookbooks"
)

// files lists the files below a folder of the project.
func (w *world) files(dir string) string {
	w.t.Helper()
	var out []string
	err := fs.WalkDir(os.DirFS(w.dir), dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			out = append(out, strings.TrimPrefix(path, dir+"/"))
		}
		return err
	})
	if errors.Is(err, fs.ErrNotExist) {
		return ""
	}
	w.must(err)
	slices.Sort(out)
	return strings.Join(out, " ")
}

func TestVendor(t *testing.T) {
	t.Parallel()
	w := newWorld(t, map[string]string{
		"Policyfile.rb": "name 'x'\ndefault_source :supermarket, ENV['SOURCE']\nrun_list 'app'\ncookbook 'app', path: 'app'\n",
		"Berksfile":     "source ENV['SOURCE']\ncookbook 'app', path: 'app'\n",
	}, chain...)
	w.add(book("app", "app", "1.0.0", "depends 'base'"), map[string]string{
		"app/chefignore": "*.tmp\n", "app/x.tmp": "", "app/.svn/entries": "", "app/.hidden": "", "app/files/a.txt": "a",
	})
	w.must(os.Chmod(filepath.Join(w.dir, "app/files/a.txt"), 0o700))
	for file, want := range map[string]string{
		"Policyfile.rb": "app/.hidden app/chefignore app/files/a.txt app/metadata.json app/metadata.rb app/recipes/default.rb base/metadata.json base/recipes/default.rb",
		"Berksfile":     "app/.hidden app/chefignore app/files/a.txt app/metadata.json app/metadata.rb app/recipes/default.rb base/metadata.json base/recipes/default.rb",
	} {
		w.write("out/old/metadata.rb", "")
		_, err := w.open(file).Vendor(t.Context(), "out", false)
		w.must(err)
		if got := w.files("out"); got != want+" old/metadata.rb" {
			t.Errorf("%s: %s", file, got)
		}
		w.write("out/app/recipes/old.rb", "")
		_, err = w.open(file).Vendor(t.Context(), filepath.Join(w.dir, "out"), true)
		w.must(err)
		if got := w.files("out"); got != want {
			t.Errorf("%s, everything else removed: %s", file, got)
		}
		w.same(`{"base":">= 0.0.0"}`, "out/app/metadata.json", "dependencies")
		if info, err := os.Stat(filepath.Join(w.dir, "out/app/files/a.txt")); err != nil || info.Mode().Perm()&0o100 == 0 {
			t.Errorf("%s: a.txt is %v, %v", file, info.Mode(), err)
		}
		w.must(os.RemoveAll(filepath.Join(w.dir, "out")))
	}
	w.must(os.Remove(filepath.Join(w.dir, "app/metadata.rb")))
	_, err := w.open("Policyfile.rb").Vendor(t.Context(), "out", false)
	w.fails(err, "app", "is not a cookbook")
	w.add(book("app", "web", "1.0.0"))
	_, err = w.open("Policyfile.rb").Vendor(t.Context(), "out", false)
	w.fails(err, "is to be the cookbook app")
	if got := w.files("out"); got != "" {
		t.Errorf("after a failure: %s", got)
	}
}

func TestExport(t *testing.T) {
	t.Parallel()
	w := newWorld(t, map[string]string{"Policyfile.rb": policy}, apache...)
	export := func(o cookbooks.ExportOptions) (string, error) {
		done, err := w.open("Policyfile.rb").Export(t.Context(), "out", o)
		if err != nil {
			return "", err
		}
		return filepath.Rel(w.dir, done.Path)
	}
	_, err := export(cookbooks.ExportOptions{})
	w.fails(err, "Policyfile.lock.json does not exist", "deps install")
	w.locks("Policyfile.rb")
	_, err = export(cookbooks.ExportOptions{Group: "../x"})
	w.fails(err, `"../x" cannot be the name of a policy group`)
	revision := w.revision("Policyfile.lock.json")
	id := func(name string) string {
		return strings.Trim(w.at("Policyfile.lock.json", "cookbook_locks", name, "identifier"), `"`)
	}
	want := []string{".chef/config.rb", "Policyfile.lock.json", "README.md"}
	for _, name := range []string{"apache", "openssl"} {
		for _, file := range []string{"metadata.json", "recipes/default.rb"} {
			want = append(want, "cookbook_artifacts/"+name+"-"+id(name)+"/"+file)
		}
	}
	want = append(want, "policies/web-"+revision+".json", "policy_groups/prod.json")
	at, err := export(cookbooks.ExportOptions{Group: "prod"})
	w.must(err)
	if got := w.files(at); at != "out" || got != strings.Join(want, " ") {
		t.Errorf("%s has %s", at, got)
	}
	w.same(`{"policies":{"web":{"revision_id":"`+revision+`"}}}`, "out/policy_groups/prod.json")
	if got := w.read("out/.chef/config.rb"); !strings.Contains(got, "policy_name 'web'\npolicy_group 'prod'\n") {
		t.Errorf("the configuration is %s", got)
	}
	_, err = export(cookbooks.ExportOptions{})
	w.fails(err, "is not empty: it has cookbook_artifacts/apache-", "--force")
	w.write("out/own.txt", "")
	_, err = export(cookbooks.ExportOptions{Force: true})
	w.must(err)
	if got := w.files("out"); !strings.Contains(got, "own.txt") || !strings.Contains(got, "policy_groups/local.json") || strings.Contains(got, "prod.json") {
		t.Errorf("replaced: %s", got)
	}
	at, err = export(cookbooks.ExportOptions{Archive: true, Group: "prod"})
	w.must(err)
	if at != "out/web-"+revision+".tgz" {
		t.Errorf("the archive is %s", at)
	}
	var packed []string
	f, err := os.Open(filepath.Join(w.dir, at))
	w.must(err)
	defer f.Close()
	zr, err := gzip.NewReader(f)
	w.must(err)
	for tr := tar.NewReader(zr); ; {
		h, err := tr.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		w.must(err)
		if h.Typeflag == tar.TypeReg {
			packed = append(packed, strings.TrimPrefix(h.Name, "./"))
		}
	}
	slices.Sort(packed)
	if slices.Sort(want); !slices.Equal(packed, want) {
		t.Errorf("packed %q, want %q", packed, want)
	}
	_, err = w.open("Berksfile").Export(t.Context(), "out", cookbooks.ExportOptions{})
	w.fails(err, "only a Policyfile can be exported")
	_, err = w.open("Berksfile").Push(t.Context(), nil, "prod")
	w.fails(err, "only a Policyfile can be pushed")
	_, err = w.open("Berksfile").PolicyLock()
	w.fails(err, "a Berksfile has no policy")
}

// An export takes the present state of local cookbooks over into the lock, as
// long as it fits.
func TestExportOfChangedCookbooks(t *testing.T) {
	t.Parallel()
	w := newWorld(t, map[string]string{"Policyfile.rb": policy + "cookbook 'app', path: 'app'\nnamed_run_list :all, 'app'\n"}, apache...)
	w.add(book("app", "app", "1.0.0", "depends 'openssl'"))
	w.locks("Policyfile.rb")
	force := cookbooks.ExportOptions{Force: true}
	w.add(book("app", "app", "1.0.1", "depends 'openssl', '< 1.9'"))
	_, err := w.open("Policyfile.rb").Export(t.Context(), "out", force)
	w.must(err)
	w.same(`"1.0.1"`, "Policyfile.lock.json", "cookbook_locks", "app", "version")
	w.same(`[["openssl","< 1.9.0"]]`, "Policyfile.lock.json", "solution_dependencies", "dependencies", "app (1.0.1)")
	before := w.read("Policyfile.lock.json")
	for needs, want := range map[string]string{
		"depends 'openssl', '> 2'":       "app 1.0.2 no longer fits the lock: it needs openssl > 2.0.0, and the lock has openssl (1.4.0)",
		"depends 'more'":                 "it needs more >= 0.0.0, which the lock does not have",
		"depends 'openssl', 'nonsense!'": "not a version constraint",
	} {
		w.add(book("app", "app", "1.0.2", needs))
		_, err := w.open("Policyfile.rb").Export(t.Context(), "out", force)
		w.fails(err, want)
		if w.read("Policyfile.lock.json") != before {
			t.Error("the lock was changed")
		}
	}
	w.must(os.RemoveAll(filepath.Join(w.dir, "app")))
	_, err = w.open("Policyfile.rb").Export(t.Context(), "out", force)
	w.fails(err, "the cookbook app is not at its path app")
	w.add(book("app", "app", "1.0.0"))
	w.must(os.RemoveAll(filepath.Join(w.o.Env.Get("HOME"), ".cache")))
	_, err = w.open("Policyfile.rb").Export(t.Context(), "out", force)
	w.fails(err, "apache 1.2.0 of the lock is not in the cache", "deps install")
}

// A source may replace a version: install warns, and nothing else uses it.
func TestReplacedVersion(t *testing.T) {
	t.Parallel()
	w := newWorld(t, map[string]string{"Policyfile.rb": policy}, apache...)
	w.locks("Policyfile.rb")
	w.must(os.RemoveAll(filepath.Join(w.o.Env.Get("HOME"), ".cache")))
	w.write("Policyfile.lock.json", strings.Replace(w.read("Policyfile.lock.json"), w.at("Policyfile.lock.json", "cookbook_locks", "apache", "identifier"),
		`"0123456789012345678901234567890123456789"`, 1))
	w.locks("Policyfile.rb")
	if len(w.said) != 1 || !strings.Contains(w.said[0], "the cookbook apache 1.2.0 is not the one that was locked") {
		t.Errorf("warned %q", w.said)
	}
	_, err := w.open("Policyfile.rb").Export(t.Context(), "out", cookbooks.ExportOptions{})
	w.fails(err, "apache 1.2.0 is not the one that was locked", "remove "+w.o.Env.Get("HOME"))
}
