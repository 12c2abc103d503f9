package git

import (
	"bytes"
	"context"
	"crypto/sha1" //nolint:gosec // names a folder
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strings"

	"github.com/galleyhq/galley/internal/cookbooks/cache"
	"github.com/galleyhq/galley/internal/cookbooks/web"
	"github.com/galleyhq/galley/internal/env"
	"github.com/galleyhq/galley/internal/secret"
	"github.com/galleyhq/galley/internal/text"
)

// Client runs git.
type Client struct {
	Env   *env.Env
	Cache *cache.Store
	// Offline allows the cache only.
	Offline bool
	// Meter notes waits; may be nil.
	Meter *web.Meter
}

// Place is a commit of a repository, and perhaps a folder of it. Which commit
// is decided by Revision, else by the first of Ref, Branch, Tag and Default
// that is set.
type Place struct {
	URL                             string
	Branch, Tag, Ref, Revision, Rel string
	// Default is the branch that is meant where nothing is named.
	Default string
}

// NewPlace reads a place from options of these names.
func NewPlace(option func(name string) string, fallback string) *Place {
	return &Place{
		URL: option("git"), Branch: option("branch"), Tag: option("tag"), Ref: option("ref"),
		Revision: option("revision"), Rel: option("rel"), Default: fallback,
	}
}

// Name is the name to look up in the repository.
func (p Place) Name() string {
	for _, s := range []string{p.Revision, p.Ref, p.Branch, p.Tag} {
		if s != "" {
			return s
		}
	}
	return p.Default
}

// Error tells that git failed.
type Error struct {
	// Doing says what for, as "fetching https://…".
	Doing string
	// Output is what git said on standard error.
	Output string
	Err    error
}

func (e *Error) Error() string {
	said := strings.TrimSpace(e.Output)
	if said == "" {
		said = e.Err.Error()
	}
	return fmt.Sprintf("%s: %s", e.Doing, said)
}

func (e *Error) Unwrap() error { return e.Err }

// Hint tells what usually helps.
func (e *Error) Hint() string {
	switch said := strings.ToLower(e.Output); {
	case errors.Is(e.Err, exec.ErrNotFound):
		return "install git: cookbooks from git repositories need it"
	case strings.Contains(said, "terminal prompts disabled") || strings.Contains(said, "authentication failed") || strings.Contains(said, "permission denied"):
		return "the repository wants a login: set up a credential helper of git or an SSH agent, or use a URL that needs none"
	case strings.Contains(said, "could not resolve host"):
		return "check the URL and the network"
	}
	return ""
}

// run runs git and returns its standard output without spaces around it.
func (c *Client) run(ctx context.Context, doing, dir string, extra []string, args ...string) (string, error) {
	program, err := c.program()
	if err != nil {
		return "", &Error{Doing: doing, Err: err}
	}
	var out, errs bytes.Buffer
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = dir, &out, &errs
	cmd.Env = append(c.environ(), extra...)
	if err := cmd.Run(); err != nil {
		if ctx.Err() != nil {
			return "", context.Cause(ctx)
		}
		said := secret.HideURLs(text.Clean(errs.String()))
		return "", &Error{Doing: doing, Output: said, Err: err}
	}
	return strings.TrimSpace(out.String()), nil
}

// program finds git in the PATH of the user's environment.
func (c *Client) program() (string, error) {
	for _, dir := range filepath.SplitList(c.Env.Get("PATH")) {
		if p, err := exec.LookPath(filepath.Join(dir, "git")); err == nil {
			return p, nil
		}
	}
	return "", &exec.Error{Name: "git", Err: exec.ErrNotFound}
}

// environ is that of the user without what may ask for a password, and
// without what would send git to another repository.
func (c *Client) environ() []string {
	e := c.Env.Clone()
	for _, name := range []string{"GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_OBJECT_DIRECTORY", "GIT_ASKPASS", "SSH_ASKPASS"} {
		e.Unset(name)
	}
	e.Set("GIT_TERMINAL_PROMPT", "0")
	e.Set("SSH_ASKPASS_REQUIRE", "never")
	e.Set("LC_ALL", "C")
	if _, ok := e.Lookup("GIT_SSH_COMMAND"); !ok && e.Get("GIT_SSH") == "" {
		e.Set("GIT_SSH_COMMAND", "ssh -o BatchMode=yes")
	}
	return e.Environ()
}

// dir is the bare repository in the cache that mirrors a URL.
func (c *Client) dir(url string) string {
	sum := sha1.Sum([]byte(url)) //nolint:gosec // names a folder
	file := c.Cache.File("git", "", "")
	return filepath.Join(filepath.Dir(file), hex.EncodeToString(sum[:]))
}

// Resolve returns the revision that a place means now. It asks the
// repository, unless the place names a revision.
func (c *Client) Resolve(ctx context.Context, p Place) (revision string, err error) {
	if p.Revision != "" {
		return p.Revision, nil
	}
	if err := c.fetch(ctx, p); err != nil {
		return "", err
	}
	doing := fmt.Sprintf("looking for %s in %s", p.Name(), secret.URL(p.URL))
	return c.run(ctx, doing, "", nil, "--git-dir", c.dir(p.URL), "rev-parse", "--verify", p.Name())
}

// fetch brings what a place needs into the cache.
func (c *Client) fetch(ctx context.Context, p Place) error {
	doing := "fetching " + secret.URL(p.URL).String()
	for _, s := range []string{p.URL, p.Name()} {
		if s == "" || strings.HasPrefix(s, "-") || strings.ContainsAny(s, "\x00\n") {
			return &Error{Doing: doing, Err: fmt.Errorf("%q cannot be used as a URL or a name in git", s)}
		}
	}
	unlock, err := c.Cache.Lock(ctx, "git", p.URL)
	if err != nil {
		return err
	}
	defer unlock()
	dir := c.dir(p.URL)
	have := c.has(ctx, dir, p.Name())
	if have && (p.Revision != "" || c.Offline) {
		return nil
	}
	if c.Offline {
		return &Error{Doing: doing, Err: web.ErrOffline}
	}
	defer c.Meter.Wait(secret.URL(p.URL).String())()
	fresh := false
	if _, err := os.Stat(filepath.Join(dir, "HEAD")); err != nil {
		fresh = true
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return err
		}
		if _, err := c.run(ctx, doing, "", nil, "init", "--quiet", "--bare", dir); err != nil {
			return err
		}
	}
	_, err = os.Stat(filepath.Join(dir, "shallow"))
	shallow := err == nil
	fetch := func(args ...string) error {
		_, err := c.run(ctx, doing, "", nil, append([]string{"--git-dir", dir, "fetch", "--quiet", "--force"}, args...)...)
		return err
	}
	// One commit is enough for a branch or a tag; not every server can do that.
	if spec := p.refspec(); spec != "" && (fresh || shallow) &&
		fetch("--depth", "1", "--no-tags", p.URL, spec) == nil {
		return nil
	}
	args := []string{"--tags", p.URL, "+refs/heads/*:refs/heads/*"}
	if shallow {
		args = append([]string{"--unshallow"}, args...)
	}
	return fetch(args...)
}

// refspec names the branch or tag of a place, "" for a ref or revision.
func (p Place) refspec() string {
	switch {
	case p.Revision != "" || p.Ref != "":
		return ""
	case p.Branch != "":
		return "+refs/heads/" + p.Branch + ":refs/heads/" + p.Branch
	case p.Tag != "":
		return "+refs/tags/" + p.Tag + ":refs/tags/" + p.Tag
	}
	return "+refs/heads/" + p.Default + ":refs/heads/" + p.Default
}

// has says whether the cache has a commit of a name.
func (c *Client) has(ctx context.Context, dir, name string) bool {
	_, err := c.run(ctx, "", "", nil, "--git-dir", dir, "cat-file", "-e", name+"^{commit}")
	return err == nil
}

// Checkout puts the files of a place, whose Revision must be set, into an
// empty folder, as `git checkout` would.
func (c *Client) Checkout(ctx context.Context, p Place, dir string) error {
	repo := c.dir(p.URL)
	if !c.has(ctx, repo, p.Revision) {
		if err := c.fetch(ctx, p); err != nil {
			return err
		}
	}
	tmp, err := c.Cache.Temp()
	if err != nil {
		return err
	}
	defer os.RemoveAll(tmp)
	tree, where := p.Revision+"^{tree}", secret.URL(p.URL).String()
	if rel := path.Clean(filepath.ToSlash(p.Rel)); p.Rel != "" && rel != "." {
		tree, where = p.Revision+":"+rel, where+", folder "+rel
	}
	doing := fmt.Sprintf("checking out %s of %s", p.Name(), where)
	extra := []string{"GIT_DIR=" + repo, "GIT_WORK_TREE=" + dir, "GIT_INDEX_FILE=" + filepath.Join(tmp, "index")}
	if _, err := c.run(ctx, doing, dir, extra, "read-tree", tree); err != nil {
		return err
	}
	if _, err := c.run(ctx, doing, dir, extra, "checkout-index", "--all", "--force", "--quiet"); err != nil {
		return err
	}
	return cache.CheckLinks(dir)
}

// Show returns the content of a file at the place's commit, and the commit.
func (c *Client) Show(ctx context.Context, p Place, file string) (content []byte, revision string, err error) {
	revision, err = c.Resolve(ctx, p)
	if err != nil {
		return nil, "", err
	}
	p.Revision = revision
	if !c.has(ctx, c.dir(p.URL), revision) {
		if err := c.fetch(ctx, p); err != nil {
			return nil, "", err
		}
	}
	doing := fmt.Sprintf("reading %s of %s", file, secret.URL(p.URL))
	out, err := c.run(ctx, doing, "", nil, "--git-dir", c.dir(p.URL), "show",
		revision+":"+path.Clean(filepath.ToSlash(file)))
	return []byte(out), revision, err
}
