package session

import (
	"strings"

	"github.com/galleyhq/galley/internal/secret"
)

// Named says whether a says who is to log in, or where.
func (a Auth) Named() bool {
	return a.URL != "" || a.Username != "" || a.UserID != "" || a.Password != "" || a.Token != "" || a.AppCredID != "" || a.AppCredName != ""
}

// ReadKeys interprets the keys openstack_* that are text, as kitchen.yml and
// knife.rb have them. text returns the first of its keys that is set, "" for
// none. An auth URL without a host is what an empty OS_AUTH_URL leaves of
// "#{ENV['OS_AUTH_URL']}/tokens": unset. Passwords are the caller's, since
// their keys differ.
func ReadKeys(text func(keys ...string) string) Auth {
	a := Auth{
		URL:               text("openstack_auth_url"),
		IdentityVersion:   majorVersion(text("openstack_identity_api_version")),
		Username:          text("openstack_username"),
		UserID:            text("openstack_userid"),
		Token:             secret.Text(text("openstack_auth_token")),
		AppCredID:         text("openstack_application_credential_id"),
		AppCredName:       text("openstack_application_credential_name"),
		AppCredSecret:     secret.Text(text("openstack_application_credential_secret")),
		ProjectID:         text("openstack_project_id", "openstack_tenant_id"),
		ProjectName:       text("openstack_project_name", "openstack_tenant"),
		DomainID:          text("openstack_domain_id"),
		DomainName:        text("openstack_domain_name"),
		UserDomainID:      text("openstack_user_domain_id"),
		UserDomainName:    text("openstack_user_domain_name", "openstack_user_domain"),
		ProjectDomainID:   text("openstack_project_domain_id"),
		ProjectDomainName: text("openstack_project_domain_name", "openstack_project_domain"),
		Region:            text("openstack_region"),
		Interface:         text("openstack_endpoint_type"),
		ServiceType:       text("openstack_service_type"),
		ServiceName:       text("openstack_service_name"),
		ComputeURL:        text("openstack_management_url"),
	}
	if strings.HasPrefix(strings.TrimSpace(a.URL), "/") {
		a.URL = ""
	}
	return a
}

// Complete fills in what own leaves open from what is around it, as the
// environment, as long as both mean the same cloud, user and project.
func (own Auth) Complete(around Auth) Auth {
	if own.URL != "" && around.URL != "" && !SameEndpoint(own.URL, around.URL) {
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
