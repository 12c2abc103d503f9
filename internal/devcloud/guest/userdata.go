package guest

import (
	"bytes"
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
	add := func(data []byte, kind, name string) {
		data, err := gunzip(data)
		if found := kindOf(data); found != "" {
			kind = found // the first line is right even where the MIME type is vague
		}
		first, _, _ := bytes.Cut(data, []byte("\n"))
		switch {
		case err != nil:
			errs = append(errs, fmt.Errorf("user data: %w", err))
		case kind == kindConfig, kind == kindScript:
			parts = append(parts, part{kind: kind, name: name, body: data})
		case kind != "":
			errs = append(errs, fmt.Errorf("user data of kind %s is not supported in this guest", kind))
		default:
			errs = append(errs, fmt.Errorf("user data is of no known kind: it begins with %.40q; expected #cloud-config, #! or a MIME message", first))
		}
	}
	data, err := gunzip(data)
	switch {
	case err != nil:
		return nil, []error{fmt.Errorf("user data: %w", err)}
	case len(bytes.TrimSpace(data)) == 0:
		return nil, nil
	case !isMIME(data):
		add(data, "", "")
		return parts, errs
	}
	if err := eachEntity(data, add); err != nil {
		errs = append(errs, fmt.Errorf("user data is not a valid MIME message: %w", err))
	}
	return parts, errs
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

func isMIME(data []byte) bool {
	return hasPrefixFold(data, "content-type:") || hasPrefixFold(data, "mime-version:")
}

func hasPrefixFold(data []byte, prefix string) bool {
	return len(data) >= len(prefix) && strings.EqualFold(string(data[:len(prefix)]), prefix)
}

// eachEntity calls add for the parts of a MIME message.
func eachEntity(data []byte, add func(data []byte, kind, name string)) error {
	msg, err := mail.ReadMessage(bytes.NewReader(data))
	if err != nil {
		return err
	}
	one := func(header interface{ Get(key string) string }, body io.Reader) error {
		if strings.EqualFold(strings.TrimSpace(header.Get("Content-Transfer-Encoding")), "base64") {
			body = base64.NewDecoder(base64.StdEncoding, body)
		}
		data, err := io.ReadAll(io.LimitReader(body, userDataLimit))
		if err != nil {
			return err
		}
		kind, _, _ := mime.ParseMediaType(header.Get("Content-Type"))
		switch kind {
		case "text/plain", "application/octet-stream", "application/gzip", "application/x-gzip":
			kind = "" // goes by its first line
		}
		_, disposition, _ := mime.ParseMediaType(header.Get("Content-Disposition"))
		add(data, kind, disposition["filename"])
		return nil
	}
	kind, params, err := mime.ParseMediaType(msg.Header.Get("Content-Type"))
	if err != nil || !strings.HasPrefix(kind, "multipart/") {
		return one(msg.Header, msg.Body)
	}
	for mr := multipart.NewReader(msg.Body, params["boundary"]); ; {
		p, err := mr.NextPart()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err == nil {
			err = one(p.Header, p)
		}
		if err != nil {
			return err
		}
	}
}
