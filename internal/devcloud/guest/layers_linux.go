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
	layers *os.Root // the directory on the tmpfs
	dir    *os.Root // the guest's directory
}

const savedName = "layers.tar"

// openMemoryStore reads saved layers, if there are any, into the tmpfs. The
// working directory is the guest's.
func openMemoryStore() (*memoryStore, error) {
	f, err := os.Open(savedName)
	if err == nil {
		err = unpackTree(bufio.NewReaderSize(f, 1<<18), layersName, false)
		_ = f.Close()
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("restoring what the guest had changed: %w", err)
	}
	s := &memoryStore{}
	if s.layers, err = os.OpenRoot(layersName); err == nil {
		s.dir, err = os.OpenRoot(".")
	}
	return s, err
}

// save writes the layers to the guest's directory.
func (s *memoryStore) save() error {
	f, err := s.dir.OpenFile("."+savedName, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	buf := bufio.NewWriterSize(f, 1<<18)
	err = errors.Join(packTree(buf, s.layers, upperOnly), buf.Flush(), f.Close())
	if err != nil {
		_ = s.dir.Remove("." + savedName)
		return err
	}
	return s.dir.Rename("."+savedName, savedName)
}
