package policyfile

import (
	"context"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"

	"github.com/galleyhq/galley/internal/cookbooks/cookbook"
	"github.com/galleyhq/galley/internal/cookbooks/source"
	"github.com/galleyhq/galley/internal/cookbooks/web"
)

// Pushed is the result of a push.
type Pushed struct {
	Lock *Lock
	// Uploaded and Reused are the cookbooks that were sent and those that the
	// server had, each as "NAME VERSION".
	Uploaded, Reused []string
}

// Push uploads the locked policy and its cookbooks to a Chef Server, whose API
// version must be 2, and gives it to a policy group. Like [Job.Export] it
// brings the lock up to date.
func (j *Job) Push(ctx context.Context, server source.Server, group string) (*Pushed, error) {
	l, err := j.ReadLock()
	if err != nil {
		return nil, err
	}
	books, err := j.refresh(ctx, l)
	if err != nil {
		return nil, err
	}
	if _, err := j.write(l); err != nil {
		return nil, err
	}
	done := &Pushed{Lock: l}
	for _, b := range books {
		u := &upload{job: j, server: server, book: b}
		sent, err := u.run(ctx)
		if err != nil {
			return nil, fmt.Errorf("uploading the cookbook %s %s: %w", b.lock.Name, b.lock.Version, err)
		}
		label := b.lock.Name + " " + b.lock.Version
		if sent {
			done.Uploaded = append(done.Uploaded, label)
		} else {
			done.Reused = append(done.Reused, label)
		}
	}
	at := "policy_groups/" + url.PathEscape(group) + "/policies/" + url.PathEscape(l.Name)
	if err := server.Do(ctx, http.MethodPut, at, json.RawMessage(l.Marshal()), nil); err != nil {
		return nil, fmt.Errorf("uploading the policy %s to the group %s: %w", l.Name, group, err)
	}
	return done, nil
}

// upload brings one cookbook to a server.
type upload struct {
	job    *Job
	server source.Server
	book   *content
	sums   map[string]string // file to check sum
}

// run uploads the cookbook, unless the server has it.
func (u *upload) run(ctx context.Context) (sent bool, err error) {
	c := u.book.lock
	object := "cookbook_artifacts/" + url.PathEscape(c.Name) + "/" + string(c.Identifier)
	err = u.server.Do(ctx, http.MethodGet, object, nil, nil)
	var missing source.NotFounder
	if err == nil || !errors.As(err, &missing) || !missing.NotFound() {
		return false, err
	}
	u.sums = map[string]string{}
	for _, f := range u.book.files {
		if u.sums[f], err = cookbook.Checksum(u.path(f)); err != nil {
			return false, err
		}
	}
	if err := u.sandbox(ctx); err != nil {
		return false, err
	}
	return true, u.server.Do(ctx, http.MethodPut, object, u.manifest(), nil)
}

func (u *upload) path(file string) string {
	return filepath.Join(u.book.dir, filepath.FromSlash(file))
}

// sandbox uploads the files that the server does not have yet.
func (u *upload) sandbox(ctx context.Context) error {
	wanted := map[string]any{}
	for _, sum := range u.sums {
		wanted[sum] = nil
	}
	var box struct {
		ID        string `json:"sandbox_id"`
		Checksums map[string]struct {
			URL    string `json:"url"`
			Needed bool   `json:"needs_upload"`
		} `json:"checksums"`
	}
	if err := u.server.Do(ctx, http.MethodPost, "sandboxes", map[string]any{"checksums": wanted}, &box); err != nil {
		return err
	}
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(source.Parallel)
	seen := map[string]bool{}
	for _, f := range u.book.files {
		sum := u.sums[f]
		if to := box.Checksums[sum]; to.Needed && !seen[sum] {
			seen[sum] = true
			g.Go(func() error { return u.put(gctx, f, sum, to.URL) })
		}
	}
	if err := g.Wait(); err != nil {
		return err
	}
	return u.server.Do(ctx, http.MethodPut, "sandboxes/"+url.PathEscape(box.ID),
		map[string]any{"is_completed": true}, nil)
}

// put sends one file to the place that the server has named for it.
func (u *upload) put(ctx context.Context, file, sum, to string) error {
	data, err := os.ReadFile(u.path(file))
	if err != nil {
		return err
	}
	raw, err := hex.DecodeString(sum)
	if err != nil {
		return err
	}
	header := http.Header{}
	header.Set("Content-Type", "application/x-binary")
	header.Set("Content-MD5", base64.StdEncoding.EncodeToString(raw))
	return u.job.Web.Put(ctx, web.Request{What: file, URL: to, Header: header}, data)
}

// manifest describes the cookbook to the server.
func (u *upload) manifest() any {
	c := u.book.lock
	files := make([]map[string]string, 0, len(u.book.files))
	for _, f := range u.book.files {
		files = append(files, map[string]string{
			"name": manifestName(f), "path": f, "checksum": u.sums[f], "specificity": specificity(f),
		})
	}
	return map[string]any{
		"name": c.Name, "identifier": string(c.Identifier), "version": c.Version, "chef_type": "cookbook_version",
		"frozen?": false, "metadata": json.RawMessage(u.book.meta.Compiled(u.book.files)), "all_files": files,
	}
}

// manifestName is the name of a file in a manifest: without folders between
// the kind of file and its own name (Chef: parse_file_from_root_paths).
func manifestName(file string) string {
	kind, rest, ok := strings.Cut(file, "/")
	if !ok {
		return "root_files/" + file
	}
	return kind + "/" + path.Base(rest)
}

// specificity says for which machines a file or template is.
func specificity(file string) string {
	parts := strings.Split(file, "/")
	switch {
	case len(parts) == 1 || !slices.Contains([]string{"files", "templates"}, parts[0]):
		return "default"
	case len(parts) == 2:
		return "root_default"
	}
	return parts[1]
}
