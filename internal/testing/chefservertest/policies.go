package chefservertest

import (
	"crypto/md5" //nolint:gosec // the API's definition
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
)

// policies is the part of a server that holds policies and their cookbooks.
type policies struct {
	files   map[string][]byte // by check sum
	objects map[string]map[string]any
}

// File returns an uploaded file by its check sum, nil if there is none.
func (s *Server) File(sum string) []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.files[sum]
}

// Corrupt makes the server answer with other bytes for a file that it has.
func (s *Server) Corrupt(text, with string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	raw := md5.Sum([]byte(text)) //nolint:gosec // the API's definition
	s.files[hex.EncodeToString(raw[:])] = []byte(with)
}

// Object returns the object put at a path below the server's URL, as
// "policy_groups/prod/policies/web", nil if nothing was.
func (s *Server) Object(path string) map[string]any {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.objects[path]
}

// AddCookbook adds a version of a cookbook, with the files of a cookbook
// version as API versions 0 and 1 list them.
func (s *Server) AddCookbook(name, version string, needs, files map[string]string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	object := map[string]any{"cookbook_name": name, "version": version}
	for file, text := range files {
		raw := md5.Sum([]byte(text)) //nolint:gosec // the API's definition
		sum := hex.EncodeToString(raw[:])
		s.files[sum] = []byte(text)
		kind, _, inFolder := strings.Cut(file, "/")
		if !inFolder {
			kind = "root_files"
		}
		list, _ := object[kind].([]any)
		object[kind] = append(list, map[string]any{"path": file, "checksum": sum, "url": s.URL + "/store/" + sum})
	}
	s.objects["cookbooks/"+name+"/"+version] = object
	universe := s.objects["universe/"]
	if universe == nil {
		universe = map[string]any{}
		s.objects["universe/"] = universe
	}
	versions, _ := universe[name].(map[string]any)
	if versions == nil {
		versions = map[string]any{}
		universe[name] = versions
	}
	versions[version] = map[string]any{"location_type": "chef_server", "location_path": s.URL, "dependencies": needs}
}

// store takes a file, whose check sum must be right, or answers with it.
func (s *Server) store(w http.ResponseWriter, r *http.Request, sum string, body []byte) {
	if data, ok := s.files[sum]; ok && r.Method == http.MethodGet {
		_, _ = w.Write(data)
		return
	}
	raw := md5.Sum(body) //nolint:gosec // the API's definition
	if r.Method != http.MethodPut || hex.EncodeToString(raw[:]) != sum || r.Header.Get("Content-MD5") != base64.StdEncoding.EncodeToString(raw[:]) {
		fail(w, http.StatusBadRequest, "the check sum is wrong")
		return
	}
	s.files[sum] = body
	w.WriteHeader(http.StatusOK)
}

// policy answers for sandboxes, cookbooks and policies.
func (s *Server) policy(w http.ResponseWriter, r *http.Request, path string, body []byte) {
	var in map[string]any
	if len(body) > 0 && json.Unmarshal(body, &in) != nil {
		fail(w, http.StatusBadRequest, "not JSON")
		return
	}
	switch kind, _, _ := strings.Cut(path, "/"); {
	case r.Method == http.MethodGet:
		if o, ok := s.objects[path]; ok {
			answer(w, http.StatusOK, o)
		} else {
			fail(w, http.StatusNotFound, "no such object")
		}
	case r.Method == http.MethodPost && path == "sandboxes/":
		sums := map[string]any{}
		wanted, _ := in["checksums"].(map[string]any)
		for sum := range wanted {
			sums[sum] = map[string]any{"needs_upload": s.files[sum] == nil, "url": s.URL + "/store/" + sum}
		}
		answer(w, http.StatusCreated, map[string]any{"sandbox_id": "box", "checksums": sums})
	case r.Method == http.MethodPut && kind == "cookbook_artifacts":
		files, _ := in["all_files"].([]any)
		for _, f := range files {
			file, _ := f.(map[string]any)
			if sum, _ := file["checksum"].(string); s.files[sum] == nil {
				fail(w, http.StatusBadRequest, "a file was not uploaded")
				return
			}
			file["url"] = s.URL + "/store/" + fmt.Sprint(file["checksum"])
		}
		s.objects[path] = in
		answer(w, http.StatusCreated, in)
	case r.Method == http.MethodPut:
		s.objects[path] = in
		if _, name, ok := strings.Cut(path, "/policies/"); ok {
			revision, _ := in["revision_id"].(string)
			s.objects["policies/"+name+"/revisions/"+revision] = in
		}
		answer(w, http.StatusOK, in)
	default:
		fail(w, http.StatusMethodNotAllowed, "not allowed")
	}
}
