package policyfile

import (
	"archive/tar"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/klauspost/compress/gzip"

	"github.com/galleyhq/galley/internal/atomicfile"
	"github.com/galleyhq/galley/internal/cookbooks/disk"
	"github.com/galleyhq/galley/internal/cookbooks/source"
	"github.com/galleyhq/galley/internal/jsonorder"
)

// ExportOptions say how a policy is exported.
type ExportOptions struct {
	// Group is the policy group in the export; "" is "local".
	Group string
	// Archive makes one file NAME-REVISION.tgz in the folder.
	Archive bool
	// Force replaces an earlier export in the folder.
	Force bool
}

// Exported is the result of an export.
type Exported struct {
	Lock *Lock
	// Path is the folder, or the file of an archive.
	Path string
}

// Export writes the policy into a folder, in the form that `chef-client -z`
// runs. It needs the lock, brings it up to date with the local cookbooks and
// writes it back.
func (j *Job) Export(ctx context.Context, dir string, o ExportOptions) (*Exported, error) {
	dir = source.Absolute(j.Dir, dir)
	o.Group = cmp.Or(o.Group, "local")
	if strings.ContainsAny(o.Group, "/\\") || o.Group == ".." {
		return nil, fmt.Errorf("%q cannot be the name of a policy group", o.Group)
	}
	l, err := j.ReadLock()
	if err != nil {
		return nil, err
	}
	if !o.Archive && !o.Force {
		if have := exportedIn(dir); len(have) > 0 {
			return nil, &source.Problem{
				Msg:    fmt.Sprintf("the folder %s is not empty: it has %s", dir, strings.Join(have, ", ")),
				Advice: "give --force to replace it",
			}
		}
	}
	books, err := j.refresh(ctx, l)
	if err != nil {
		return nil, err
	}
	if _, err := j.write(l); err != nil {
		return nil, err
	}
	e := &exporter{lock: l, group: o.Group, books: books}
	if o.Archive {
		path, err := e.archive(dir)
		return &Exported{l, path}, err
	}
	return &Exported{l, dir}, disk.Stage(dir, e.fill)
}

// exportedIn lists what an export would replace.
func exportedIn(dir string) []string {
	var have []string
	for _, sub := range []string{"cookbook_artifacts", "policies", "policy_groups"} {
		entries, err := os.ReadDir(filepath.Join(dir, sub))
		if err != nil {
			continue
		}
		for _, e := range entries {
			if !strings.HasPrefix(e.Name(), ".") {
				have = append(have, sub+"/"+e.Name())
			}
		}
	}
	if _, err := os.Stat(filepath.Join(dir, "Policyfile.lock.json")); err == nil {
		have = append(have, "Policyfile.lock.json")
	}
	return have
}

type exporter struct {
	lock  *Lock
	group string
	books []*content
}

// fill writes everything into an empty folder.
func (e *exporter) fill(dir string) error {
	for _, sub := range []string{"cookbook_artifacts", "policies", "policy_groups", ".chef"} {
		if err := os.Mkdir(filepath.Join(dir, sub), 0o755); err != nil {
			return err
		}
	}
	for _, b := range e.books {
		to := filepath.Join(dir, "cookbook_artifacts", b.lock.Name+"-"+string(b.lock.Identifier))
		if err := b.copy(to); err != nil {
			return fmt.Errorf("exporting the cookbook %s: %w", b.lock.Name, err)
		}
	}
	lock, revision := e.lock.Marshal(), e.lock.RevisionID()
	group := jsonorder.NewObject("policies",
		jsonorder.NewObject(e.lock.Name, jsonorder.NewObject("revision_id", revision)))
	files := map[string][]byte{
		"Policyfile.lock.json":                               lock,
		"policies/" + e.lock.Name + "-" + revision + ".json": lock,
		"policy_groups/" + e.group + ".json":                 jsonorder.Marshal(group),
		".chef/config.rb":                                    e.config(),
		"README.md":                                          e.readme(revision),
	}
	for name, data := range files {
		if err := os.WriteFile(filepath.Join(dir, filepath.FromSlash(name)), data, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// copy copies the files of a cookbook, with the metadata compiled.
func (b *content) copy(to string) error {
	if err := os.MkdirAll(to, 0o755); err != nil {
		return err
	}
	for _, f := range b.files {
		if f == "metadata.rb" || f == "metadata.json" {
			continue
		}
		if err := disk.Copy(filepath.Join(b.dir, filepath.FromSlash(f)), filepath.Join(to, filepath.FromSlash(f))); err != nil {
			return err
		}
	}
	return os.WriteFile(filepath.Join(to, "metadata.json"), b.meta.Compiled(b.files), 0o644)
}

func (e *exporter) config() []byte {
	quote := func(s string) string {
		return "'" + strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(s) + "'"
	}
	return []byte(`# The configuration of Chef Infra Client for this policy. It is used by itself
# when the client is started in the folder of the export.

policy_name ` + quote(e.lock.Name) + `
policy_group ` + quote(e.group) + `

use_policyfile true
policy_document_native_api true
`)
}

func (e *exporter) readme(revision string) []byte {
	return fmt.Appendf(nil, `# The policy %s

Revision: %s

This folder holds all that Chef Infra Client needs to converge a machine with
the policy. On the machine, as root and in this folder, run:

    chef-client -z

.chef/config.rb has the configuration, with the policy group %s.
`, e.lock.Name, revision, e.group)
}

// archive writes the export as one file into a folder.
func (e *exporter) archive(dir string) (path string, err error) {
	tmp, err := os.MkdirTemp("", "galley-export-")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(tmp)
	if err := e.fill(tmp); err != nil {
		return "", err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", err
	}
	path = filepath.Join(dir, e.lock.Name+"-"+e.lock.RevisionID()+".tgz")
	out, err := atomicfile.Create(path, 0o644)
	if err != nil {
		return "", err
	}
	defer out.Discard()
	zw := gzip.NewWriter(out)
	tw := tar.NewWriter(zw)
	if err = errors.Join(pack(tmp, tw), tw.Close(), zw.Close()); err != nil {
		return "", err
	}
	return path, out.Commit()
}

// pack writes a tree, each path beginning with "./".
func pack(dir string, tw *tar.Writer) error {
	return filepath.WalkDir(dir, func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(dir, p)
		if err != nil {
			return err
		}
		h, err := tar.FileInfoHeader(info, "")
		if err != nil {
			return err
		}
		h.Name = "./" + filepath.ToSlash(rel)
		h.Uid, h.Gid, h.Uname, h.Gname = 0, 0, "", ""
		if err := tw.WriteHeader(h); err != nil || d.IsDir() {
			return err
		}
		f, err := os.Open(p)
		if err != nil {
			return err
		}
		defer f.Close()
		_, err = io.Copy(tw, f)
		return err
	})
}
