package session

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/gophercloud/gophercloud/v2"

	"github.com/galleyhq/galley/internal/secret"
	"github.com/galleyhq/galley/internal/settings"
	"github.com/galleyhq/galley/internal/text"
)

// service is one entry of the catalogue.
type service struct {
	kind, name string
	endpoints  []endpoint
}

type endpoint struct{ region, availability, url string }

// ComputeClient returns the client of the compute service (Nova). Where the
// catalogue lacks a service, its client fails each request with an [Error] that
// says so.
func (c *Session) ComputeClient() *gophercloud.ServiceClient { return c.client("compute", "v2.1/") }

// NetworkClient returns the client of the network service (Neutron).
func (c *Session) NetworkClient() *gophercloud.ServiceClient { return c.client("network", "v2.0/") }

// ImageClient returns the client of the image service (Glance).
func (c *Session) ImageClient() *gophercloud.ServiceClient { return c.client("image", "v2/") }

// VolumeClient returns the client of the volume service (Cinder).
func (c *Session) VolumeClient() *gophercloud.ServiceClient {
	return c.client("volumev3", "v3/"+c.Whoami().ProjectID+"/")
}

// failing is the transport of a service that cannot be used.
type failing struct{ err error }

// RoundTrip implements http.RoundTripper.
func (f failing) RoundTrip(*http.Request) (*http.Response, error) { return nil, f.err }

// client makes the client of one service. version is added to a URL that names
// none.
func (c *Session) client(service, version string) *gophercloud.ServiceClient {
	sc := &gophercloud.ServiceClient{ProviderClient: c.provider, Type: service}
	if service == "volumev3" {
		sc.Type = "block-storage"
	}
	u, _, err := c.find(service)
	if err != nil {
		sc.ProviderClient = &gophercloud.ProviderClient{HTTPClient: http.Client{Transport: failing{err}}}
		sc.Endpoint = "http://" + service + "/"
		return sc
	}
	c.x.allow(u)
	sc.Endpoint = u + "/"
	if service == "image" {
		// Old catalogues name v1, which no cloud has any more.
		sc.Endpoint = strings.TrimSuffix(sc.Endpoint, "v1/")
	}
	if !hasVersion(sc.Endpoint) {
		sc.Endpoint += version
	}
	return sc
}

// volumeTypes are the names under which catalogues have had the service for
// volumes (OpenStack service types authority, block-storage and its aliases).
var volumeTypes = []string{"volumev3", "block-storage", "block-store", "volumev2", "volume"}

// find returns the URL of a service, without a slash at its end, and the types
// under which the catalogue may have it.
func (c *Session) find(service string) (u string, types []string, err error) {
	label, name, override := service, "", ""
	types = []string{service}
	switch {
	case service == "compute":
		name, override = c.auth.ServiceName, c.auth.ComputeURL
		if c.auth.ServiceType != "" {
			types = []string{c.auth.ServiceType, service}
		}
	case service == "network" || service == "networking":
		override, types = c.auth.NetworkURL, []string{"network", "networking"}
	case service == "image":
		override = c.auth.ImageURL
	case slices.Contains(volumeTypes, service):
		label, override = "volume", c.auth.VolumeURL
		types = append(types, volumeTypes...)
	}
	if u = override; u == "" {
		u, err = c.endpoint(label, types, name)
	}
	return strings.TrimSuffix(u, "/"), types, err
}

var versionSegment = text.Lazy(`^v[0-9]+(\.[0-9]+)?$`)

// hasVersion says whether a segment of the URL's path is an API version.
func hasVersion(u string) bool {
	_, path, _ := strings.Cut(u, "://")
	return slices.ContainsFunc(strings.Split(path, "/")[1:], versionSegment().MatchString)
}

func (c *Session) endpoint(label string, types []string, name string) (string, error) {
	availability, err := c.auth.Availability()
	if err != nil {
		return "", err
	}
	c.mu.Lock()
	catalog := c.catalog
	c.mu.Unlock()
	what := "find the " + label + " service"
	var regions, kinds []string
	for _, kind := range types {
		for pass := range 2 {
			for _, s := range catalog {
				// A name that no entry has is ignored, as fog does.
				if s.kind != kind || pass == 0 && name != "" && s.name != name {
					continue
				}
				var fits []endpoint
				for _, ep := range s.endpoints {
					if ep.url == "" {
						continue
					}
					if !slices.Contains(kinds, ep.availability) {
						kinds = append(kinds, ep.availability)
					}
					if ep.availability != availability {
						continue
					}
					if !slices.Contains(regions, ep.region) {
						regions = append(regions, ep.region)
					}
					if c.auth.Region == "" || ep.region == c.auth.Region {
						fits = append(fits, ep)
					}
				}
				if len(fits) == 0 {
					continue
				}
				for _, ep := range fits[1:] {
					if ep.region != fits[0].region {
						slices.Sort(regions)
						return "", Fail(Ambiguous, what, "the cloud has several regions: "+strings.Join(regions, ", "),
							"").Advise("name one in %s", settings.Region)
					}
				}
				return fits[0].url, nil
			}
		}
	}
	slices.Sort(regions)
	slices.Sort(kinds)
	switch {
	case len(regions) > 0:
		return "", Fail(NoService, what, fmt.Sprintf("there is no region %q; the cloud has %s", c.auth.Region, strings.Join(regions, ", ")),
			"").Advise("set %s to one of them", settings.Region)
	case len(kinds) > 0:
		return "", Fail(NoService, what, fmt.Sprintf("it has no %s endpoint, only %s", availability, strings.Join(kinds, ", ")),
			"").Advise("set %s to one of them", settings.EndpointType)
	}
	return "", Fail(NoService, what, "the catalogue of this project does not have it", "ask the operators, or check the project")
}

// Token returns the token in use.
func (c *Session) Token() secret.Text { return secret.Text(c.provider.Token()) }

// RenewToken asks for a new token in place of old, which was refused, unless
// another is in use by now.
func (c *Session) RenewToken(ctx context.Context, old secret.Text) error {
	if err := c.provider.Reauthenticate(ctx, old.Reveal()); err != nil {
		return Explain("renew the token", err)
	}
	return nil
}

// TLS returns the PEM files of authorities to trust and of the client's
// certificate and key, "" for none, and whether servers are not verified.
func (c *Session) TLS() (caCert, cert, key string, insecure bool) {
	return c.auth.CACert, c.auth.Cert, c.auth.Key, c.auth.Insecure
}

// TLSConfig returns what a client of the cloud's services trusts and shows.
func (c *Session) TLSConfig() (*tls.Config, error) { return tlsConfig(c.auth) }

// Endpoint returns the URL of a service as the catalogue has it, without a
// slash at its end. service is the type, such as "object-store"; the region
// and interface are those of the credentials.
func (c *Session) Endpoint(service string) (string, error) {
	u, types, err := c.find(strings.ToLower(service))
	if err != nil {
		err = c.withServices(err, types)
	}
	return u, err
}

// withServices says in an error about a service that the catalogue lacks what
// it has.
func (c *Session) withServices(err error, types []string) error {
	var e *Error
	if !errors.As(err, &e) || e.Kind != NoService {
		return err
	}
	var kinds []string
	c.mu.Lock()
	for _, s := range c.catalog {
		kinds = append(kinds, s.kind)
	}
	c.mu.Unlock()
	if slices.ContainsFunc(types, func(t string) bool { return slices.Contains(kinds, t) }) {
		return err // it is there, in another region or of another interface
	}
	slices.Sort(kinds)
	with := *e
	with.SetHint("the catalogue has " + strings.Join(slices.Compact(kinds), ", "))
	return &with
}
