package chef

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
)

// ignore is what a chefignore file leaves out of a cookbook.
type ignore []*regexp.Regexp

// readIgnore reads the chefignore that counts for a cookbook: its own or, as
// in a repository of cookbooks, the one of a directory above, up to the
// project's root.
func readIgnore(cookbook, root string) (ignore, error) {
	for dir := cookbook; ; dir = filepath.Dir(dir) {
		var all ignore
		found := false
		for _, name := range []string{"chefignore", ".chefignore"} {
			b, err := os.ReadFile(filepath.Join(dir, name))
			if os.IsNotExist(err) {
				continue
			}
			if err != nil {
				return nil, err
			}
			found = true
			all = append(all, parseIgnore(string(b))...)
		}
		rel, err := filepath.Rel(root, dir)
		if found || err != nil || rel == "." || strings.HasPrefix(rel, "..") || dir == filepath.Dir(dir) {
			return all, nil
		}
	}
}

// parseIgnore reads a chefignore: a pattern on each line, # begins a comment.
func parseIgnore(text string) ignore {
	var out ignore
	for line := range strings.Lines(strings.TrimPrefix(text, "\ufeff")) {
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		// A directory's name with a slash means its content.
		if strings.HasSuffix(line, "/") {
			line += "*"
		}
		out = append(out, fnmatch(strings.TrimPrefix(line, "/")))
	}
	return out
}

// has says whether a file is left out; rel is relative to the cookbook.
func (i ignore) has(rel string) bool {
	for _, re := range i {
		if re.MatchString(rel) {
			return true
		}
	}
	return false
}
