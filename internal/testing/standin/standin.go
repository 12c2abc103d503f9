package standin

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"path"
	"strings"
)

//go:embed client.sh
var client []byte

// Version is the version that the index tells.
const Version = "18.0.0"

// Mirror is an HTTP handler: a package index with one package, the stand-in,
// which answers for every product, platform and version.
type Mirror struct {
	// Checksum, unless it is "", is announced in place of the package's own.
	Checksum string
	// Client is the program in the package; nil is the stand-in's own.
	Client []byte
}

// pack makes the package, a gzipped tarball.
func (m Mirror) pack() []byte {
	program := m.Client
	if program == nil {
		program = client
	}
	var out bytes.Buffer
	z := gzip.NewWriter(&out)
	w := tar.NewWriter(z)
	add := func(name string, mode int64, content []byte) error {
		err := w.WriteHeader(&tar.Header{Name: name, Mode: mode, Size: int64(len(content)), Typeflag: tar.TypeReg})
		if err == nil {
			_, err = w.Write(content)
		}
		return err
	}
	err := errors.Join(
		add("bin/cinc-client", 0o755, program),
		add("bin/cinc-solo", 0o755, program),
		add("version-manifest.txt", 0o644, []byte("stand-in "+Version+"\n")),
		w.Close(), z.Close(),
	)
	if err != nil {
		panic(err) // memory takes everything
	}
	return out.Bytes()
}

// ServeHTTP implements [http.Handler].
func (m Mirror) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	name := "stand-in-" + Version + ".tar.gz"
	switch {
	case strings.HasSuffix(r.URL.Path, "/metadata"):
		sum := m.Checksum
		if sum == "" {
			own := sha256.Sum256(m.pack())
			sum = hex.EncodeToString(own[:])
		}
		fmt.Fprintf(w, "sha256\t%s\nurl\thttp://%s/%s\nversion\t%s\n", sum, r.Host, name, Version)
	case path.Base(r.URL.Path) == name:
		w.Write(m.pack())
	default:
		http.NotFound(w, r)
	}
}
