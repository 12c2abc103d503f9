//go:build linux

package cli_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/galleyhq/galley/internal/devcloud"
)

// TestStateThatIsLostOrMoved creates a machine, does something to the state of
// the project, and destroys: nothing is left.
func TestStateThatIsLostOrMoved(t *testing.T) {
	t.Parallel()
	c := newCloud(t, devcloud.Options{})
	for name, change := range map[string]func(*testing.T, *project){
		".kitchen deleted": func(t *testing.T, p *project) {
			if err := os.RemoveAll(filepath.Join(p.dir, ".kitchen")); err != nil {
				t.Fatal(err)
			}
		},
		"project moved": func(t *testing.T, p *project) {
			to := filepath.Join(t.TempDir(), "elsewhere")
			if err := os.Rename(p.dir, to); err != nil {
				t.Fatal(err)
			}
			p.dir = to
			p.must(t, "exec", "-c", "true") // with the key that was generated
			if _, errs, code := p.run(t, "create"); code != 0 || strings.Contains(errs, "recreating") {
				t.Errorf("create ended with %d: %s", code, errs)
			}
		},
		"project moved, then .kitchen deleted": func(t *testing.T, p *project) {
			to := filepath.Join(t.TempDir(), "elsewhere")
			if err := os.Rename(p.dir, to); err != nil {
				t.Fatal(err)
			}
			p.dir = to
			p.must(t, "create")
			if err := os.RemoveAll(filepath.Join(p.dir, ".kitchen")); err != nil {
				t.Fatal(err)
			}
		},
		".kitchen read-only": func(t *testing.T, p *project) {
			mountReadOnly(t, filepath.Join(p.dir, ".kitchen"))
		},
		".kitchen on a full disk": func(t *testing.T, p *project) {
			moveToFullDisk(t, filepath.Join(p.dir, ".kitchen"))
		},
		".kitchen deleted, then created": func(t *testing.T, p *project) {
			if err := os.RemoveAll(filepath.Join(p.dir, ".kitchen")); err != nil {
				t.Fatal(err)
			}
			p.must(t, "create")
		},
	} {
		t.Run(name, func(t *testing.T) {
			p := newLeakProject(t, c, kitchenFile)
			p.must(t, "create")
			change(t, p)
			out, errs, code := p.run(t, "destroy")
			if name != ".kitchen read-only" && name != ".kitchen on a full disk" && code != 0 {
				t.Errorf("destroy ended with %d", code)
			}
			wantNothing(t, c, name+", then destroyed")
			if t.Failed() {
				t.Fatalf("%s%s", out, errs)
			}
		})
	}
}

// mountReadOnly makes a directory read-only, also for root, until the test ends.
func mountReadOnly(t *testing.T, dir string) {
	t.Helper()
	if err := syscall.Mount(dir, dir, "", syscall.MS_BIND, ""); err != nil {
		t.Skipf("a read-only mount needs root: %v", err)
	}
	t.Cleanup(func() { _ = syscall.Unmount(dir, syscall.MNT_DETACH) })
	if err := syscall.Mount("", dir, "", syscall.MS_BIND|syscall.MS_REMOUNT|syscall.MS_RDONLY, ""); err != nil {
		t.Skipf("a read-only mount needs root: %v", err)
	}
}

// moveToFullDisk puts a directory on a separate file system that has no space
// left, until the test ends.
func moveToFullDisk(t *testing.T, dir string) {
	t.Helper()
	saved := dir + ".saved"
	if err := os.Rename(dir, saved); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=1m"); err != nil {
		t.Skipf("a small disk needs root: %v", err)
	}
	t.Cleanup(func() { _ = syscall.Unmount(dir, syscall.MNT_DETACH) })
	if err := os.CopyFS(dir, os.DirFS(saved)); err != nil {
		t.Fatal(err)
	}
	filler, err := os.Create(filepath.Join(dir, "filler"))
	if err != nil {
		t.Fatal(err)
	}
	defer filler.Close()
	for block := make([]byte, 4096); err == nil; _, err = filler.Write(block) {
	}
	if !errors.Is(err, syscall.ENOSPC) {
		t.Fatal(err)
	}
}

// TestAnotherUserIsRefused destroys with the credentials of another user of the
// project, whom the key pair does not belong to.
func TestAnotherUserIsRefused(t *testing.T) {
	t.Parallel()
	c := newCloud(t, devcloud.Options{})
	p := newLeakProject(t, c, kitchenFile)
	p.must(t, "create")
	own := p.env
	p.env = append(append([]string{}, own...), "OS_USERNAME=admin", "OS_PASSWORD="+c.Env()["OS_PASSWORD"])
	out, errs, code := p.run(t, "destroy")
	if code == 0 || !strings.Contains(errs, "the user demo") || !strings.Contains(errs, "the user admin") || !strings.Contains(errs, "--forget") {
		t.Errorf("destroy as another user ended with %d\n%s%s", code, out, errs)
	}
	p.env = own
	p.must(t, "destroy")
	wantNothing(t, c, "destroyed by the user who created it")
}
