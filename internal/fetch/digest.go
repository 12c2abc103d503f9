package fetch

import (
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"hash"
	"net/http"
	"strings"
)

// digest is a checksum that a body must have. given: the user named it.
type digest struct {
	name   string // of the algorithm, as in Repr-Digest
	want   []byte
	source string // who says so
	// content: of the body without its Content-Encoding; else of the bytes on
	// the wire.
	content bool
	given   bool
	hash    hash.Hash
}

func newHash(name string) hash.Hash {
	switch name {
	case "md5":
		return md5.New()
	case "sha1":
		return sha1.New()
	case "sha224":
		return sha256.New224()
	case "sha256":
		return sha256.New()
	case "sha384":
		return sha512.New384()
	case "sha512":
		return sha512.New()
	}
	return nil
}

// parseChecksum reads "sha256:HEX"; without a name the length tells.
func parseChecksum(s string) (digest, error) {
	name, text, ok := strings.Cut(s, ":")
	if !ok {
		text = s
		name = map[int]string{32: "md5", 40: "sha1", 56: "sha224", 64: "sha256", 96: "sha384", 128: "sha512"}[len(s)]
	}
	name = strings.ReplaceAll(strings.ToLower(name), "-", "")
	h := newHash(name)
	if h == nil {
		return digest{}, usage("checksum %q: it is written as sha256:HEX (md5, sha1, sha224, sha256, sha384, sha512)", s)
	}
	want, err := hex.DecodeString(text)
	if err != nil || len(want) != h.Size() {
		return digest{}, usage("checksum %q: %s has %d hexadecimal digits", s, name, 2*h.Size())
	}
	return digest{name: name, want: want, source: "the checksum given", content: true, hash: h}, nil
}

// headerDigests finds the digests that a header promises. Repr-Digest,
// Content-Digest (RFC 9530) and Digest (RFC 3230) are of the bytes with their
// Content-Encoding; of each header the strongest is taken. partial says that
// the answer holds a part of the body only, so that digests of the
// message are not those of the body.
func headerDigests(h http.Header, partial bool) []digest {
	var ds []digest
	strongest := func(source string, values []string, structured bool) {
		if len(values) == 0 {
			return
		}
		var best digest
		for _, item := range strings.Split(strings.Join(values, ","), ",") {
			name, text, ok := strings.Cut(strings.TrimSpace(item), "=")
			if !ok {
				continue
			}
			name = strings.ReplaceAll(strings.ToLower(name), "-", "")
			if name == "sha" {
				name = "sha1"
			}
			text, _, _ = strings.Cut(text, ";")
			text = strings.TrimSpace(text)
			if structured {
				if len(text) < 2 || text[0] != ':' || text[len(text)-1] != ':' {
					continue
				}
				text = text[1 : len(text)-1]
			}
			want, err := base64.StdEncoding.DecodeString(text)
			hh := newHash(name)
			if err != nil || hh == nil || len(want) != hh.Size() || len(want) <= len(best.want) {
				continue
			}
			best = digest{name: name, want: want, source: source, hash: hh}
		}
		if best.hash != nil {
			ds = append(ds, best)
		}
	}
	strongest("Repr-Digest", h.Values("Repr-Digest"), true)
	strongest("Digest", h.Values("Digest"), false)
	if !partial {
		strongest("Content-Digest", h.Values("Content-Digest"), true)
		text := strings.TrimSpace(h.Get("Content-MD5"))
		want, err := base64.StdEncoding.DecodeString(text)
		if len(text) == 2*md5.Size {
			// Glance writes it so (glance: api/v2/image_data.py).
			want, err = hex.DecodeString(text)
		}
		if err == nil && len(want) == md5.Size {
			ds = append(ds, digest{name: "md5", want: want, source: "Content-MD5", hash: md5.New()})
		}
	}
	if len(ds) > 1 && ds[0].name == ds[1].name && string(ds[0].want) == string(ds[1].want) {
		ds = ds[:1]
	}
	return ds
}

// check compares the digest with the promised one.
func (d *digest) check() error {
	got := d.hash.Sum(nil)
	if string(got) == string(d.want) {
		return nil
	}
	return &Error{Kind: KindChecksum, given: d.given, Msg: fmt.Sprintf("the body's %s is %x, but %s is %x", d.name, got, d.source, d.want)}
}
