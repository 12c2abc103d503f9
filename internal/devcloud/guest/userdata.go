package guest

import (
	"bytes"
	"cmp"
	"compress/gzip"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net/mail"
	"strings"
)

// part is one piece of user data.
type part struct {
	kind string
	name string
	body []byte
}

// The kinds of user data that are understood.
const (
	kindConfig = "text/cloud-config"
	kindScript = "text/x-shellscript"
)

// userDataLimit is how much user data may come to when it is unpacked.
const userDataLimit = 32 << 20

// splitUserData takes user data apart: compressed, MIME, and by its first line.
// What is wrong with one part does not keep the others from being used.
func splitUserData(data []byte) (parts []part, errs []error) {
	add := func(body []byte, kind, name string) {
		p, err := newPart(body, kind, name)
		if err != nil {
			errs = append(errs, err)
			return
		}
		parts = append(parts, p)
	}
	switch plain, err := gunzip(data); {
	case err == nil && (hasPrefixFold(plain, "content-type:") || hasPrefixFold(plain, "mime-version:")):
		if err := eachEntity(plain, add); err != nil {
			errs = append(errs, fmt.Errorf("user data is not a valid MIME message: %w", err))
		}
	case err != nil || len(bytes.TrimSpace(plain)) > 0:
		add(data, "", "")
	}
	return parts, errs
}

// newPart is a piece of user data of a MIME type, which its first line may
// overrule.
func newPart(body []byte, kind, name string) (part, error) {
	body, err := gunzip(body)
	if err != nil {
		return part{}, fmt.Errorf("user data: %w", err)
	}
	kind = cmp.Or(kindOf(body), kind, "text/plain") // the first line is right even where the MIME type is vague
	if kind == kindConfig || kind == kindScript {
		return part{kind: kind, name: name, body: body}, nil
	}
	first, _, _ := bytes.Cut(body, []byte("\n"))
	return part{}, fmt.Errorf("user data of kind %s is not supported in this guest: it begins with %.40q, not #cloud-config or #!", kind, first)
}

// gunzip unpacks gzipped user data.
func gunzip(data []byte) ([]byte, error) {
	if !bytes.HasPrefix(data, []byte{0x1f, 0x8b}) {
		return data, nil
	}
	zr, err := gzip.NewReader(bytes.NewReader(data))
	if err != nil {
		return nil, fmt.Errorf("not valid gzip: %w", err)
	}
	out, err := io.ReadAll(io.LimitReader(zr, userDataLimit+1))
	if err == nil && len(out) > userDataLimit {
		err = errors.New("too large when unpacked")
	}
	return out, err
}

// kindOf tells the kind by the first line, as cloud-init does.
func kindOf(data []byte) string {
	for _, k := range [][2]string{
		{"#cloud-config-archive", "text/cloud-config-archive"},
		{"#cloud-config", kindConfig},
		{"#cloud-boothook", "text/cloud-boothook"},
		{"#!", kindScript},
		{"#include", "text/x-include-url"},
		{"#part-handler", "text/part-handler"},
		{"## template: jinja", "text/jinja2"},
	} {
		if hasPrefixFold(data, k[0]) {
			return k[1]
		}
	}
	return ""
}

func hasPrefixFold(data []byte, prefix string) bool {
	return len(data) >= len(prefix) && strings.EqualFold(string(data[:len(prefix)]), prefix)
}

// eachEntity calls add for the parts of a MIME message.
func eachEntity(data []byte, add func(body []byte, kind, name string)) error {
	msg, err := mail.ReadMessage(bytes.NewReader(data))
	if err != nil {
		return err
	}
	_, params, err := mime.ParseMediaType(msg.Header.Get("Content-Type"))
	if err != nil {
		return err
	}
	for parts := multipart.NewReader(msg.Body, params["boundary"]); ; {
		p, err := parts.NextPart()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		var body io.Reader = p
		if strings.EqualFold(strings.TrimSpace(p.Header.Get("Content-Transfer-Encoding")), "base64") {
			body = base64.NewDecoder(base64.StdEncoding, body)
		}
		data, err := io.ReadAll(io.LimitReader(body, userDataLimit))
		if err != nil {
			return err
		}
		kind, _, _ := mime.ParseMediaType(p.Header.Get("Content-Type"))
		add(data, kind, p.FileName())
	}
}
