package devcloud

import (
	"archive/tar"
	"bufio"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"strings"
)

// An OCI archive is a tar of blobs; index.json leads to a manifest, and that
// to the layers of the root file system. See the OCI image specification,
// "layout" and "layer".

// isOCIArchive reports whether a file is an OCI archive rather than a root file
// system's.
func isOCIArchive(f *os.File) bool {
	_, err := ociBlobs(f)
	return err == nil
}

// ociBlobs finds the files of an archive. It fails without an index.
func ociBlobs(f *os.File) (map[string]*io.SectionReader, error) {
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return nil, err
	}
	blobs := map[string]*io.SectionReader{}
	tr := tar.NewReader(f)
	for {
		h, err := tr.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, err
		}
		at, err := f.Seek(0, io.SeekCurrent)
		if err != nil {
			return nil, err
		}
		blobs[path.Clean(h.Name)] = io.NewSectionReader(f, at, h.Size)
		if len(blobs) > 1<<12 {
			break // a root file system's
		}
	}
	if blobs["index.json"] == nil || blobs["oci-layout"] == nil {
		return nil, errors.New("the archive has no index.json: it is not an OCI archive")
	}
	return blobs, nil
}

type ociDescriptor struct {
	Digest   string
	Platform struct{ OS, Architecture string }
}

// flattenOCI writes an OCI archive's root file system as one tar.
func flattenOCI(f *os.File, w io.Writer) error {
	blobs, err := ociBlobs(f)
	if err != nil {
		return err
	}
	blob := func(d ociDescriptor) (*io.SectionReader, error) {
		b := blobs["blobs/"+strings.Replace(d.Digest, ":", "/", 1)]
		if b == nil {
			return nil, fmt.Errorf("the OCI archive has no blob %s", d.Digest)
		}
		return io.NewSectionReader(b, 0, b.Size()), nil
	}
	var list struct{ Manifests, Layers []ociDescriptor }
	if err := json.NewDecoder(blobs["index.json"]).Decode(&list); err != nil {
		return fmt.Errorf("index.json: %w", err)
	}
	for depth := 0; len(list.Layers) == 0 && depth < 3; depth++ { // an index may lead to another
		if len(list.Manifests) == 0 {
			return errors.New("the OCI archive has no image")
		}
		b, err := blob(list.Manifests[0])
		if err != nil {
			return err
		}
		list.Manifests = nil
		if err := json.NewDecoder(b).Decode(&list); err != nil {
			return fmt.Errorf("the image's manifest: %w", err)
		}
	}
	var layers []*io.SectionReader
	for _, d := range list.Layers {
		b, err := blob(d)
		if err != nil {
			return err
		}
		layers = append(layers, b)
	}
	return flattenLayers(layers, w)
}

// flattenLayers writes of each path the entry of the last layer that has it,
// in the layers' order, so that hard links follow what they link to.
func flattenLayers(layers []*io.SectionReader, w io.Writer) error {
	last := map[string]int{}    // path: layer of its final entry
	removed := map[string]int{} // path: last layer that removes it, or its content
	for i, l := range layers {
		err := eachEntry(l, func(h *tar.Header, _ io.Reader) error {
			dir, base := path.Split(h.Name)
			switch {
			case base == ".wh..wh..opq":
				removed[path.Clean(dir)+"/"] = i
			case strings.HasPrefix(base, ".wh."):
				removed[path.Join(dir, strings.TrimPrefix(base, ".wh."))] = i
			default:
				last[h.Name] = i
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	gone := func(name string, layer int) bool {
		if n, ok := removed[name]; ok && n > layer {
			return true
		}
		for dir := path.Dir(name); ; dir = path.Dir(dir) {
			if n, ok := removed[dir]; ok && n > layer {
				return true
			}
			if n, ok := removed[dir+"/"]; ok && n > layer {
				return true
			}
			if dir == "." || dir == "/" {
				return false
			}
		}
	}
	tw := tar.NewWriter(w)
	for i, l := range layers {
		err := eachEntry(l, func(h *tar.Header, content io.Reader) error {
			if strings.HasPrefix(path.Base(h.Name), ".wh.") || last[h.Name] != i || gone(h.Name, i) {
				return nil
			}
			if err := tw.WriteHeader(h); err != nil {
				return err
			}
			_, err := io.Copy(tw, content) //nolint:gosec // bounded by the disk
			return err
		})
		if err != nil {
			return err
		}
	}
	return tw.Close()
}

func eachEntry(layer *io.SectionReader, do func(*tar.Header, io.Reader) error) error {
	if _, err := layer.Seek(0, io.SeekStart); err != nil {
		return err
	}
	r := bufio.NewReader(layer)
	var in io.Reader = r
	if head, _ := r.Peek(2); bytes.Equal(head, []byte{0x1f, 0x8b}) {
		zr, err := gzip.NewReader(r)
		if err != nil {
			return err
		}
		in = zr
	}
	tr := tar.NewReader(in)
	for {
		h, err := tr.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("a layer of the OCI archive: %w", err)
		}
		h.Name = strings.TrimPrefix(path.Clean(h.Name), "/")
		if err := do(h, tr); err != nil {
			return err
		}
	}
}
