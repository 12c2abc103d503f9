package cookbook

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Ignore is the content of a chefignore: globs of files that are left out.
type Ignore []glob

// Has says whether a file is left out. path is relative to the cookbook, with
// slashes.
func (i Ignore) Has(path string) bool {
	return slices.ContainsFunc(i, func(g glob) bool { return g.match(path) })
}

// FindIgnore reads the chefignore that counts for a cookbook: the first one
// from its folder upward, to the root of the file system. names are the files
// looked for in each folder; none means "chefignore".
func FindIgnore(dir string, names ...string) (Ignore, error) {
	if len(names) == 0 {
		names = []string{"chefignore"}
	}
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	for {
		for _, name := range names {
			file := filepath.Join(dir, filepath.FromSlash(name))
			if info, err := os.Stat(file); err != nil || !info.Mode().IsRegular() {
				continue
			}
			text, err := os.ReadFile(file)
			if err != nil {
				return nil, err
			}
			return parseIgnore(string(text)), nil
		}
		up := filepath.Dir(dir)
		if up == dir {
			return nil, nil
		}
		dir = up
	}
}

// parseIgnore takes a glob from each line that is neither empty nor a comment.
func parseIgnore(text string) Ignore {
	var out Ignore
	for line := range strings.Lines(text) {
		if line = strings.Trim(line, " \t\n\v\f\r\x00"); line != "" && line[0] != '#' {
			out = append(out, newGlob(line))
		}
	}
	return out
}
