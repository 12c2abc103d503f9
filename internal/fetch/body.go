package fetch

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
)

// Body is the body of a request, streamed. It is made by [BytesBody],
// [FileBody] or [ReaderBody].
type Body struct {
	// Type is the Content-Type sent unless the request's header has one; ""
	// for none.
	Type string
	open func() (io.ReadCloser, error)
	size int64  // -1 unknown
	once bool   // cannot be opened again once it was read from
	id   string // tells bodies apart between runs, "" if that is impossible
}

// BytesBody returns a body of these bytes.
func BytesBody(b []byte, contentType string) *Body {
	sum := sha256.Sum256(b)
	return &Body{
		Type: contentType, size: int64(len(b)), id: hex.EncodeToString(sum[:]),
		open: func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(b)), nil },
	}
}

// FileBody returns a body that is read from a file, again for each attempt.
func FileBody(path, contentType string) (*Body, error) {
	st, err := os.Stat(path)
	if err != nil {
		return nil, &Error{Kind: KindUsage, Msg: "the request's body", err: err}
	}
	b := &Body{Type: contentType, size: st.Size(), open: func() (io.ReadCloser, error) { return os.Open(path) }}
	if st.IsDir() {
		return nil, usage("the request's body %s is a directory", path)
	}
	if !st.Mode().IsRegular() {
		b.size, b.once = -1, true
	} else {
		b.id = fmt.Sprintf("%s %d %d", path, st.Size(), st.ModTime().UnixNano())
	}
	return b, nil
}

// ReaderBody returns a body that is read from r as it is sent. It cannot be
// sent twice: once a byte was read, no attempt is repeated.
func ReaderBody(r io.Reader, contentType string) *Body {
	return &Body{Type: contentType, size: -1, once: true, open: func() (io.ReadCloser, error) { return io.NopCloser(r), nil }}
}
