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
	"mime/quotedprintable"
	"net/mail"
	"strings"

	"gopkg.in/yaml.v3"
)

// part is one piece of user data.
type part struct {
	kind string // a key of partKinds' values
	name string
	body []byte
}

// The kinds of user data that are understood.
const (
	kindConfig   = "text/cloud-config"
	kindScript   = "text/x-shellscript"
	kindBoothook = "text/cloud-boothook"
	kindArchive  = "text/cloud-config-archive"
)

// userDataLimit is how much user data may come to when it is unpacked.
const userDataLimit = 32 << 20

// splitUserData takes user data apart: compressed, base64, MIME, and by its
// first line. What is wrong with one part does not keep the others from being
// used.
func splitUserData(data []byte) ([]part, []error) {
	s := splitter{left: userDataLimit}
	s.add(data, "", "", 0)
	return s.parts, s.errs
}

type splitter struct {
	parts []part
	errs  []error
	left  int // bytes that may still be unpacked
}

func (s *splitter) fail(format string, args ...any) {
	s.errs = append(s.errs, fmt.Errorf(format, args...))
}

func (s *splitter) add(data []byte, kind, name string, depth int) {
	if depth > 8 {
		s.fail("user data is nested too deeply")
		return
	}
	data, err := s.unpack(data)
	if err != nil {
		s.errs = append(s.errs, err)
		return
	}
	if len(bytes.TrimSpace(data)) == 0 {
		return
	}
	if isMIME(data) {
		s.addMIME(data, depth)
		return
	}
	if found := kindOf(data); found != "" {
		kind = found // the first line is right even where the MIME type is vague
	}
	switch kind {
	case kindConfig, kindScript, kindBoothook:
		s.parts = append(s.parts, part{kind: kind, name: name, body: data})
	case kindArchive:
		s.addArchive(data, depth)
	case "":
		first, _, _ := bytes.Cut(data, []byte("\n"))
		s.fail(
			"user data is of no known kind: it begins with %q; expected #cloud-config, #! or a MIME message",
			clip(string(first), 40),
		)
	default:
		s.fail("user data of kind %s is not supported in this guest", kind)
	}
}

func clip(s string, n int) string {
	if len(s) > n {
		return s[:n]
	}
	return s
}

// unpack undoes gzip and base64, in whatever order they were put on.
func (s *splitter) unpack(data []byte) ([]byte, error) {
	for range 4 {
		switch {
		case bytes.HasPrefix(data, []byte{0x1f, 0x8b}):
			zr, err := gzip.NewReader(bytes.NewReader(data))
			if err != nil {
				return nil, fmt.Errorf("user data is not valid gzip: %w", err)
			}
			out, err := io.ReadAll(io.LimitReader(zr, int64(s.left)+1))
			if err != nil {
				return nil, fmt.Errorf("user data is not valid gzip: %w", err)
			}
			if len(out) > s.left {
				return nil, errors.New("user data is too large when unpacked")
			}
			s.left -= len(out)
			data = out
		case kindOf(data) == "" && !isMIME(data):
			out, ok := fromBase64(data)
			if !ok || !(bytes.HasPrefix(out, []byte{0x1f, 0x8b}) || kindOf(out) != "" || isMIME(out)) {
				return data, nil
			}
			data = out
		default:
			return data, nil
		}
	}
	return data, nil
}

func fromBase64(data []byte) ([]byte, bool) {
	text := strings.Join(strings.Fields(string(data)), "")
	out, err := base64.StdEncoding.DecodeString(text)
	return out, err == nil && len(out) > 0
}

// kindOf tells the kind by the first line, as cloud-init does.
func kindOf(data []byte) string {
	for _, k := range []struct{ prefix, kind string }{
		{"#cloud-config-archive", kindArchive},
		{"#cloud-config", kindConfig},
		{"#cloud-boothook", kindBoothook},
		{"#!", kindScript},
		{"#include-once", "text/x-include-once-url"},
		{"#include", "text/x-include-url"},
		{"#part-handler", "text/part-handler"},
		{"#upstart-job", "text/upstart-job"},
		{"## template: jinja", "text/jinja2"},
	} {
		if len(data) >= len(k.prefix) && strings.EqualFold(string(data[:len(k.prefix)]), k.prefix) {
			return k.kind
		}
	}
	return ""
}

func isMIME(data []byte) bool {
	for _, h := range []string{"content-type:", "mime-version:", "from "} {
		if len(data) >= len(h) && strings.EqualFold(string(data[:len(h)]), h) {
			return true
		}
	}
	return false
}

func (s *splitter) addMIME(data []byte, depth int) {
	if bytes.HasPrefix(data, []byte("From ")) { // an mbox line
		_, data, _ = bytes.Cut(data, []byte("\n"))
	}
	msg, err := mail.ReadMessage(bytes.NewReader(data))
	if err != nil {
		s.fail("user data is not a valid MIME message: %w", err)
		return
	}
	s.addEntity(map[string][]string(msg.Header), msg.Body, depth)
}

// addEntity adds a MIME message or a part of one.
func (s *splitter) addEntity(header map[string][]string, body io.Reader, depth int) {
	get := func(key string) string {
		if v := header[key]; len(v) > 0 {
			return v[0]
		}
		return ""
	}
	kind, params, err := mime.ParseMediaType(get("Content-Type"))
	if err != nil {
		kind, params = "", nil
	}
	if strings.HasPrefix(kind, "multipart/") {
		if depth > 8 {
			s.fail("user data is nested too deeply")
			return
		}
		mr := multipart.NewReader(body, params["boundary"])
		for {
			p, err := mr.NextRawPart()
			if errors.Is(err, io.EOF) {
				return
			}
			if err != nil {
				s.fail("user data is not a valid MIME message: %w", err)
				return
			}
			s.addEntity(map[string][]string(p.Header), p, depth+1)
		}
	}
	var r io.Reader = body
	switch strings.ToLower(strings.TrimSpace(get("Content-Transfer-Encoding"))) {
	case "base64":
		r = base64.NewDecoder(base64.StdEncoding, body)
	case "quoted-printable":
		r = quotedprintable.NewReader(body)
	}
	data, err := io.ReadAll(io.LimitReader(r, userDataLimit))
	if err != nil {
		s.fail("a part of the user data cannot be decoded: %w", err)
		return
	}
	_, disposition, err := mime.ParseMediaType(get("Content-Disposition"))
	if err != nil {
		disposition = nil
	}
	switch kind {
	case "text/plain", "application/octet-stream", "application/gzip", "application/x-gzip":
		kind = "" // goes by its first line
	}
	s.add(data, kind, disposition["filename"], depth+1)
}

func (s *splitter) addArchive(data []byte, depth int) {
	var items []yaml.Node
	if err := yaml.Unmarshal(data, &items); err != nil {
		s.fail("the cloud-config archive is not valid YAML: %w", err)
		return
	}
	for _, n := range items {
		var item struct{ Content, Type, Filename string }
		if n.Kind == yaml.ScalarNode {
			item.Content = n.Value
		} else if err := n.Decode(&item); err != nil {
			s.fail("an item of the cloud-config archive: %w", err)
			continue
		}
		s.add([]byte(item.Content), item.Type, item.Filename, depth+1)
	}
}

// data decodes the content.
func (f fileSpec) data() ([]byte, error) {
	data := []byte(f.Content)
	gz, b64 := false, false
	switch strings.ToLower(f.Encoding) {
	case "", "text/plain":
	case "gz", "gzip":
		gz = true
	case "b64", "base64":
		b64 = true
	case "gz+base64", "gzip+base64", "gz+b64", "gzip+b64":
		gz, b64 = true, true
	default:
		return nil, fmt.Errorf("unknown encoding %q", f.Encoding)
	}
	if b64 {
		out, err := base64.StdEncoding.DecodeString(strings.Join(strings.Fields(f.Content), ""))
		if err != nil {
			return nil, fmt.Errorf("the content is not base64: %w", err)
		}
		data = out
	}
	if gz {
		zr, err := gzip.NewReader(bytes.NewReader(data))
		if err != nil {
			return nil, fmt.Errorf("the content is not gzip: %w", err)
		}
		out, err := io.ReadAll(io.LimitReader(zr, userDataLimit+1))
		if err != nil {
			return nil, fmt.Errorf("the content is not gzip: %w", err)
		}
		if len(out) > userDataLimit {
			return nil, errors.New("the content is too large when unpacked")
		}
		data = out
	}
	return data, nil
}

// chpasswd is the key of that name: new style (users) and old (list).
type chpasswd struct {
	Expire *bool     `yaml:"expire"`
	List   yaml.Node `yaml:"list"`
	Users  []struct {
		Name     string `yaml:"name"`
		Password string `yaml:"password"`
		Type     string `yaml:"type"` // text (default), hash, RANDOM
	} `yaml:"users"`
}

// lines are the "user:password" lines of the old style.
func (c chpasswd) lines() ([]string, error) {
	switch c.List.Kind {
	case 0:
		return nil, nil
	case yaml.ScalarNode:
		return strings.Split(strings.TrimSpace(c.List.Value), "\n"), nil
	}
	var out []string
	err := c.List.Decode(&out)
	return out, err
}

// parseCloudConfig merges the cloud-config parts as cloud-init does by
// default (mappings are merged key by key, all else is replaced by the later)
// and reads the result.
func parseCloudConfig(parts []part) (cloudConfig, []error) {
	var errs []error
	merged := &yaml.Node{Kind: yaml.MappingNode, Tag: "!!map"}
	for _, p := range parts {
		if p.kind != kindConfig {
			continue
		}
		var doc yaml.Node
		if err := yaml.Unmarshal(p.body, &doc); err != nil {
			errs = append(errs, fmt.Errorf("cloud-config is not valid YAML: %w", err))
			continue
		}
		if len(doc.Content) == 0 {
			continue
		}
		top := resolve(doc.Content[0])
		if top.Kind != yaml.MappingNode {
			errs = append(errs, errors.New("cloud-config is not a mapping"))
			continue
		}
		mergeNodes(merged, top)
	}
	// Each key by itself, so that a mistake in one does not lose the others.
	var c cloudConfig
	for i := 0; i+1 < len(merged.Content); i += 2 {
		one := &yaml.Node{Kind: yaml.MappingNode, Tag: "!!map", Content: merged.Content[i : i+2]}
		next := c
		next.Unknown = nil
		if err := one.Decode(&next); err != nil {
			errs = append(errs, fmt.Errorf("cloud-config key %s: %w", merged.Content[i].Value, err))
			continue
		}
		unknown := c.Unknown
		for k, v := range next.Unknown {
			if unknown == nil {
				unknown = map[string]yaml.Node{}
			}
			unknown[k] = v
		}
		c = next
		c.Unknown = unknown
	}
	return c, errs
}

func mergeNodes(into, from *yaml.Node) {
	for i := 0; i+1 < len(from.Content); i += 2 {
		key, value := from.Content[i], resolve(from.Content[i+1])
		found := false
		for j := 0; j+1 < len(into.Content); j += 2 {
			if into.Content[j].Value != key.Value {
				continue
			}
			found = true
			if old := into.Content[j+1]; old.Kind == yaml.MappingNode && value.Kind == yaml.MappingNode {
				mergeNodes(old, value)
			} else {
				into.Content[j+1] = value
			}
		}
		if !found {
			into.Content = append(into.Content, key, value)
		}
	}
}
