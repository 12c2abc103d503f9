package chefservertest

import (
	"crypto/md5" //nolint:gosec // the API's definition
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
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

// Object returns the object put at a path below the server's URL, as
// "policy_groups/prod/policies/web", nil if nothing was.
func (s *Server) Object(path string) map[string]any {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.objects[path]
}

// store takes a file, whose check sum must be right.
func (s *Server) store(w http.ResponseWriter, r *http.Request, sum string, body []byte) {
	raw := md5.Sum(body) //nolint:gosec // the API's definition
	if r.Method != http.MethodPut || hex.EncodeToString(raw[:]) != sum || r.Header.Get("Content-MD5") != base64.StdEncoding.EncodeToString(raw[:]) {
		fail(w, http.StatusBadRequest, "the check sum is wrong")
		return
	}
	if s.files == nil {
		s.files = map[string][]byte{}
	}
	s.files[sum] = body
	w.WriteHeader(http.StatusOK)
}

// policy answers for sandboxes, cookbooks and policies.
func (s *Server) policy(w http.ResponseWriter, r *http.Request, path string, body []byte) {
	if s.objects == nil {
		s.objects = map[string]map[string]any{}
	}
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
		}
		s.objects[path] = in
		answer(w, http.StatusCreated, in)
	case r.Method == http.MethodPut:
		s.objects[path] = in
		answer(w, http.StatusOK, in)
	default:
		fail(w, http.StatusMethodNotAllowed, "not allowed")
	}
}
