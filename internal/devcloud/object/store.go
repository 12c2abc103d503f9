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
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/galleyhq/galley/internal/atomicfile"
	"github.com/galleyhq/galley/internal/devcloud/api"
)

// store keeps a directory for each account and container, beside each a file
// that describes it, and for each object the data and such a file. Names are
// hashed: an object's name is any text.
type store struct {
	dir string
	// mu keeps a description together with what it is of. It is not held while
	// data come or go: an upload takes as long as it takes.
	mu sync.RWMutex
}

// info describes an object or, with a name and metadata, a container or an
// account.
type info struct {
	Name     string            `json:"name"`
	Size     int64             `json:"bytes"`
	ETag     string            `json:"hash"`
	Type     string            `json:"content_type"`
	Modified time.Time         `json:"modified"`
	Meta     map[string]string `json:"meta,omitempty"`
	// Count is how many objects a listed container has.
	Count int `json:"-"`
}

var (
	errMissing  = api.NotFound("The resource could not be found.")
	errNotEmpty = api.Conflict("There was a conflict when trying to complete your request.")
	// errDigest says that the data are not what the ETag says.
	errDigest = &api.Error{Status: http.StatusUnprocessableEntity, Message: "Unable to process the contained instructions"}
)

const about = ".json"

func hashed(name string) string {
	sum := sha256.Sum256([]byte(name))
	return hex.EncodeToString(sum[:16])
}

// path is where the account, container or object of these names is kept, and
// with ".json" behind it its description.
func (s *store) path(names ...string) string {
	path := s.dir
	for _, name := range names {
		path = filepath.Join(path, hashed(name))
	}
	return path
}

func readInfo(path string) (i info, err error) {
	b, err := os.ReadFile(path + about)
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
	return atomicfile.Write(path+about, b, 0o600)
}

// info describes the account, container or object of these names.
func (s *store) info(names ...string) (info, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return readInfo(s.path(names...))
}

// describe changes the description of what has these names. What is not there
// is made when make says so; an object is not.
func (s *store) describe(make bool, change func(*info), names ...string) (made bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	path := s.path(names...)
	i, err := readInfo(path)
	if made = make && errors.Is(err, errMissing); made {
		i, err = info{Name: names[len(names)-1], Modified: time.Now().UTC()}, os.MkdirAll(path, 0o700)
	}
	if err != nil {
		return false, err
	}
	change(&i)
	return made, writeInfo(path, i)
}

// set makes a change of metadata, of which an empty value is removed.
func set(meta map[string]string) func(*info) {
	return func(i *info) {
		i.Meta = maps.Clone(i.Meta)
		if i.Meta == nil {
			i.Meta = map[string]string{}
		}
		maps.Copy(i.Meta, meta)
		maps.DeleteFunc(i.Meta, func(_, v string) bool { return v == "" })
	}
}

// list returns what a directory's description files say, by name.
func list(dir string) ([]info, error) {
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	var all []info
	for _, e := range entries {
		name, ok := strings.CutSuffix(e.Name(), about)
		if !ok || strings.HasPrefix(name, ".") {
			continue
		}
		i, err := readInfo(filepath.Join(dir, name))
		if err != nil {
			return nil, err
		}
		all = append(all, i)
	}
	slices.SortFunc(all, func(a, b info) int { return strings.Compare(a.Name, b.Name) })
	return all, nil
}

// containers are an account's, with their counts and sizes.
func (s *store) containers(account string) ([]info, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	all, err := list(s.path(account))
	for i := range all {
		inside, lerr := list(s.path(account, all[i].Name))
		err = errors.Join(err, lerr)
		all[i].Count = len(inside)
		for _, o := range inside {
			all[i].Size += o.Size
		}
	}
	return all, err
}

// objects are those in a container that is there, and its description.
func (s *store) objects(account, container string) (all []info, of info, err error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	path := s.path(account, container)
	if of, err = readInfo(path); err != nil {
		return nil, of, err
	}
	all, err = list(path)
	return all, of, err
}

// put stores an object; want is the MD5 that it must have, "" for any.
func (s *store) put(account, container string, o info, from io.Reader, want string) (info, error) {
	f, err := os.CreateTemp(s.path(account, container), ".upload-*")
	if errors.Is(err, fs.ErrNotExist) {
		return o, errMissing
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
	path := s.path(account, container, o.Name)
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := os.Rename(f.Name(), path); err != nil {
		return o, err
	}
	return o, writeInfo(path, o)
}

// open returns an object and its data, to be closed.
func (s *store) open(names ...string) (info, *os.File, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	path := s.path(names...)
	i, err := readInfo(path)
	if err != nil {
		return i, nil, err
	}
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) { // killed while it was removed
		err = errMissing
	}
	return i, f, err
}

// remove removes an object or an empty container. One that has an upload under
// way is not empty.
func (s *store) remove(names ...string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	path := s.path(names...)
	if _, err := readInfo(path); err != nil {
		return err
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return errNotEmpty
	}
	return os.Remove(path + about)
}
