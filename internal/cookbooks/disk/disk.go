package disk

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"

	"github.com/galleyhq/galley/internal/atomicfile"
)

// WriteFile replaces a file at once, unless it has this content. Links are
// followed, and the permissions of a file that was there stay.
func WriteFile(file string, data []byte) (changed bool, err error) {
	if old, err := os.ReadFile(file); err == nil && bytes.Equal(old, data) {
		return false, nil
	}
	if target, err := filepath.EvalSymlinks(file); err == nil {
		file = target
	}
	if err := write(file, data); err != nil {
		return false, fmt.Errorf("writing %s: %w", file, err)
	}
	return true, nil
}

func write(file string, data []byte) error {
	f, err := atomicfile.Create(file, 0o644)
	if err != nil {
		return err
	}
	defer f.Discard()
	if old, err := os.Stat(file); err == nil {
		if err := f.Chmod(old.Mode()); err != nil {
			return err
		}
	}
	if _, err := f.Write(data); err != nil {
		return err
	}
	return f.Commit()
}

// Copy copies a file, whether it is executable included, and makes the
// folders above it. Links are followed.
func Copy(from, to string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	info, err := in.Stat()
	if err != nil {
		return err
	}
	mode := os.FileMode(0o644)
	if info.Mode()&0o100 != 0 {
		mode = 0o755
	}
	out, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, mode)
	if os.IsNotExist(err) {
		if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
			return err
		}
		out, err = os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, mode)
	}
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	if err1 := out.Close(); err == nil {
		err = err1
	}
	return err
}

// Stage calls fill with an empty folder, and then moves its entries into dir,
// in place of those of the same names. When fill fails, dir is as
// it was.
func Stage(dir string, fill func(tmp string) error) error {
	return stage(dir, fill, func(tmp string) error {
		entries, err := os.ReadDir(tmp)
		if err != nil {
			return err
		}
		for _, e := range entries {
			to := filepath.Join(dir, e.Name())
			if err := os.RemoveAll(to); err != nil {
				return err
			}
			if err := os.Rename(filepath.Join(tmp, e.Name()), to); err != nil {
				return err
			}
		}
		return nil
	})
}

// stage calls fill and then publish with a temporary folder in dir, so that
// files can be renamed from the one to the other. A folder that was made for
// nothing goes again.
func stage(dir string, fill, publish func(tmp string) error) error {
	_, err := os.Stat(dir)
	fresh := os.IsNotExist(err)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	tmp, err := os.MkdirTemp(dir, ".galley-")
	if err != nil {
		return err
	}
	err = fill(tmp)
	if err != nil && fresh {
		_ = os.RemoveAll(dir) // only the temporary folder is in it
		return err
	}
	if err == nil {
		err = publish(tmp)
	}
	return errors.Join(err, os.RemoveAll(tmp))
}

// Tree is a folder to be written: files copied from another one, and files
// with given content.
type Tree struct {
	Name string
	// From is the folder of Files, which are relative to it, with slashes.
	From  string
	Files []string
	Data  map[string][]byte
}

// Merge writes trees below a folder, beside its other files; with remove, these
// go. Nothing changes before all files have been copied.
func Merge(dir string, trees []Tree, remove bool) error {
	var all []string
	err := stage(dir, func(tmp string) error {
		for _, t := range trees {
			for _, f := range t.Files {
				all = append(all, t.Name+"/"+f)
				if err := Copy(filepath.Join(t.From, filepath.FromSlash(f)), filepath.Join(tmp, t.Name, filepath.FromSlash(f))); err != nil {
					return err
				}
			}
			for f, data := range t.Data {
				all = append(all, t.Name+"/"+f)
				if err := os.WriteFile(filepath.Join(tmp, t.Name, filepath.FromSlash(f)), data, 0o644); err != nil {
					return err
				}
			}
		}
		return nil
	}, func(tmp string) error {
		for _, f := range all {
			to := filepath.Join(dir, filepath.FromSlash(f))
			if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
				return err
			}
			if err := os.Rename(filepath.Join(tmp, filepath.FromSlash(f)), to); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil || !remove {
		return err
	}
	return prune(dir, all)
}

// prune removes all files below a folder that are not listed.
func prune(dir string, keep []string) error {
	wanted := map[string]bool{".": true}
	for _, f := range keep {
		for p := f; p != "."; p = path.Dir(p) {
			wanted[p] = true
		}
	}
	return filepath.WalkDir(dir, func(file string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(dir, file)
		if err != nil || wanted[filepath.ToSlash(rel)] {
			return err
		}
		if err := os.RemoveAll(file); err != nil {
			return err
		}
		if d.IsDir() {
			return fs.SkipDir
		}
		return nil
	})
}
