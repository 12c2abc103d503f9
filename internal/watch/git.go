package watch

import (
	"bytes"
	"context"
	"os/exec"
	"slices"
	"strings"
)

// ignoredByGit returns the files and directories below root that git ignores,
// none without git or a work tree.
func ignoredByGit(ctx context.Context, root string) []string {
	cmd := exec.CommandContext(ctx, "git", "-C", root, "ls-files", "--others", "--ignored", "--exclude-standard", "--directory", "-z")
	out, err := cmd.Output()
	if err != nil {
		return nil
	}
	var paths []string
	for p := range strings.SplitSeq(strings.TrimRight(string(out), "\x00"), "\x00") {
		paths = append(paths, strings.TrimSuffix(p, "/"))
	}
	return paths
}

// withoutIgnored returns the paths that git does not ignore. A file may have
// been created, or .gitignore changed, since the watch began.
func withoutIgnored(ctx context.Context, root string, paths []string) []string {
	cmd := exec.CommandContext(ctx, "git", "-C", root, "check-ignore", "-z", "--stdin")
	cmd.Stdin = bytes.NewReader([]byte(strings.Join(paths, "\x00")))
	out, err := cmd.Output()
	if err != nil {
		return paths // status 1: none is ignored; 128: there is no work tree
	}
	ignored := strings.Split(string(out), "\x00")
	return slices.DeleteFunc(paths, func(p string) bool { return slices.Contains(ignored, p) })
}
