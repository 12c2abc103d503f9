package cli

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"sync"

	"github.com/galleyhq/galley/internal/fetch"
	"github.com/galleyhq/galley/internal/openstack"
	"github.com/galleyhq/galley/internal/secret"
)

// source makes the request one for a URL, or for a service of the cloud that
// the environment names.
func (f *fetchOptions) source(ctx context.Context, r *fetch.Request, what string) error {
	image, isImage := strings.CutPrefix(what, "image:")
	if !isImage && f.service == "" {
		r.URL = what
		return nil
	}
	if isImage && image == "" {
		return usagef("say image:NAME or image:ID", "image: names no image")
	}
	if isImage && f.service != "" && f.service != "image" {
		return usagef("", "image:NAME is an image of the image service, not of %s", f.service)
	}
	if r.Auth != nil {
		return usagef("", "a service of the catalogue is requested with OS_* credentials, and no others")
	}
	c, err := f.clouds.connect(ctx)
	if err != nil {
		return err
	}
	s := &cloudSource{cloud: c, notes: f.program.reporter(), service: f.service, path: what}
	if isImage {
		s.service, s.path, s.image = "image", "", image
	}
	r.Source = s
	return nil
}

// cloudSource is a service of an OpenStack cloud, or an image in it, as a
// source of fetch.
type cloudSource struct {
	cloud         *openstack.Cloud
	notes         openstack.Reporter
	service, path string
	image         string
	token         secret.Text // of the last request
}

// Resolve looks the service up in the catalogue.
func (s *cloudSource) Resolve(ctx context.Context) (fetch.Target, error) {
	var t fetch.Target
	t.TLS.CACert, t.TLS.Cert, t.TLS.Key, t.TLS.Insecure = s.cloud.TLS()
	base, err := s.cloud.Endpoint(s.service)
	if err != nil {
		return t, err
	}
	u, err := url.Parse(base)
	if err != nil {
		return t, fmt.Errorf("the endpoint of service %q is not a URL: %w", s.service, err)
	}
	t.Root = versionPart().ReplaceAllString(u.EscapedPath(), "")
	switch {
	case s.image != "":
		f, err := s.cloud.ImageFile(ctx, s.image, s.notes)
		if err != nil {
			return t, err
		}
		t.URL, t.Name, t.Checksum = f.URL, f.FileName, f.Checksum
	case s.service == "object-store":
		container, object, _ := strings.Cut(strings.TrimPrefix(s.path, "/"), "/")
		if object == "" {
			// A listing of the container or the account, which takes a query.
			container, query, _ := strings.Cut(container, "?")
			t.URL = strings.TrimSuffix(base+"/"+url.PathEscape(container), "/")
			if query != "" {
				t.URL += "?" + query
			}
			return t, nil
		}
		t.URL = base + "/" + url.PathEscape(container)
		// A slash in an object's name is part of its path.
		t.URL += "/" + strings.ReplaceAll(url.PathEscape(object), "%2F", "/")
		t.Name = object[strings.LastIndexByte(object, '/')+1:]
		t.ChecksumOf = objectChecksum
	default:
		t.URL = base + "/" + strings.TrimPrefix(s.path, "/")
	}
	return t, nil
}

// versionPart is the part of an endpoint after the service's root.
var versionPart = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`/v\d+(\.\d+)?(/.*)?$`) })

// objectChecksum is the entity tag of an object, its MD5 unless it is put
// together of segments (Object Storage API, "Large objects").
func objectChecksum(h http.Header) string {
	tag := strings.Trim(h.Get("Etag"), `"`)
	if h.Get("X-Static-Large-Object") != "" || h.Get("X-Object-Manifest") != "" || len(tag) != 32 || strings.Trim(tag, "0123456789abcdef") != "" {
		return ""
	}
	return "md5:" + tag
}

// Authorize signs a request with the token.
func (s *cloudSource) Authorize(r *http.Request) error {
	s.token = s.cloud.Token()
	r.Header.Set("X-Auth-Token", s.token.Reveal())
	return nil
}

// Refresh asks for a new token after the last request's was refused.
func (s *cloudSource) Refresh(ctx context.Context) error { return s.cloud.RenewToken(ctx, s.token) }
