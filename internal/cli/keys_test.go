package cli_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/galleyhq/galley/internal/settings"
)

// TestEveryKeyIsRead holds that no key of the table of provisioners,
// transports and verifiers is parsed by nobody: each that is not declared to
// be idle stands in its plug-in's source, or in what all of them share.
func TestEveryKeyIsRead(t *testing.T) {
	n := 0
	for _, k := range settings.All() {
		if k.Section != "provisioner" && k.Section != "transport" && k.Section != "verifier" || k.Idle != "" || k.Name == "name" || k.Parent != "" {
			continue
		}
		n++
		dirs := []string{"../provisioner/base"}
		switch name := strings.FieldsFunc(k.Plugin+" ", func(c rune) bool { return c == '_' || c == ' ' }); {
		case k.Section == "transport":
			dirs = []string{"../transport/ssh"}
		case k.Plugin == "":
			// One of the plug-ins may be the only one that has a use for it.
			dirs = append(dirs, "../"+k.Section+"/*")
		default:
			dirs = append(dirs, "../"+k.Section+"/"+name[0])
		}
		if !named(t, dirs, k) {
			t.Errorf("%s (%s) is in the table of keys and not read", k.ID(), k.Plugin)
		}
	}
	if n < 120 {
		t.Errorf("only %d keys in the table", n)
	}
}

// named says whether a key stands in the source below some directories, plain
// or as the source composes it: NAME_path, chef_KIND_path.
func named(t *testing.T, dirs []string, k settings.Setting) bool {
	t.Helper()
	for _, d := range dirs {
		files, err := filepath.Glob(d + "/*.go")
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range files {
			b, err := os.ReadFile(f)
			if err != nil {
				t.Fatal(err)
			}
			if strings.HasSuffix(f, "_test.go") {
				continue
			}
			source := string(b)
			if strings.Contains(source, `"`+k.Name+`"`) {
				return true
			}
			if part, ok := strings.CutSuffix(k.Name, "_path"); ok && strings.Contains(source, `+ "_path"`) && strings.Contains(source, `"`+part+`"`) {
				return true
			}
			if kind, ok := strings.CutPrefix(strings.TrimSuffix(k.Name, "_path"), "chef_"); ok && strings.Contains(source, `"chef_"+k.binary()+"_path"`) && strings.Contains(source, `"`+kind+`"`) {
				return true
			}
		}
	}
	return false
}
