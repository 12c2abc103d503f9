package object

import (
	"crypto/md5"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/galleyhq/galley/internal/atomicfile"
)

// store keeps a directory for each account and container, and in it for each
// object the data and a file that describes them. Names are hashed: an object's
// name is any text.
type store struct {
	dir string
	// mu keeps an object's two files together.
	mu sync.RWMutex
}

// info describes an object or, with a name alone, a container.
type info struct {
	Name     string            `json:"name"`
	Size     int64             `json:"bytes"`
	ETag     string            `json:"hash"`
	Type     string            `json:"content_type"`
	Modified time.Time         `json:"modified"`
	Meta     map[string]string `json:"meta,omitempty"`
}

var (
	errMissing  = errors.New("missing")
	errNotEmpty = errors.New("not empty")
	errDigest   = errors.New("the data are not what the ETag says")
)

func hashed(name string) string {
	sum := sha256.Sum256([]byte(name))
	return hex.EncodeToString(sum[:16])
}

const about = ".json"

func (s *store) container(account, name string) string {
	return filepath.Join(s.dir, hashed(account), hashed(name))
}

func readInfo(path string) (info, error) {
	var i info
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return i, errMissing
	}
	if err == nil {
		err = json.Unmarshal(b, &i)
	}
	return i, err
}

func writeInfo(path string, i info) error {
	b, err := json.Marshal(i)
	if err != nil {
		return err
	}
	return atomicfile.Write(path, b, 0o600)
}

// account describes an account; one of which nothing is known is empty.
func (s *store) account(name string) info {
	i, _ := readInfo(filepath.Join(s.dir, hashed(name)) + about)
	return i
}

// setAccount sets metadata of an account.
func (s *store) setAccount(name string, meta map[string]string) error {
	i := s.account(name)
	i.Name = name
	merge(&i, meta)
	return errors.Join(os.MkdirAll(s.dir, 0o700), writeInfo(filepath.Join(s.dir, hashed(name))+about, i))
}

// putContainer makes a container, or sets metadata of one that is there.
func (s *store) putContainer(account, name string, meta map[string]string) (made bool, err error) {
	dir := s.container(account, name)
	i, err := readInfo(dir + about)
	if made = errors.Is(err, errMissing); made {
		i, err = info{Name: name, Modified: time.Now().UTC()}, os.MkdirAll(dir, 0o700)
	}
	if err != nil {
		return false, err
	}
	merge(&i, meta)
	return made, writeInfo(dir+about, i)
}

// merge sets metadata; an empty value removes.
func merge(i *info, meta map[string]string) {
	if i.Meta == nil {
		i.Meta = map[string]string{}
	}
	maps.Copy(i.Meta, meta)
	maps.DeleteFunc(i.Meta, func(_, v string) bool { return v == "" })
}

func (s *store) removeContainer(account, name string) error {
	dir := s.container(account, name)
	if _, err := readInfo(dir + about); err != nil {
		return err
	}
	if left, err := os.ReadDir(dir); err != nil {
		return err
	} else if len(left) > 0 {
		return errNotEmpty
	}
	return errors.Join(os.Remove(dir), os.Remove(dir+about))
}

// list returns what a directory's description files say, by name.
func list(dir string) ([]info, error) {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var all []info
	for _, e := range entries {
		if !strings.HasSuffix(e.Name(), about) || strings.HasPrefix(e.Name(), ".") {
			continue
		}
		i, err := readInfo(filepath.Join(dir, e.Name()))
		if errors.Is(err, errMissing) {
			continue // removed just now
		}
		if err != nil {
			return nil, err
		}
		all = append(all, i)
	}
	slices.SortFunc(all, func(a, b info) int { return strings.Compare(a.Name, b.Name) })
	return all, nil
}

func (s *store) containers(account string) ([]info, error) {
	all, err := list(filepath.Join(s.dir, hashed(account)))
	for i, c := range all {
		inside, lerr := list(s.container(account, c.Name))
		err = errors.Join(err, lerr)
		for _, o := range inside {
			all[i].Size += o.Size
		}
	}
	return all, err
}

func (s *store) objects(account, container string) ([]info, error) {
	dir := s.container(account, container)
	if _, err := readInfo(dir + about); err != nil {
		return nil, err
	}
	return list(dir)
}

// put stores an object; want is the MD5 that it must have, "" for any.
func (s *store) put(account, container string, o info, from io.Reader, want string) (info, error) {
	dir := s.container(account, container)
	if _, err := readInfo(dir + about); err != nil {
		return o, err
	}
	f, err := os.CreateTemp(dir, ".upload-*")
	if errors.Is(err, fs.ErrNotExist) {
		return o, errMissing // removed just now
	}
	if err != nil {
		return o, err
	}
	defer os.Remove(f.Name()) // fails once renamed, as it should
	sum := md5.New()
	n, err := io.Copy(io.MultiWriter(f, sum), from)
	if err := errors.Join(err, f.Close()); err != nil {
		return o, err
	}
	o.Size, o.ETag, o.Modified = n, hex.EncodeToString(sum.Sum(nil)), time.Now().UTC()
	if want != "" && want != o.ETag {
		return o, errDigest
	}
	path := filepath.Join(dir, hashed(o.Name))
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := os.Rename(f.Name(), path); err != nil {
		return o, err
	}
	return o, writeInfo(path+about, o)
}

// open returns an object and its data, to be closed.
func (s *store) open(account, container, name string) (info, *os.File, error) {
	path := filepath.Join(s.container(account, container), hashed(name))
	s.mu.RLock()
	defer s.mu.RUnlock()
	i, err := readInfo(path + about)
	if err != nil {
		return i, nil, err
	}
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		err = errMissing
	}
	return i, f, err
}

// describe replaces an object's metadata.
func (s *store) describe(account, container, name string, change func(*info)) error {
	path := filepath.Join(s.container(account, container), hashed(name)) + about
	s.mu.Lock()
	defer s.mu.Unlock()
	i, err := readInfo(path)
	if err != nil {
		return err
	}
	change(&i)
	return writeInfo(path, i)
}

func (s *store) remove(account, container, name string) error {
	path := filepath.Join(s.container(account, container), hashed(name))
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, err := readInfo(path + about); err != nil {
		return err
	}
	return errors.Join(os.Remove(path+about), os.Remove(path))
}
