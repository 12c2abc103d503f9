package openrc

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestCorpusAsBash reads the RC files of the folder that CORPUS names and
// compares what they export with what bash makes of them.
func TestCorpusAsBash(t *testing.T) {
	files, _ := filepath.Glob(filepath.Join(os.Getenv("CORPUS"), "openrc", "*.sh"))
	bash, err := exec.LookPath("bash")
	if os.Getenv("CORPUS") == "" || len(files) == 0 || err != nil {
		t.Skip("needs CORPUS=DIR and bash")
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			dir := t.TempDir()
			t.Chdir(dir)
			if err := os.WriteFile("openrc.sh", text, 0o600); err != nil {
				t.Fatal(err)
			}
			env := map[string]string{"PATH": os.Getenv("PATH"), "HOME": "/home/me"}
			answers := strings.Fields("one two three four five six")
			got, err := Read(t.Context(), "./openrc.sh", Options{Env: env, Prompt: &lines{answers}})
			if err != nil {
				t.Skipf("not read: %v", err)
			}
			want := bashEnv(t, bash, dir, env, answers)
			have := map[string]string{"PATH": env["PATH"], "HOME": env["HOME"]}
			for k, v := range got.Vars {
				have[k] = v
			}
			for _, m := range []map[string]string{want, have} {
				delete(m, "PS1") // bash changes it for itself
			}
			if d := cmp.Diff(want, have); d != "" {
				t.Errorf("(-bash +ours)\n%s", d)
			}
		})
	}
}
