package guest

import (
	"bufio"
	"errors"
	"fmt"
	"io/fs"
	"os"
)

// Layers that live in memory are saved to a file in the guest's directory at
// an orderly end and read back by the next boot. An archive, since the disk in
// question cannot hold overlayfs's whiteouts and marks as they are.

// memoryStore is where layers in memory are kept over a boot's end.
type memoryStore struct {
	layers *os.File // the directory on the tmpfs
	dir    *os.File // the guest's directory
}

const savedName = "layers.tar"

func openMemoryStore() (*memoryStore, error) {
	layers, err := os.Open(layersName)
	if err != nil {
		return nil, err
	}
	dir, err := os.Open(".")
	if err != nil {
		_ = layers.Close()
		return nil, err
	}
	return &memoryStore{layers: layers, dir: dir}, nil
}

// inside names a file below a directory that has left the tree of names.
func inside(dir *os.File, name string) string {
	return fmt.Sprintf("/proc/self/fd/%d/%s", dir.Fd(), name)
}

// restoreLayers reads saved layers, if there are any, into the tmpfs. The
// working directory is the guest's.
func restoreLayers() error {
	f, err := os.Open(savedName)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	if err := unpackTree(bufio.NewReaderSize(f, 1<<18), layersName, false); err != nil {
		return fmt.Errorf("restoring what the guest had changed: %w", err)
	}
	return nil
}

// save writes the layers to the guest's directory.
func (s *memoryStore) save() error {
	tmp := inside(s.dir, "."+savedName)
	f, err := os.OpenFile(tmp, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	buf := bufio.NewWriterSize(f, 1<<18)
	err = packTree(buf, inside(s.layers, "."), upperOnly)
	if err == nil {
		err = buf.Flush()
	}
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		_ = os.Remove(tmp)
		return err
	}
	return os.Rename(tmp, inside(s.dir, savedName))
}
