package config

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// readers are the names of methods whose string arguments are keys of a
// section: those of [Section] and those that plug-ins wrap them in.
var readers = []string{
	"String", "StringList", "Int", "Bool", "Seconds", "Path", "Map", "Maps", "Hooks",
	"str", "strs", "bool", "int", "ints", "pairs", "section", "mistake", "Refuse",
	"text", "path", "paths", "flag", "number", "list", "seconds", "first", "each", "plainMap", "stringMap", "only", "keyPath",
}

var reKey = regexp.MustCompile(`^[a-zA-Z][a-zA-Z0-9]*(_[a-zA-Z0-9]+)*$`)

// TestTableHasWhatPluginsRead looks into the plug-ins' sources for keys that
// they read and the table does not have.
func TestTableHasWhatPluginsRead(t *testing.T) {
	root := filepath.Join("..", "..", "kitchen")
	if _, err := os.Stat(root); err != nil {
		t.Skip("the plug-ins' sources are not here")
	}
	for _, part := range []struct{ dir, section string }{
		{"driver/openstack", secDriver},
		{"driver/proxy", secDriver},
		{"driver/dummy", secDriver},
		{"transport/ssh", secTransport},
		{"provisioner", secProvisioner},
		{"verifier", secVerifier},
	} {
		have := map[string]bool{}
		for _, k := range Keys() {
			if k.Section == part.section {
				have[k.Name] = true
			}
		}
		for key, where := range keysRead(t, filepath.Join(root, part.dir)) {
			if !have[key] {
				t.Errorf("%s: %s is not in the table of %s", where, key, part.section)
			}
		}
	}
}

// keysRead returns the keys that the sources below dir read, with a place.
func keysRead(t *testing.T, dir string) map[string]string {
	t.Helper()
	out := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return err
		}
		set := token.NewFileSet()
		file, err := parser.ParseFile(set, path, nil, 0)
		if err != nil {
			return err
		}
		ast.Inspect(file, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok {
				return true
			}
			sel, ok := call.Fun.(*ast.SelectorExpr)
			if !ok || !slices.Contains(readers, sel.Sel.Name) || len(call.Args) == 0 {
				return true
			}
			// step.State has a String of its own.
			if inner, ok := sel.X.(*ast.SelectorExpr); ok && inner.Sel.Name == "State" {
				return true
			}
			lit, ok := call.Args[0].(*ast.BasicLit)
			if !ok || lit.Kind != token.STRING {
				return true
			}
			if s, err := strconv.Unquote(lit.Value); err == nil && reKey.MatchString(s) && s == strings.ToLower(s) {
				out[s] = set.Position(lit.Pos()).String()
			}
			return true
		})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}
