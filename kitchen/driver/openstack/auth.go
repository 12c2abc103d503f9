package openstack

import (
	"strings"

	"github.com/galleyhq/galley/internal/config"
	cloud "github.com/galleyhq/galley/internal/openstack"
)

// auth gathers the credentials: the section's own keys, then the entry of
// clouds.yaml that the section or OS_CLOUD names, then OS_*. What the section
// leaves open is completed from there as long as both mean the same cloud: a
// file of Keystone v2's time that reads OS_USERNAME and OS_PASSWORD works with
// a v3 RC file, whose domains it does not know.
func (d *Driver) auth() (cloud.Auth, error) {
	own, err := readAuth(d.section)
	if err != nil {
		return own, err
	}
	lookup := d.o.Env
	if lookup == nil {
		lookup = func(string) string { return "" }
	}
	entry, err := d.section.String("openstack_cloud", "")
	if err != nil {
		return own, err
	}
	named := entry != ""
	if !named && !hasCredentials(own) {
		entry = lookup("OS_CLOUD")
	}
	if entry != "" {
		path, err := d.section.Path("clouds_yaml_path", "")
		if err != nil {
			return own, err
		}
		vars, err := d.cloudEntry(entry, path)
		if err != nil {
			return own, err
		}
		// The entry stands alone: what is set for another cloud must not be
		// sent to this one.
		lookup = func(name string) string { return vars[name] }
	}
	around, err := cloud.ReadEnv(lookup)
	if err != nil && !complete(own) {
		return own, err
	}
	if !hasCredentials(own) && !named && entry == "" {
		if _, err := cloud.AuthFromEnv(lookup); err != nil {
			return own, err
		}
	}
	return fill(own, around), nil
}

// readAuth reads the section's own keys. An auth URL without a host is what
// an empty OS_AUTH_URL leaves of "#{ENV['OS_AUTH_URL']}/tokens": unset.
func readAuth(s config.Section) (cloud.Auth, error) {
	r := reader{s: s}
	a := cloud.Auth{
		URL:               r.text("openstack_auth_url"),
		IdentityVersion:   r.text("openstack_identity_api_version"),
		Username:          r.text("openstack_username"),
		UserID:            r.text("openstack_userid"),
		Password:          cloud.Secret(r.text("openstack_api_key")),
		Token:             cloud.Secret(r.text("openstack_auth_token")),
		AppCredID:         r.text("openstack_application_credential_id"),
		AppCredName:       r.text("openstack_application_credential_name"),
		AppCredSecret:     cloud.Secret(r.text("openstack_application_credential_secret")),
		ProjectID:         r.first("openstack_project_id", "openstack_tenant_id"),
		ProjectName:       r.first("openstack_project_name", "openstack_tenant"),
		DomainID:          r.text("openstack_domain_id"),
		DomainName:        r.text("openstack_domain_name"),
		UserDomainID:      r.text("openstack_user_domain_id"),
		UserDomainName:    r.first("openstack_user_domain_name", "openstack_user_domain"),
		ProjectDomainID:   r.text("openstack_project_domain_id"),
		ProjectDomainName: r.first("openstack_project_domain_name", "openstack_project_domain"),
		Region:            r.text("openstack_region"),
		Interface:         r.text("openstack_endpoint_type"),
		ServiceType:       r.text("openstack_service_type"),
		ServiceName:       r.text("openstack_service_name"),
		ComputeURL:        r.text("openstack_management_url"),
		CACert:            r.path("openstack_cacert"),
		Insecure:          r.flag("disable_ssl_validation"),
		ConnectTimeout:    r.seconds("connect_timeout", 0),
		ReadTimeout:       r.seconds("read_timeout", 0),
		WriteTimeout:      r.seconds("write_timeout", 0),
	}
	if strings.HasPrefix(strings.TrimSpace(a.URL), "/") {
		a.URL = ""
	}
	switch v := strings.TrimPrefix(strings.ToLower(a.IdentityVersion), "v"); {
	case strings.HasPrefix(v, "2"):
		a.IdentityVersion = "2"
	case strings.HasPrefix(v, "3"):
		a.IdentityVersion = "3"
	default:
		a.IdentityVersion = ""
	}
	return a, r.err
}

// hasCredentials says whether the section says who is to log in.
func hasCredentials(a cloud.Auth) bool {
	return a.URL != "" || a.Username != "" || a.UserID != "" || a.Password != "" || a.Token != "" || a.AppCredID != "" || a.AppCredName != ""
}

func complete(a cloud.Auth) bool { return a.Validate() == nil }

// fill completes own by what is around it.
func fill(own, around cloud.Auth) cloud.Auth {
	if own.URL != "" && around.URL != "" && !cloud.SameEndpoint(own.URL, around.URL) {
		return own
	}
	a := own
	or := func(to *string, from string) {
		if *to == "" {
			*to = from
		}
	}
	sameUser := (a.Username == "" && a.UserID == "") || a.Username == around.Username && around.Username != "" || a.UserID == around.UserID && around.UserID != ""
	or(&a.URL, around.URL)
	if own.URL == "" || own.IdentityVersion == "" && own.ProjectName == "" {
		or(&a.IdentityVersion, around.IdentityVersion)
	}
	secretless := a.Password == "" && a.Token == "" && a.AppCredID == "" && a.AppCredName == ""
	if sameUser && a.Token == "" && a.AppCredID == "" && a.AppCredName == "" {
		if a.Username == "" && a.UserID == "" {
			a.Username, a.UserID = around.Username, around.UserID
		}
		if a.UserDomainID == "" && a.UserDomainName == "" && a.DomainID == "" && a.DomainName == "" {
			a.UserDomainID, a.UserDomainName = around.UserDomainID, around.UserDomainName
		}
	}
	if secretless && sameUser {
		a.Password, a.Passcode, a.Token = around.Password, around.Passcode, around.Token
		a.AppCredID, a.AppCredName, a.AppCredSecret = around.AppCredID, around.AppCredName, around.AppCredSecret
	}
	sameProject := a.ProjectName == "" && a.ProjectID == "" || a.ProjectName != "" && a.ProjectName == around.ProjectName
	if sameProject {
		if a.ProjectName == "" && a.ProjectID == "" {
			a.ProjectName, a.ProjectID = around.ProjectName, around.ProjectID
			a.SystemScope, a.TrustID = around.SystemScope, around.TrustID
		}
		if a.ProjectDomainID == "" && a.ProjectDomainName == "" && a.DomainID == "" && a.DomainName == "" {
			a.ProjectDomainID, a.ProjectDomainName = around.ProjectDomainID, around.ProjectDomainName
		}
	}
	if a.DomainID == "" && a.DomainName == "" && a.UserDomainID == "" && a.UserDomainName == "" {
		a.DomainID, a.DomainName = around.DomainID, around.DomainName
	}
	or(&a.Region, around.Region)
	or(&a.Interface, around.Interface)
	or(&a.CACert, around.CACert)
	or(&a.ComputeURL, around.ComputeURL)
	or(&a.NetworkURL, around.NetworkURL)
	or(&a.ImageURL, around.ImageURL)
	or(&a.VolumeURL, around.VolumeURL)
	if a.Cert == "" {
		a.Cert, a.Key = around.Cert, around.Key
	}
	a.Insecure = a.Insecure || around.Insecure
	return a
}
