package fetch

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"mime/multipart"
	"net/textproto"
	"os"
	"path/filepath"
	"strings"
)

// Body is the body of a request, streamed. It is made by [BytesBody],
// [FileBody], [ReaderBody] or [MultipartBody].
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

// Part is one field of a [MultipartBody].
type Part struct {
	Name string
	// Value is the field's text; File, if set, the file that is sent instead.
	Value, File string
	// FileName and Type are sent for a File; FileName is its base name unless
	// given, Type application/octet-stream.
	FileName, Type string
}

// MultipartBody returns a body of fields and files, multipart/form-data. The
// files are streamed.
func MultipartBody(parts []Part) (*Body, error) {
	var idText strings.Builder
	fmt.Fprintf(&idText, "%q", parts)
	var frame bytes.Buffer
	w := multipart.NewWriter(&frame)
	// The pieces of the body in order: text between files, and the files.
	type piece struct {
		text []byte
		file string
	}
	var pieces []piece
	size, once := int64(0), false
	for _, p := range parts {
		if p.File == "" {
			if err := w.WriteField(p.Name, p.Value); err != nil {
				return nil, err
			}
			continue
		}
		st, err := os.Stat(p.File)
		if err != nil {
			return nil, &Error{Kind: KindUsage, Msg: "the form's file", err: err}
		}
		if !st.Mode().IsRegular() {
			once = true
		}
		name, typ := p.FileName, p.Type
		if name == "" {
			name = filepath.Base(p.File)
		}
		if typ == "" {
			typ = "application/octet-stream"
		}
		h := textproto.MIMEHeader{}
		esc := strings.NewReplacer("\\", "\\\\", `"`, "%22", "\r", "%0D", "\n", "%0A")
		h.Set("Content-Disposition", fmt.Sprintf(`form-data; name="%s"; filename="%s"`, esc.Replace(p.Name), esc.Replace(name)))
		h.Set("Content-Type", typ)
		if _, err := w.CreatePart(h); err != nil {
			return nil, err
		}
		pieces = append(pieces, piece{text: bytes.Clone(frame.Bytes())}, piece{file: p.File})
		size += int64(frame.Len()) + st.Size()
		frame.Reset()
		fmt.Fprintf(&idText, " %d %d", st.Size(), st.ModTime().UnixNano())
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	pieces = append(pieces, piece{text: bytes.Clone(frame.Bytes())})
	size += int64(frame.Len())
	b := &Body{Type: w.FormDataContentType(), size: size, id: idText.String()}
	if once {
		b.size, b.once, b.id = -1, true, ""
	}
	b.open = func() (io.ReadCloser, error) {
		var m multiBody
		for _, p := range pieces {
			if p.file == "" {
				m.readers = append(m.readers, bytes.NewReader(p.text))
				continue
			}
			f, err := os.Open(p.file)
			if err != nil {
				return nil, errors.Join(err, m.Close())
			}
			m.readers = append(m.readers, f)
			m.files = append(m.files, f)
		}
		m.Reader = io.MultiReader(m.readers...)
		return &m, nil
	}
	return b, nil
}

type multiBody struct {
	io.Reader
	readers []io.Reader
	files   []*os.File
}

func (m *multiBody) Close() error {
	var errs []error
	for _, f := range m.files {
		errs = append(errs, f.Close())
	}
	return errors.Join(errs...)
}
