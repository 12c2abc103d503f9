package cli

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"strings"
	"time"

	"github.com/gophercloud/gophercloud/v2"
	stack "github.com/gophercloud/gophercloud/v2/openstack"

	"github.com/galleyhq/galley/internal/fetch"
	"github.com/galleyhq/galley/internal/openstack"
)

// fetchSource says where what is asked for lies: at a URL, or with a service of
// the cloud that the environment names.
func (a *app) fetchSource(ctx context.Context, r *fetch.Request, f *fetchFlags, what string) error {
	image, isImage := strings.CutPrefix(what, "image:")
	if !isImage && f.service == "" {
		r.URL = what
		return nil
	}
	if isImage && image == "" {
		return usagef("say image:NAME or image:ID", "image: names no image")
	}
	if isImage && f.service != "" && f.service != "image" {
		return usagef("", "image:NAME is asked of the image service, not of %s", f.service)
	}
	if r.Auth != nil {
		return usagef("", "a service of the catalogue is asked with OS_* credentials, and no others")
	}
	auth, err := a.credentials(ctx)
	if err != nil {
		return err
	}
	s := &cloudSource{auth: auth, service: f.service, path: what}
	if isImage {
		s.service, s.path, s.image = "image", "", image
	}
	r.Source = s
	return nil
}

// cloudSource is a service of an OpenStack cloud, or an image in it, as a
// source of fetch.
type cloudSource struct {
	auth          openstack.Auth
	service, path string
	image         string

	provider *gophercloud.ProviderClient
}

// Resolve logs in and looks the service up in the catalogue.
func (s *cloudSource) Resolve(ctx context.Context) (fetch.Target, error) {
	var t fetch.Target
	if err := s.login(ctx); err != nil {
		return t, err
	}
	base, err := s.provider.EndpointLocator(gophercloud.EndpointOpts{Type: s.service, Region: s.auth.Region, Availability: availability(s.auth.Interface)})
	if err != nil {
		return t, fmt.Errorf("the cloud's catalogue has no service %q here: %w", s.service, err)
	}
	u, err := url.Parse(base)
	if err != nil {
		return t, fmt.Errorf("the endpoint of service %q is no URL: %w", s.service, err)
	}
	t.TLS = fetch.TLS{CACert: s.auth.CACert, Cert: s.auth.Cert, Key: s.auth.Key, Insecure: s.auth.Insecure}
	base = strings.TrimSuffix(base, "/")
	t.Root = versionPart.ReplaceAllString(strings.TrimSuffix(u.EscapedPath(), "/"), "")
	switch {
	case s.image != "":
		if !versionPart.MatchString(base) {
			base += "/v2"
		}
		return s.findImage(ctx, t, base)
	case s.service == "object-store":
		container, object, _ := strings.Cut(strings.TrimPrefix(s.path, "/"), "/")
		t.URL = base + "/" + url.PathEscape(container)
		if object == "" {
			return t, nil // a listing of the container
		}
		// A slash in an object's name is part of its path.
		t.URL += "/" + strings.ReplaceAll(url.PathEscape(object), "%2F", "/")
		t.Name = object[strings.LastIndexByte(object, '/')+1:]
		t.ChecksumOf = objectChecksum
	default:
		t.URL = base + "/" + strings.TrimPrefix(s.path, "/")
	}
	return t, nil
}

// versionPart is what stands behind a service's root in its endpoint.
var versionPart = regexp.MustCompile(`/v\d+(\.\d+)?(/.*)?$`)

// objectChecksum is the entity tag of an object, its MD5 unless it is put
// together of segments (Object Storage API, "Large objects").
func objectChecksum(h http.Header) string {
	tag := strings.Trim(h.Get("Etag"), `"`)
	if h.Get("X-Static-Large-Object") != "" || h.Get("X-Object-Manifest") != "" || len(tag) != 32 || strings.Trim(tag, "0123456789abcdef") != "" {
		return ""
	}
	return "md5:" + tag
}

// findImage finds an image by id or by name, and the checksum that Glance keeps
// of it (Image service API v2, "Show image").
func (s *cloudSource) findImage(ctx context.Context, t fetch.Target, base string) (fetch.Target, error) {
	type image struct {
		ID       string `json:"id"`
		Name     string `json:"name"`
		Status   string `json:"status"`
		Disk     string `json:"disk_format"`
		HashAlgo string `json:"os_hash_algo"`
		Hash     string `json:"os_hash_value"`
		MD5      string `json:"checksum"`
	}
	var list struct {
		Images []image `json:"images"`
	}
	var found image
	get := func(u string, into any) error {
		_, err := s.provider.Request(ctx, http.MethodGet, u, &gophercloud.RequestOpts{JSONResponse: into, OkCodes: []int{http.StatusOK}})
		return err
	}
	err := get(base+"/images?name="+url.QueryEscape(s.image), &list)
	if err == nil && len(list.Images) == 0 {
		err = get(base+"/images/"+url.PathEscape(s.image), &found)
		if gophercloud.ResponseCodeIs(err, http.StatusNotFound) || gophercloud.ResponseCodeIs(err, http.StatusBadRequest) {
			return t, fmt.Errorf("there is no image %q in this cloud, neither by name nor by id", s.image)
		}
	}
	if err != nil {
		return t, fmt.Errorf("looking for image %q: %w", s.image, plainCloudError(err))
	}
	if len(list.Images) > 1 {
		ids := make([]string, len(list.Images))
		for i, im := range list.Images {
			ids[i] = im.ID
		}
		return t, usagef("say image:ID", "several images are named %q: %s", s.image, strings.Join(ids, ", "))
	}
	if len(list.Images) == 1 {
		found = list.Images[0]
	}
	if found.Status != "active" {
		return t, fmt.Errorf("image %q (%s) is %s and has no data to fetch", found.Name, found.ID, found.Status)
	}
	t.URL = base + "/images/" + url.PathEscape(found.ID) + "/file"
	if t.Name = found.Name; found.Disk != "" && !strings.HasSuffix(t.Name, "."+found.Disk) {
		t.Name += "." + found.Disk
	}
	switch {
	case found.Hash != "" && (found.HashAlgo == "sha256" || found.HashAlgo == "sha512" || found.HashAlgo == "sha384"):
		t.Checksum = found.HashAlgo + ":" + found.Hash
	case found.MD5 != "":
		t.Checksum = "md5:" + found.MD5
	}
	return t, nil
}

// Authorize signs a request with the token.
func (s *cloudSource) Authorize(r *http.Request) error {
	r.Header.Set("X-Auth-Token", s.provider.Token())
	return nil
}

// Refresh asks for a new token after one was refused.
func (s *cloudSource) Refresh(ctx context.Context) error {
	if err := s.provider.Reauthenticate(ctx, s.provider.Token()); err != nil {
		return plainCloudError(err)
	}
	return nil
}

func (s *cloudSource) login(ctx context.Context) error {
	a := s.auth
	p, err := stack.NewClient(a.URL)
	if err != nil {
		return fmt.Errorf("the identity service's URL %s: %w", a.URL, err)
	}
	conf := &tls.Config{MinVersion: tls.VersionTLS12, InsecureSkipVerify: a.Insecure} //nolint:gosec // on the user's explicit word
	if a.CACert != "" {
		pem, err := os.ReadFile(a.CACert)
		if err != nil {
			return fmt.Errorf("the certificate authorities of OS_CACERT: %w", err)
		}
		if conf.RootCAs, err = x509.SystemCertPool(); err != nil {
			conf.RootCAs = x509.NewCertPool()
		}
		conf.RootCAs.AppendCertsFromPEM(pem)
	}
	if a.Cert != "" {
		key := a.Key
		if key == "" {
			key = a.Cert
		}
		pair, err := tls.LoadX509KeyPair(a.Cert, key)
		if err != nil {
			return fmt.Errorf("the client certificate of OS_CERT and OS_KEY: %w", err)
		}
		conf.Certificates = []tls.Certificate{pair}
	}
	p.HTTPClient = http.Client{
		Timeout:       time.Minute,
		Transport:     &http.Transport{Proxy: http.ProxyFromEnvironment, TLSClientConfig: conf, TLSHandshakeTimeout: 30 * time.Second, ForceAttemptHTTP2: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	p.UserAgent.Prepend("galley")
	first := func(pairs ...string) (id, name string) {
		for i := 0; i+1 < len(pairs); i += 2 {
			if pairs[i] != "" {
				return pairs[i], ""
			}
			if pairs[i+1] != "" {
				return "", pairs[i+1]
			}
		}
		return "default", ""
	}
	o := gophercloud.AuthOptions{IdentityEndpoint: a.URL, AllowReauth: true}
	switch {
	case a.AppCredID != "" || a.AppCredName != "":
		o.ApplicationCredentialID, o.ApplicationCredentialName, o.ApplicationCredentialSecret = a.AppCredID, a.AppCredName, a.AppCredSecret.Reveal()
	case a.Token != "" && a.Password == "":
		o.TokenID, o.AllowReauth = a.Token.Reveal(), false
	default:
		o.Password, o.Passcode = a.Password.Reveal(), a.Passcode.Reveal()
	}
	if o.TokenID == "" && o.ApplicationCredentialID == "" {
		if o.UserID = a.UserID; o.UserID == "" {
			o.Username = a.Username
			o.DomainID, o.DomainName = first(a.UserDomainID, a.UserDomainName, a.DomainID, a.DomainName, a.ProjectDomainID, a.ProjectDomainName)
		}
	}
	if a.AppCredID == "" && a.AppCredName == "" {
		scope := &gophercloud.AuthScope{}
		switch {
		case a.SystemScope:
			scope.System = true
		case a.TrustID != "":
			scope.TrustID = a.TrustID
		case a.ProjectID != "":
			scope.ProjectID = a.ProjectID
		case a.ProjectName != "":
			scope.ProjectName = a.ProjectName
			scope.DomainID, scope.DomainName = first(a.ProjectDomainID, a.ProjectDomainName, a.DomainID, a.DomainName, a.UserDomainID, a.UserDomainName)
		case a.DomainID != "" || a.DomainName != "":
			scope.DomainID, scope.DomainName = first(a.DomainID, a.DomainName)
		}
		o.Scope, o.TenantID, o.TenantName = scope, a.ProjectID, a.ProjectName
	}
	if err := stack.Authenticate(ctx, p, o); err != nil {
		return fmt.Errorf("logging in at %s: %w", a.URL, plainCloudError(err))
	}
	s.provider = p
	return nil
}

func availability(s string) gophercloud.Availability {
	switch strings.TrimSuffix(strings.ToLower(s), "url") {
	case "internal":
		return gophercloud.AvailabilityInternal
	case "admin":
		return gophercloud.AvailabilityAdmin
	}
	return gophercloud.AvailabilityPublic
}

// plainCloudError is an error of gophercloud without the body it quotes.
func plainCloudError(err error) error {
	var code gophercloud.ErrUnexpectedResponseCode
	if errors.As(err, &code) {
		return fmt.Errorf("%s %s: the cloud answered %d %s", code.Method, code.URL, code.Actual, http.StatusText(code.Actual))
	}
	return err
}
