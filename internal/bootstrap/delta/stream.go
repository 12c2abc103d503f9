package delta

import (
	"archive/tar"
	"bufio"
	"fmt"
	"io"
	"io/fs"

	"github.com/klauspost/compress/gzip"
)

// write packs entries as a tar stream, compressed where the machine can take
// it. Directories come before their content.
func (s *syncer) write(w io.Writer, send []*entry, total int64) error {
	// Few large writes: each one becomes a packet of the connection.
	buf := bufio.NewWriterSize(w, 64<<10)
	var out io.WriteCloser = nopCloser{buf}
	if s.zip() {
		// Cookbooks are text: even the fastest level halves them, and a better
		// one would take longer than sending the rest.
		z, err := gzip.NewWriterLevel(buf, gzip.BestSpeed)
		if err != nil {
			return err
		}
		out = z
	}
	tw := tar.NewWriter(out)
	copied := make([]byte, 32<<10)
	var sent int64
	for _, e := range send {
		if err := s.writeOne(tw, e, copied); err != nil {
			return err
		}
		sent += e.size
		if s.o.Progress != nil && e.size > 0 {
			s.o.Progress(sent, total)
		}
	}
	if err := s.writeOne(tw, &entry{path: arrived, mode: 0o600}, nil); err != nil {
		return err
	}
	if err := tw.Close(); err != nil {
		return err
	}
	if err := out.Close(); err != nil {
		return err
	}
	return buf.Flush()
}

// writeOne packs one entry; its content goes through buf.
func (s *syncer) writeOne(tw *tar.Writer, e *entry, buf []byte) error {
	h := &tar.Header{Name: "./" + e.path, Mode: int64(e.bits()), Format: tar.FormatGNU}
	switch {
	case e.mode.IsDir():
		h.Typeflag = tar.TypeDir
		h.Name += "/"
	case e.mode&fs.ModeSymlink != 0:
		h.Typeflag, h.Linkname = tar.TypeSymlink, e.target
	default:
		h.Typeflag, h.Size = tar.TypeReg, e.size
	}
	if err := tw.WriteHeader(h); err != nil {
		return fmt.Errorf("packing %s: %w", e.path, err)
	}
	if h.Size == 0 {
		return nil
	}
	f, err := s.src.Open(e.path)
	if err != nil {
		return err
	}
	defer f.Close()
	// Hidden, because tar's own ReadFrom would make a buffer for each file.
	n, err := io.CopyBuffer(struct{ io.Writer }{tw}, io.LimitReader(f, e.size), buf)
	if err != nil {
		return fmt.Errorf("packing %s: %w", e.path, err)
	}
	if n < e.size {
		return fmt.Errorf("packing %s: it became shorter while it was read", e.path)
	}
	return nil
}

type nopCloser struct{ io.Writer }

func (nopCloser) Close() error { return nil }
