package clouds

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/galleyhq/galley/internal/credentials"
	"github.com/galleyhq/galley/internal/secret"
	"github.com/galleyhq/galley/internal/text"
)

// fields returns where each key of auth goes; each may also be beside it.
func fields(a *credentials.Auth) map[string]*string {
	return map[string]*string{
		"auth_url":                      &a.URL,
		"username":                      &a.Username,
		"user_id":                       &a.UserID,
		"password":                      (*string)(&a.Password),
		"passcode":                      (*string)(&a.Passcode),
		"token":                         (*string)(&a.Token),
		"project_name":                  &a.ProjectName,
		"project_id":                    &a.ProjectID,
		"tenant_name":                   &a.ProjectName,
		"tenant_id":                     &a.ProjectID,
		"user_domain_name":              &a.UserDomainName,
		"user_domain_id":                &a.UserDomainID,
		"project_domain_name":           &a.ProjectDomainName,
		"project_domain_id":             &a.ProjectDomainID,
		"domain_name":                   &a.DomainName,
		"domain_id":                     &a.DomainID,
		"trust_id":                      &a.TrustID,
		"application_credential_id":     &a.AppCredID,
		"application_credential_name":   &a.AppCredName,
		"application_credential_secret": (*string)(&a.AppCredSecret),
	}
}

// rules are the keys of auth that are not fields.
var rules = []string{"default_domain_id", "default_domain_name", "default_domain", "system_scope"}

// repair turns old spellings into today's and puts everything where it
// belongs (openstacksdk: magic_fixes).
func repair(entry object) {
	auth := object{}
	for k, v := range mapping(entry["auth"]) {
		auth[k] = v
	}
	entry["auth"] = auth
	// The last of several spellings that has a value wins, and what stands
	// in auth wins over a value beside it.
	move := func(to string, from ...string) {
		value := ""
		for _, k := range from {
			for _, m := range []object{entry, auth} {
				if s := scalar(m[k]); s != "" {
					value = s
				}
				delete(m, k)
			}
		}
		if value != "" {
			auth[to] = value
		}
	}
	for _, k := range slices.Concat(slices.Collect(maps.Keys(fields(&credentials.Auth{}))), rules) {
		if !strings.HasPrefix(k, "tenant_") && !strings.HasPrefix(k, "project_n") && k != "project_id" && k != "token" {
			move(k, k)
		}
	}
	move("token", "auth_token", "token")
	if t := scalar(entry["auth_type"]); t == "v2password" || t == "v2token" {
		move("tenant_id", "project_id", "tenant_id")
		move("tenant_name", "project_name", "tenant_name")
	} else {
		move("project_id", "tenant_id", "project_id")
		move("project_name", "tenant_name", "project_name")
	}
	if old := scalar(entry["auth_plugin"]); old != "" && scalar(entry["auth_type"]) == "" {
		entry["auth_type"] = old
	}
	if old := scalar(entry["endpoint_type"]); old != "" {
		entry["interface"] = old
	}
	// A domain beside a project is short for the user's and the project's.
	if scalar(auth["project_id"]) != "" || scalar(auth["project_name"]) != "" || scalar(auth["tenant_id"]) != "" || scalar(auth["tenant_name"]) != "" {
		for _, kind := range []string{"_id", "_name"} {
			if d := scalar(auth["domain"+kind]); d != "" {
				for _, whose := range []string{"user_domain", "project_domain"} {
					if scalar(auth[whose+kind]) == "" {
						auth[whose+kind] = d
					}
				}
			}
			delete(auth, "domain"+kind)
		}
	}
	if url := scalar(auth["auth_url"]); url != "" {
		auth["auth_url"] = fill(url, entry)
	}
}

var placeholder = text.Lazy(`\{([a-z_]+)\}`)

// fill replaces {region_name} and its like by the entry's values.
func fill(s string, entry object) string {
	return placeholder().ReplaceAllStringFunc(s, func(p string) string {
		if v := scalar(entry[p[1:len(p)-1]]); v != "" {
			return v
		}
		return p
	})
}

// credentials reads an entry whose keys are where they belong.
func (o Options) credentials(e *Entry, entry object) (a credentials.Auth, err error) {
	auth := mapping(entry["auth"])
	for key, to := range fields(&a) {
		if v := scalar(auth[key]); v != "" {
			*to = v
		}
	}
	value := func(key string) string { return fill(scalar(entry[key]), entry) }
	a.IdentityVersion = credentials.MajorVersion(value("identity_api_version"))
	a.Region, a.Interface = value("region_name"), value("interface")
	if list, ok := entry["interface"].([]any); ok && len(list) > 0 {
		a.Interface = scalar(list[0])
	}
	path := func(key string) string { return o.expand(scalar(entry[key])) }
	a.CACert, a.Cert, a.Key = path("cacert"), path("cert"), path("key")
	if a.CACert != "" {
		a.CACertFrom = fmt.Sprintf("cacert of cloud %q in %s", e.Name, e.File)
	}
	a.Insecure = no(entry["verify"]) || yes(entry["insecure"])
	// Services whose endpoint the catalog has wrong.
	for service, to := range map[string]*string{
		"compute": &a.ComputeURL, "network": &a.NetworkURL, "image": &a.ImageURL, "block_storage": &a.VolumeURL, "volume": &a.VolumeURL,
	} {
		if v := value(service + "_endpoint_override"); v != "" {
			*to = v
		}
	}
	switch scope := scalar(auth["system_scope"]); scope {
	case "", "none", "false":
	case "all", "true":
		a.SystemScope = true
	default:
		return a, fmt.Errorf("cloud %q in %s: system_scope is %q, expected all", e.Name, e.File, scope)
	}
	a.DefaultDomain(orElse(scalar(auth["default_domain"]), scalar(auth["default_domain_id"])), scalar(auth["default_domain_name"]))
	// A password that is in neither file may be in the environment, as it is
	// for openstackclient; the entry would be of no use without it.
	if (a.Username != "" || a.UserID != "") && a.Password == "" && a.Token == "" && a.AppCredSecret == "" {
		a.Password = secret.Text(o.env("OS_PASSWORD"))
	}
	return a, a.Choose(value("auth_type"), fmt.Sprintf("auth_type of cloud %q in %s", e.Name, e.File))
}

// yes and no read a boolean, also one in quotes.
func yes(v any) bool { return slices.Contains([]string{"true", "yes", "on", "1"}, word(v)) }
func no(v any) bool  { return slices.Contains([]string{"false", "no", "off", "0"}, word(v)) }

func word(v any) string { return strings.ToLower(strings.TrimSpace(scalar(v))) }
