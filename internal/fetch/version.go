package fetch

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/galleyhq/galley/internal/atomicfile"
)

// bodyVersion is the version of a body as its server names it, for conditional
// requests.
type bodyVersion struct {
	ETag         string `json:"etag,omitempty"`
	LastModified string `json:"last_modified,omitempty"`
}

func versionOf(h http.Header) bodyVersion {
	return bodyVersion{ETag: h.Get("ETag"), LastModified: h.Get("Last-Modified")}
}

// finished remembers a finished output: the version it was made from, and the
// file's own size and time, by which a change made later is noticed.
type finished struct {
	Identity identity    `json:"identity"`
	Version  bodyVersion `json:"version"`
	Size     int64       `json:"size"`
	Time     time.Time   `json:"time"`
}

// finishedPath is where the output's version is remembered, "" for nowhere.
func (s *session) finishedPath() string {
	if s.req.StateDir == "" || s.out.path == "" || s.out.perPage || s.out.direct {
		return ""
	}
	path, err := filepath.Abs(s.out.path)
	if err != nil {
		return ""
	}
	sum := sha256.Sum256([]byte(path))
	return filepath.Join(s.req.StateDir, hex.EncodeToString(sum[:16])+".json")
}

// condition makes a request one that is answered only if the body has changed
// since the output was made.
func (s *session) condition(k *call) {
	path := s.finishedPath()
	if !s.req.IfChanged || s.paging.mode != onePage || s.goingOn != nil {
		return
	}
	st, err := os.Stat(s.out.path)
	if err != nil {
		return // there is nothing to compare with
	}
	var f finished
	text, err := os.ReadFile(path)
	if path != "" && err == nil && json.Unmarshal(text, &f) == nil && f.Identity == s.out.identity && f.Size == st.Size() && f.Time.Equal(st.ModTime()) {
		k.ifNoneMatch, k.ifModifiedSince = f.Version.ETag, f.Version.LastModified
		return
	}
	if s.req.Output.RemoteTime {
		k.ifModifiedSince = st.ModTime().UTC().Format(http.TimeFormat)
	}
}

// remember takes down the version of a finished output. A failure costs one
// download and nothing else.
func (s *session) remember() {
	path := s.finishedPath()
	if path == "" || s.paging.mode != onePage || s.version == (bodyVersion{}) {
		return
	}
	st, err := os.Stat(s.out.path)
	if err != nil {
		return
	}
	text, err := json.Marshal(finished{s.out.identity, s.version, st.Size(), st.ModTime()})
	if err == nil && os.MkdirAll(s.req.StateDir, 0o700) == nil {
		_ = atomicfile.Write(path, text, 0o600)
	}
}
