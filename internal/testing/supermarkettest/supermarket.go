// Package supermarkettest is a Supermarket in the test's own process: a list of
// cookbooks with a validator, and their archives.
//
// Tests only.
package supermarkettest

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
)

// Cookbook is one version of a cookbook.
type Cookbook struct {
	Name, Version string
	// Needs are the dependencies, name to constraint.
	Needs map[string]string
	// Files are the files beside metadata.json, which is made.
	Files map[string]string
}

// Server is the Supermarket. Its fields may be set before it is asked.
type Server struct {
	URL string
	// Archive replaces the archive of a cookbook; may be nil.
	Archive func(c Cookbook) []byte

	web   *httptest.Server
	mu    sync.Mutex
	books []Cookbook
	list  []byte // of the books, nil where it has to be made
	tag   string // of the list
	asked []string
}

// Start runs a Supermarket with cookbooks; [Server.Close] stops it.
func Start(books ...Cookbook) *Server {
	s := &Server{books: books}
	s.web = httptest.NewUnstartedServer(s)
	s.URL = "http://" + s.web.Listener.Addr().String() // before the first request can come
	s.web.Start()
	return s
}

// StartDir runs a Supermarket with the cookbooks below a folder, each in a
// folder of any name with a metadata.json.
func StartDir(dir string) (*Server, error) {
	found, err := filepath.Glob(filepath.Join(dir, "*", "metadata.json"))
	if err != nil {
		return nil, err
	}
	var books []Cookbook
	for _, file := range found {
		text, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		var m struct {
			Name, Version string
			Dependencies  map[string]string
		}
		if err := json.Unmarshal(text, &m); err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
		b := Cookbook{Name: m.Name, Version: m.Version, Needs: m.Dependencies, Files: map[string]string{}}
		top := filepath.Dir(file)
		err = filepath.WalkDir(top, func(path string, d os.DirEntry, err error) error {
			if err != nil || d.IsDir() || path == file {
				return err
			}
			data, err := os.ReadFile(path)
			rel, _ := filepath.Rel(top, path)
			b.Files[filepath.ToSlash(rel)] = string(data)
			return err
		})
		if err != nil {
			return nil, err
		}
		books = append(books, b)
	}
	return Start(books...), nil
}

// Close stops the server.
func (s *Server) Close() { s.web.Close() }

// Add adds versions.
func (s *Server) Add(books ...Cookbook) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.books, s.list = append(s.books, books...), nil
}

// Universe is the list of all cookbooks as it is answered.
func (s *Server) Universe() []byte {
	list, _ := s.tagged()
	return list
}

// tagged is the list with its validator, which is made once: a benchmark that
// waited for it would measure this server.
func (s *Server) tagged() (list []byte, tag string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.list == nil {
		s.list = s.universe(s.books)
		sum := sha256.Sum256(s.list)
		s.tag = `"` + hex.EncodeToString(sum[:8]) + `"`
	}
	return s.list, s.tag
}

// Asked returns the paths that were asked for since the last call, in order; a
// path whose answer was 304 ends in " 304".
func (s *Server) Asked() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	asked := s.asked
	s.asked = nil
	return asked
}

// ServeHTTP implements http.Handler.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	books := s.books // only ever appended to
	s.mu.Unlock()
	note := r.URL.Path
	defer func() {
		s.mu.Lock()
		s.asked = append(s.asked, note)
		s.mu.Unlock()
	}()
	if r.URL.Path == "/universe" {
		data, tag := s.tagged()
		w.Header().Set("ETag", tag)
		w.Header().Set("Content-Type", "application/json") // without it, Berkshelf takes text
		if r.Header.Get("If-None-Match") == tag {
			note += " 304"
			w.WriteHeader(http.StatusNotModified)
			return
		}
		_, _ = w.Write(data)
		return
	}
	for _, b := range books {
		switch r.URL.Path {
		case "/api/v1/cookbooks/" + b.Name + "/versions/" + strings.ReplaceAll(b.Version, ".", "_"): // Berkshelf asks here
			w.Header().Set("Content-Type", "application/json")
			fmt.Fprintf(w, `{"version":%q,"file":"%s/download/%s/%s"}`, b.Version, s.URL, b.Name, b.Version)
			return
		case "/download/" + b.Name + "/" + b.Version:
			data := b.archive()
			if s.Archive != nil {
				data = s.Archive(b)
			}
			_, _ = w.Write(data)
			return
		}
	}
	http.Error(w, `{"error_code":"NOT_FOUND"}`, http.StatusNotFound)
}

func (s *Server) universe(books []Cookbook) []byte {
	list := map[string]map[string]any{}
	for _, b := range books {
		if list[b.Name] == nil {
			list[b.Name] = map[string]any{}
		}
		needs := b.Needs
		if needs == nil {
			needs = map[string]string{}
		}
		list[b.Name][b.Version] = map[string]any{
			"location_type": "supermarket", "location_path": s.URL + "/api/v1",
			"download_url": s.URL + "/download/" + b.Name + "/" + b.Version, "dependencies": needs,
		}
	}
	data, err := json.Marshal(list)
	if err != nil {
		panic(err)
	}
	return data
}

func (b Cookbook) archive() []byte {
	if b.Needs == nil {
		b.Needs = map[string]string{} // Chef wants an object
	}
	meta, err := json.Marshal(map[string]any{"name": b.Name, "version": b.Version, "dependencies": b.Needs})
	if err != nil {
		panic(err)
	}
	files := map[string]string{"metadata.json": string(meta)}
	if len(b.Files) == 0 {
		files["recipes/default.rb"] = "log '" + b.Name + " " + b.Version + "'\n"
	}
	for name, text := range b.Files {
		files[name] = text
	}
	var entries []Entry
	for name, text := range files {
		entries = append(entries, Entry{Header: tar.Header{Name: b.Name + "/" + name, Mode: 0o644}, Data: text})
	}
	slices.SortFunc(entries, func(a, b Entry) int { return strings.Compare(a.Name, b.Name) })
	return Tar(entries...)
}

// Entry is an entry of an archive.
type Entry struct {
	tar.Header
	Data string
}

// Tar makes a compressed archive of entries as they are.
func Tar(entries ...Entry) []byte {
	var out bytes.Buffer
	zw := gzip.NewWriter(&out)
	tw := tar.NewWriter(zw)
	for _, e := range entries {
		h := e.Header
		if h.Typeflag == 0 {
			h.Typeflag = tar.TypeReg
		}
		if h.Typeflag == tar.TypeReg {
			h.Size = int64(len(e.Data))
		}
		if err := tw.WriteHeader(&h); err != nil {
			panic(err)
		}
		if h.Typeflag == tar.TypeReg {
			if _, err := tw.Write([]byte(e.Data)); err != nil {
				panic(err)
			}
		}
	}
	if err := tw.Close(); err != nil {
		panic(err)
	}
	if err := zw.Close(); err != nil {
		panic(err)
	}
	return out.Bytes()
}
