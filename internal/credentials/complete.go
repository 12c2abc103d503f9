package credentials

import (
	"strings"

	"github.com/galleyhq/galley/internal/secret"
)

// Named says whether a says who is to log in, or where.
func (a Auth) Named() bool {
	return a.URL != "" || a.namesUser() || a.hasSecret()
}

// ReadKeys interprets the keys openstack_* that are text, as kitchen.yml and
// knife.rb have them. text returns the first of its keys that is set, "" for
// none. An auth URL without a host is what an empty OS_AUTH_URL leaves of
// "#{ENV['OS_AUTH_URL']}/tokens": unset. Passwords are the caller's, since
// their keys differ.
func ReadKeys(text func(keys ...string) string) Auth {
	a := Auth{
		URL:               text("openstack_auth_url"),
		IdentityVersion:   MajorVersion(text("openstack_identity_api_version")),
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

// Complete fills in what own leaves open from around: the environment, or an
// entry of clouds.yaml. Nothing is taken that belongs to another cloud, user or
// project:
//
//	taken from around       when own
//	anything at all         names no identity service, or the same one
//	identity version        has no URL, or neither a version nor a project's name
//	user                    names none, and has no token or application credential
//	domain of the user      logs in as that user or names none, and names no domain
//	password, token,        has no secret of any kind, and names that user or none
//	application credential
//	project, scope, trust   names no project
//	domain of the project   names that project or none, and names no domain
//	domain                  names neither it nor the user's domain
//	region, interface,      does not set them
//	files, endpoints, time
//	no verification         either of them asks for it
func (own Auth) Complete(around Auth) Auth {
	if own.URL != "" && around.URL != "" && !SameEndpoint(own.URL, around.URL) {
		return own
	}
	a := own
	fill(&a.URL, around.URL)
	if own.URL == "" || (own.IdentityVersion == "" && own.ProjectName == "") {
		fill(&a.IdentityVersion, around.IdentityVersion)
	}
	if own.sameUser(around) {
		a.takeUser(around)
		if !own.hasSecret() {
			a.takeSecrets(around)
		}
	}
	if own.sameProject(around) {
		a.takeProject(around)
	}
	if !a.hasDomain() && a.UserDomainID == "" && a.UserDomainName == "" {
		a.DomainID, a.DomainName = around.DomainID, around.DomainName
	}
	a.takeConnection(around)
	return a
}

// fill sets empty fields.
func fill(to *string, from string) {
	if *to == "" {
		*to = from
	}
}

// namesUser, hasDomain and hasAppCred say what the credentials name; hasSecret
// whether they can log in by themselves.
func (a Auth) namesUser() bool  { return a.Username != "" || a.UserID != "" }
func (a Auth) hasDomain() bool  { return a.DomainID != "" || a.DomainName != "" }
func (a Auth) hasAppCred() bool { return a.AppCredID != "" || a.AppCredName != "" }
func (a Auth) hasSecret() bool  { return a.Password != "" || a.Token != "" || a.hasAppCred() }

// sameUser reports whether a names the user of b, or none.
func (a Auth) sameUser(b Auth) bool {
	if !a.namesUser() {
		return true
	}
	return (a.Username != "" && a.Username == b.Username) || (a.UserID != "" && a.UserID == b.UserID)
}

// sameProject reports whether a names the project of b, or none.
func (a Auth) sameProject(b Auth) bool {
	if a.ProjectName == "" {
		return a.ProjectID == ""
	}
	return a.ProjectName == b.ProjectName
}

// takeUser fills in the user and its domain. A token or an application
// credential has its own.
func (a *Auth) takeUser(from Auth) {
	if a.Token != "" || a.hasAppCred() {
		return
	}
	if !a.namesUser() {
		a.Username, a.UserID = from.Username, from.UserID
	}
	if a.UserDomainID == "" && a.UserDomainName == "" && !a.hasDomain() {
		a.UserDomainID, a.UserDomainName = from.UserDomainID, from.UserDomainName
	}
}

func (a *Auth) takeSecrets(from Auth) {
	a.Password, a.Passcode, a.Token = from.Password, from.Passcode, from.Token
	a.AppCredID, a.AppCredName, a.AppCredSecret = from.AppCredID, from.AppCredName, from.AppCredSecret
}

// takeProject fills in the project, or what else the login is scoped to, and
// the project's domain.
func (a *Auth) takeProject(from Auth) {
	if a.ProjectName == "" && a.ProjectID == "" {
		a.ProjectName, a.ProjectID = from.ProjectName, from.ProjectID
		a.SystemScope, a.TrustID = from.SystemScope, from.TrustID
	}
	if a.ProjectDomainID == "" && a.ProjectDomainName == "" && !a.hasDomain() {
		a.ProjectDomainID, a.ProjectDomainName = from.ProjectDomainID, from.ProjectDomainName
	}
}

// takeConnection fills in how the services are reached.
func (a *Auth) takeConnection(from Auth) {
	fill(&a.Region, from.Region)
	fill(&a.Interface, from.Interface)
	if a.CACert == "" {
		a.CACert, a.CACertFrom = from.CACert, from.CACertFrom
	}
	fill(&a.ComputeURL, from.ComputeURL)
	fill(&a.NetworkURL, from.NetworkURL)
	fill(&a.ImageURL, from.ImageURL)
	fill(&a.VolumeURL, from.VolumeURL)
	if a.Cert == "" {
		a.Cert, a.Key = from.Cert, from.Key
	}
	if a.ReadTimeout == 0 {
		a.ReadTimeout = from.ReadTimeout
	}
	a.Insecure = a.Insecure || from.Insecure
}
