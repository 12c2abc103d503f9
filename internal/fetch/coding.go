package fetch

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"runtime"
	"strings"

	"github.com/klauspost/compress/flate"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zlib"
	"github.com/klauspost/compress/zstd"
)

// Format is how the output is compressed.
type Format string

// The formats of output. Auto goes by the name's ending: .gz and .gzip, .zst
// and .zstd, else none.
const (
	Auto Format = ""
	None Format = "none"
	Gzip Format = "gzip"
	Zstd Format = "zstd"
)

// ParseFormat reads the name of a format: gzip, zstd, none or auto.
func ParseFormat(s string) (Format, error) {
	switch strings.ToLower(s) {
	case "", "auto":
		return Auto, nil
	case "none", "identity":
		return None, nil
	case "gzip", "gz":
		return Gzip, nil
	case "zstd", "zst":
		return Zstd, nil
	}
	return Auto, usage("unknown compression %q: it is gzip, zstd or none", s)
}

func formatOf(name string) Format {
	name = strings.ToLower(name)
	switch {
	case strings.HasSuffix(name, ".gz"), strings.HasSuffix(name, ".gzip"):
		return Gzip
	case strings.HasSuffix(name, ".zst"), strings.HasSuffix(name, ".zstd"):
		return Zstd
	}
	return None
}

func (f Format) ending() string {
	return map[Format]string{Gzip: ".gz", Zstd: ".zst"}[f]
}

// The content codings (RFC 9110, 8.4.1) that can be undone.
const (
	codingNone    = ""
	codingGzip    = "gzip"
	codingZstd    = "zstd"
	codingDeflate = "deflate"
)

// coding reads Content-Encoding. It returns the coding, if it is one that can be
// undone, or the name of one that cannot. Some servers put a charset or the
// name of a protocol there, which say nothing about the bytes.
func coding(h http.Header) (known, opaque string) {
	if h.Get("Content-Encoding") == "" && len(h.Values("Content-Encoding")) < 2 {
		return codingNone, ""
	}
	var codings []string
	for v := range strings.SplitSeq(strings.Join(h.Values("Content-Encoding"), ","), ",") {
		v = strings.ToLower(strings.TrimSpace(v))
		switch {
		case v == "", v == "identity", v == "none", v == "binary", v == "text", v == "plain", v == "raw", v == "chunked", v == "base64",
			v == "ascii", v == "us-ascii", v == "7bit", v == "8bit", v == "aws-chunked",
			strings.HasPrefix(v, "utf"), strings.HasPrefix(v, "iso-"), strings.HasPrefix(v, "windows-"), strings.Contains(v, "/"):
			continue
		case v == "x-gzip":
			v = codingGzip
		}
		codings = append(codings, v)
	}
	if len(codings) == 0 {
		return codingNone, ""
	}
	switch c := codings[0]; {
	case len(codings) > 1:
	case c == codingGzip, c == codingZstd, c == codingDeflate:
		return c, ""
	}
	return codingNone, clean(strings.Join(codings, ", "), 60)
}

// sniff returns the coding that the first bytes of a body show.
func sniff(b []byte) string {
	switch {
	case bytes.HasPrefix(b, []byte{0x1f, 0x8b, 8}):
		return codingGzip
	case bytes.HasPrefix(b, []byte{0x28, 0xb5, 0x2f, 0xfd}):
		return codingZstd
	}
	return codingNone
}

// maxWindow is the window that RFC 9659 lets a server use for the coding zstd.
const maxWindow = 8 << 20

// decoder undoes codings, one body after the other, and keeps its buffers in
// between.
type decoder struct {
	buf *bufio.Reader
	gz  *gzip.Reader
	zs  *zstd.Decoder
	// window bounds what zstd may keep; 0 means maxWindow.
	window uint64
	zl     io.ReadCloser
}

func (d *decoder) reset(coding string, r io.Reader) (io.Reader, error) {
	if d.buf == nil {
		d.buf = bufio.NewReaderSize(r, 64<<10)
	} else {
		d.buf.Reset(r)
	}
	var err error
	switch coding {
	case codingGzip:
		if d.gz == nil {
			d.gz = new(gzip.Reader)
		}
		if b, perr := d.buf.Peek(1); perr == nil && b[0] != 0x1f {
			return nil, gzip.ErrHeader
		}
		err = d.gz.Reset(d.buf)
		d.gz.Multistream(false)
		return gzipMembers{d}, err
	case codingZstd:
		if d.zs == nil {
			d.zs, err = zstd.NewReader(d.buf, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxWindow(d.maxWindow()))
		} else {
			err = d.zs.Reset(d.buf)
		}
		return d.zs, err
	case codingDeflate:
		// Many servers send it without the frame of RFC 1950.
		if head, err := d.buf.Peek(2); err == nil && (head[0]&0x0f != 8 || (int(head[0])<<8|int(head[1]))%31 != 0) {
			return flate.NewReader(d.buf), nil
		}
		d.zl, err = zlib.NewReader(d.buf)
		return d.zl, err
	}
	return nil, errors.New("unknown coding " + coding)
}

// gzipMembers reads one member after the other. Zeros after the last one, which
// tapes and some archives have, are ignored as gzip does.
type gzipMembers struct{ *decoder }

func (d gzipMembers) Read(p []byte) (int, error) {
	n, err := d.gz.Read(p)
	if !errors.Is(err, io.EOF) {
		return n, err
	}
	b, err := d.buf.Peek(1)
	for err == nil && b[0] == 0 {
		if _, err = d.buf.Discard(1); err == nil {
			b, err = d.buf.Peek(1)
		}
		if err == nil && b[0] != 0 {
			err = gzip.ErrHeader
		}
	}
	if err == nil {
		if err = d.gz.Reset(d.buf); errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		d.gz.Multistream(false)
	}
	return n, err
}

func (d *decoder) maxWindow() uint64 {
	if d.window == 0 {
		return maxWindow
	}
	return d.window
}

// rest returns how many bytes follow the end of the coding. It is called at the
// end.
func (d *decoder) rest(coding string) (int64, error) {
	if coding == codingGzip {
		return 0, nil // it reads members until there is nothing
	}
	return io.Copy(io.Discard, d.buf)
}

func (d *decoder) close() {
	if d.zs != nil {
		d.zs.Close()
	}
}

// decodeError explains the error of a decoder.
func decodeError(op, coding string, window uint64, err error) error {
	e := &Error{Kind: KindCoding, Op: op, err: err, Msg: "the body's " + coding + " is damaged"}
	switch {
	case errors.Is(err, gzip.ErrHeader), errors.Is(err, zstd.ErrMagicMismatch):
		e.hint = "to store the body as it comes, say --raw"
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF):
		e.err, e.Msg = nil, "the body's "+coding+" ends early, although the server sent all it had announced"
	case errors.Is(err, zstd.ErrWindowSizeExceeded):
		e.err, e.Msg = nil, fmt.Sprintf("the body's zstd needs more memory than allowed (%s)", FormatSize(int64(window)))
	}
	return e
}

// encoder compresses one block at a time to a separate member or frame.
type encoder interface {
	encode(dst, src []byte) ([]byte, error)
}

type gzipEncoder struct {
	w   *gzip.Writer
	out sliceWriter
}

type sliceWriter struct{ b []byte }

func (s *sliceWriter) Write(p []byte) (int, error) {
	s.b = append(s.b, p...)
	return len(p), nil
}

func (g *gzipEncoder) encode(dst, src []byte) ([]byte, error) {
	g.out.b = dst
	g.w.Reset(&g.out)
	if _, err := g.w.Write(src); err != nil {
		return nil, err
	}
	err := g.w.Close()
	return g.out.b, err
}

type zstdEncoder struct{ e *zstd.Encoder }

func (z zstdEncoder) encode(dst, src []byte) ([]byte, error) {
	return z.e.EncodeAll(src, dst), nil
}

func newEncoder(f Format, level, block int) (encoder, error) {
	switch f {
	case Gzip:
		w, err := gzip.NewWriterLevel(nil, level)
		return &gzipEncoder{w: w}, err
	case Zstd:
		window := 64 << 10
		for window < block && window < 1<<20 {
			window <<= 1
		}
		e, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.EncoderLevel(level)), zstd.WithEncoderConcurrency(1),
			zstd.WithLowerEncoderMem(true), zstd.WithWindowSize(window), zstd.WithZeroFrames(true))
		return zstdEncoder{e}, err
	}
	return nil, nil
}

// shape is how a sink's memory is divided.
type shape struct {
	block, blocks, workers int
}

// Measured on two cores: a gzip compressor of level 1 holds about 1 MiB, of
// level 6 and a zstd compressor some more; a block's compressed form at most
// the block again.
const encoderCost = 2 << 20

func newShape(f Format, l Limits, workers int) shape {
	if workers <= 0 {
		workers = runtime.GOMAXPROCS(0)
	}
	s := shape{block: 640 << 10, workers: workers, blocks: workers + 2}
	if f == None {
		s = shape{block: max(l.ChunkSize, 64<<10), blocks: 3}
	}
	cost := func() int64 {
		c := int64(s.blocks*s.block) + int64(l.ChunkSize)
		if f != None {
			c += int64(s.blocks*s.block) + int64(s.workers*encoderCost)
		}
		return c
	}
	for l.Memory > 0 && cost() > l.Memory {
		switch {
		case s.block > 256<<10:
			s.block /= 2
		case s.workers > 1:
			s.workers--
			s.blocks--
		case s.block > 64<<10:
			s.block /= 2
		default:
			return s
		}
	}
	return s
}
