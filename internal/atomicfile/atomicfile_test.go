package atomicfile

import (
	"os"
	"path/filepath"
	"runtime"
	"testing"
)

func TestWriteReplaces(t *testing.T) {
	file := filepath.Join(t.TempDir(), "f")
	for _, want := range []string{"one", "the second", ""} {
		if err := Write(file, []byte(want), 0o640); err != nil {
			t.Fatal(err)
		}
		if got, err := os.ReadFile(file); err != nil || string(got) != want {
			t.Fatalf("got %q, %v; want %q", got, err, want)
		}
	}
	onlyFile(t, file)
	info, err := os.Stat(file)
	if err != nil {
		t.Fatal(err)
	}
	if runtime.GOOS != "windows" && info.Mode().Perm()&^0o640 != 0 {
		t.Errorf("mode %v is more than was asked for", info.Mode())
	}
}

func TestDiscardLeavesTheOldContent(t *testing.T) {
	file := filepath.Join(t.TempDir(), "f")
	if err := Write(file, []byte("old"), 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := Create(file, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteString("half of the n"); err != nil {
		t.Fatal(err)
	}
	f.Discard()
	if got, err := os.ReadFile(file); err != nil || string(got) != "old" {
		t.Errorf("got %q, %v", got, err)
	}
	onlyFile(t, file)
}

func TestFailedWriteLeavesNothing(t *testing.T) {
	// A directory cannot be replaced by a file.
	dir := filepath.Join(t.TempDir(), "d")
	if err := os.MkdirAll(filepath.Join(dir, "content"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := Write(dir, []byte("x"), 0o600); err == nil {
		t.Error("a directory was replaced")
	}
	onlyFile(t, dir)
}

func TestSweepRemovesWhatAKilledProcessLeft(t *testing.T) {
	file := filepath.Join(t.TempDir(), "f")
	if err := Write(file, []byte("whole"), 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := Create(file, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	Sweep(file)
	onlyFile(t, file)
}

// onlyFile fails if anything but path is in its directory.
func onlyFile(t *testing.T, path string) {
	t.Helper()
	list, err := os.ReadDir(filepath.Dir(path))
	if err != nil {
		t.Fatal(err)
	}
	if len(list) != 1 || list[0].Name() != filepath.Base(path) {
		t.Errorf("left beside it: %v", list)
	}
}
