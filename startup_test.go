package galley_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"strings"
	"testing"
)

// TestNothingIsCompiledAtStart finds regular expressions and templates that
// are compiled when the program starts, which every run would pay for and few
// would use: text.Lazy and sync.OnceValue compile them at their first use.
func TestNothingIsCompiledAtStart(t *testing.T) {
	t.Parallel()
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		switch name := d.Name(); {
		case err != nil:
			return err
		case d.IsDir() && (name == "testdata" || name == "testing" || name == ".git"):
			return filepath.SkipDir
		case d.IsDir() || !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go"):
			return nil
		}
		files := token.NewFileSet()
		file, err := parser.ParseFile(files, path, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		for _, decl := range file.Decls {
			if vars, ok := decl.(*ast.GenDecl); ok {
				ast.Inspect(vars, func(n ast.Node) bool {
					if call, ok := n.(*ast.SelectorExpr); ok && compiles(call) {
						t.Errorf("%s: compiled when the program starts", files.Position(call.Pos()))
					}
					_, later := n.(*ast.FuncLit)
					return !later
				})
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// compiles reports whether an expression is a function that compiles one.
func compiles(f *ast.SelectorExpr) bool {
	pkg, ok := f.X.(*ast.Ident)
	return ok && (pkg.Name == "regexp" && strings.Contains(f.Sel.Name, "Compile") || pkg.Name == "template" && f.Sel.Name == "Must")
}
