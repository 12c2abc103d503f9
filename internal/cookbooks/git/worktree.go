package git

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// Worktree describes the state of a work tree, as a Policyfile lock has it.
type Worktree struct {
	// Remote is the URL of the current branch's remote, "" for none.
	Remote string
	// Revision is the commit, "" before the first one.
	Revision string
	// Clean says that no file under version control was changed.
	Clean bool
	// Synchronized are the remote branches that hold the commit.
	Synchronized []string
}

// Top returns the work tree that a folder is in, "" for none: the first folder
// upward that has a .git.
func Top(dir string) string {
	for {
		if _, err := os.Stat(filepath.Join(dir, ".git")); err == nil {
			return dir
		}
		up := filepath.Dir(dir)
		if up == dir {
			return ""
		}
		dir = up
	}
}

// Describe describes the work tree that a folder is in.
func (c *Client) Describe(ctx context.Context, dir string) (*Worktree, error) {
	doing := "asking git about " + dir
	ask := func(args ...string) (out string, ok bool, err error) {
		out, err = c.run(ctx, doing, dir, nil, args...)
		var exit *exec.ExitError
		if errors.As(err, &exit) {
			return "", false, nil
		}
		return out, err == nil, err
	}
	w := &Worktree{}
	branch, born, err := ask("rev-parse", "--abbrev-ref", "HEAD")
	if err != nil {
		return nil, err
	}
	if !born {
		// No commit yet: the branch is only a name, and the rest is empty.
		if branch, born, err = ask("symbolic-ref", "-q", "HEAD"); err != nil || !born {
			return nil, errors.Join(err,
				&Error{Doing: doing, Err: errors.New("there is neither a commit nor a branch")})
		}
	} else {
		if w.Revision, _, err = ask("rev-parse", "HEAD"); err != nil {
			return nil, err
		}
		remotes, _, err := ask("branch", "-r", "--contains", w.Revision)
		if err != nil {
			return nil, err
		}
		for line := range strings.Lines(remotes) {
			if line = strings.TrimSpace(line); line != "" {
				w.Synchronized = append(w.Synchronized, line)
			}
		}
	}
	name, _, err := ask("config", "--get", "branch."+branch+".remote")
	if err != nil {
		return nil, err
	}
	if name != "" && name != "." {
		if w.Remote, _, err = ask("config", "--get", "remote."+name+".url"); err != nil {
			return nil, err
		}
	}
	_, w.Clean, err = ask("diff-files", "--quiet")
	return w, err
}
