package credentials

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/galleyhq/galley/internal/secret"
	"github.com/galleyhq/galley/internal/settings"
	"github.com/galleyhq/galley/internal/text"
)

// DefaultTimeout is used for each of connect, read and write where the
// configuration names none (kitchen-openstack: 60 s).
const DefaultTimeout = 60 * time.Second

// Auth says which cloud, who, and in which project. [ReadEnv] makes it of
// OS_* variables; a driver fills in the fields itself.
type Auth struct {
	// URL is the identity service in any spelling: with or without a version,
	// with the path of its token call, with slashes at the end.
	URL string
	// IdentityVersion is "2" or "3" where the configuration asks for one; the
	// cloud's own version discovery has the last word.
	IdentityVersion string

	Username, UserID string
	Password         secret.Text
	// Passcode is the one-time password of TOTP, beside Password.
	Passcode secret.Text
	// UserDomainID and UserDomainName are the user's domain, one of them is
	// enough; "default" where neither is set.
	UserDomainID, UserDomainName string

	// Token is a ready token in place of user and password.
	Token secret.Text
	// AppCredID, or AppCredName with the user, and AppCredSecret are an
	// application credential. It carries its project.
	AppCredID, AppCredName string
	AppCredSecret          secret.Text

	// ProjectID or ProjectName (in Keystone v2: tenant) is the project.
	ProjectID, ProjectName             string
	ProjectDomainID, ProjectDomainName string
	// DomainID or DomainName scopes to a domain where no project is named.
	DomainID, DomainName string
	// SystemScope scopes to the whole deployment, TrustID to a trust.
	SystemScope bool
	TrustID     string

	// Region picks the endpoints, "" where the cloud has one region only.
	Region string
	// Interface is "public" (also when empty), "internal" or "admin".
	Interface string
	// ServiceType and ServiceName pick the compute service where the catalogue
	// has it under another type or several of them
	// (kitchen-openstack: openstack_service_type, openstack_service_name).
	ServiceType, ServiceName string
	// ComputeURL and the others replace what the catalogue says.
	ComputeURL, NetworkURL, ImageURL, VolumeURL string

	// CACert, Cert and Key are files; Insecure skips the check of certificates.
	CACert, Cert, Key string
	// CACertFrom says where CACert was set, for errors.
	CACertFrom string
	Insecure   bool

	// ConnectTimeout, ReadTimeout and WriteTimeout are those of the HTTP
	// client; 0 is [DefaultTimeout].
	ConnectTimeout, ReadTimeout, WriteTimeout time.Duration
}

// Connecting is the timeout for a connection.
func (a Auth) Connecting() time.Duration { return orDefault(a.ConnectTimeout) }

// Reading is the timeout for an answer.
func (a Auth) Reading() time.Duration { return orDefault(a.ReadTimeout) }

// Writing is the timeout for a request.
func (a Auth) Writing() time.Duration { return orDefault(a.WriteTimeout) }

func orDefault(d time.Duration) time.Duration {
	if d <= 0 {
		return DefaultTimeout
	}
	return d
}

// Fingerprint identifies the connection that a makes, without showing secrets.
func (a Auth) Fingerprint() string {
	h := sha256.New()
	fmt.Fprintf(h, "%#v", a)
	for _, s := range a.Secrets() {
		fmt.Fprintf(h, "|%d|%s", len(s), s)
	}
	return hex.EncodeToString(h.Sum(nil))
}

// Secrets returns what must not be printed, for a [secret.Redactor]; entries
// may be empty.
func (a Auth) Secrets() []string {
	return []string{string(a.Password), string(a.Passcode), string(a.Token), string(a.AppCredSecret)}
}

// MissingError is a set of credentials that lacks something. It names all
// that is missing at once.
type MissingError struct {
	// Missing has one entry for each thing that is not there, with its
	// alternatives: "OS_USERNAME (or OS_USER_ID)".
	Missing []string
	// Where names the source that was read: "the environment", "the driver section".
	Where string
}

// Error implements error.
func (e *MissingError) Error() string {
	verb := "is"
	if len(e.Missing) > 1 {
		verb = "are"
	}
	return fmt.Sprintf("credentials are incomplete: %s %s not set in %s", text.And(e.Missing), verb, e.Where)
}

// Hint says how to get the missing values.
func (e *MissingError) Hint() string {
	return "download an RC file from the cloud's dashboard (API Access, \"OpenStack RC file\") and source it: `. ./PROJECT-openrc.sh`; or name an entry of clouds.yaml in OS_CLOUD"
}

// ReadEnv interprets OS_* variables as an RC file sets them, those of today and
// those of Keystone v2's time. An empty variable counts as unset. Missing ones
// are not an error: see [Auth.Validate].
func ReadEnv(lookup func(string) string) (Auth, error) {
	first := func(names ...string) string {
		for _, n := range names {
			if v := strings.TrimSpace(lookup(n)); v != "" {
				return v
			}
		}
		return ""
	}
	// Passwords may begin or end with a blank.
	verbatim := func(names ...string) secret.Text {
		for _, n := range names {
			if v := lookup(n); v != "" {
				return secret.Text(v)
			}
		}
		return ""
	}
	a := Auth{
		URL:               first("OS_AUTH_URL"),
		IdentityVersion:   MajorVersion(first("OS_IDENTITY_API_VERSION")),
		Username:          first("OS_USERNAME", "OS_USER_NAME"),
		UserID:            first("OS_USER_ID", "OS_USERID"),
		Password:          verbatim("OS_PASSWORD"),
		Passcode:          verbatim("OS_PASSCODE"),
		UserDomainID:      first("OS_USER_DOMAIN_ID"),
		UserDomainName:    first("OS_USER_DOMAIN_NAME"),
		Token:             verbatim("OS_TOKEN", "OS_AUTH_TOKEN"),
		AppCredID:         first("OS_APPLICATION_CREDENTIAL_ID"),
		AppCredName:       first("OS_APPLICATION_CREDENTIAL_NAME"),
		AppCredSecret:     verbatim("OS_APPLICATION_CREDENTIAL_SECRET"),
		ProjectID:         first("OS_PROJECT_ID", "OS_TENANT_ID"),
		ProjectName:       first("OS_PROJECT_NAME", "OS_TENANT_NAME"),
		ProjectDomainID:   first("OS_PROJECT_DOMAIN_ID"),
		ProjectDomainName: first("OS_PROJECT_DOMAIN_NAME"),
		DomainID:          first("OS_DOMAIN_ID"),
		DomainName:        first("OS_DOMAIN_NAME"),
		TrustID:           first("OS_TRUST_ID"),
		Region:            first("OS_REGION_NAME", "OS_REGION"),
		Interface:         first("OS_INTERFACE", "OS_ENDPOINT_TYPE"),
		CACert:            first("OS_CACERT"),
		Cert:              first("OS_CERT"),
		Key:               first("OS_KEY"),
		ComputeURL:        first("OS_COMPUTE_ENDPOINT_OVERRIDE"),
		NetworkURL:        first("OS_NETWORK_ENDPOINT_OVERRIDE"),
		ImageURL:          first("OS_IMAGE_ENDPOINT_OVERRIDE"),
		VolumeURL:         first("OS_VOLUME_ENDPOINT_OVERRIDE", "OS_BLOCK_STORAGE_ENDPOINT_OVERRIDE"),
	}
	switch v := strings.ToLower(first("OS_INSECURE")); v {
	case "", "0", "false", "no", "off", "n", "f":
	case "1", "true", "yes", "on", "y", "t":
		a.Insecure = true
	default:
		return a, invalid("read the credentials", fmt.Sprintf("OS_INSECURE is %q, expected true or false", v), "")
	}
	switch v := first("OS_SYSTEM_SCOPE"); v {
	case "", "none", "false":
	case "all", "true":
		a.SystemScope = true
	default:
		return a, invalid("read the credentials", fmt.Sprintf("OS_SYSTEM_SCOPE is %q, expected all", v), "")
	}
	if a.CACert != "" {
		a.CACertFrom = "OS_CACERT"
	}
	a.DefaultDomain(first("OS_DEFAULT_DOMAIN", "OS_DEFAULT_DOMAIN_ID"), first("OS_DEFAULT_DOMAIN_NAME"))
	if v := first("OS_API_TIMEOUT"); v != "" {
		n, err := strconv.ParseFloat(v, 64)
		if err != nil || n <= 0 {
			return a, invalid("read the credentials", fmt.Sprintf("OS_API_TIMEOUT is %q, expected a number of seconds", v), "")
		}
		a.ReadTimeout = time.Duration(n * float64(time.Second))
	}
	return a, a.Choose(first("OS_AUTH_TYPE", "OS_AUTH_PLUGIN"), "OS_AUTH_TYPE")
}

// DefaultDomain gives user and project the domain where they have none, as the
// openstack client does with OS_DEFAULT_DOMAIN.
func (a *Auth) DefaultDomain(id, name string) {
	if id != "" {
		name = ""
	}
	if a.UserDomainID == "" && a.UserDomainName == "" {
		a.UserDomainID, a.UserDomainName = id, name
	}
	if a.ProjectDomainID == "" && a.ProjectDomainName == "" {
		a.ProjectDomainID, a.ProjectDomainName = id, name
	}
}

// Choose keeps the credentials of one type of authentication where several are
// present, as when one RC file was sourced after another. setting names where
// the type was set, for the error about one that is not supported.
func (a *Auth) Choose(kind, setting string) error {
	switch strings.ToLower(kind) {
	case "":
	case "password", "v3password", "v3totp", "v3multifactor":
		a.Token, a.AppCredID, a.AppCredName, a.AppCredSecret = "", "", "", ""
	case "v2password":
		a.Token, a.AppCredID, a.AppCredName, a.AppCredSecret = "", "", "", ""
		a.IdentityVersion = "2"
	case "token", "v3token", "v2token":
		a.Password, a.Passcode, a.AppCredID, a.AppCredName, a.AppCredSecret = "", "", "", "", ""
	case "v3applicationcredential", "v3application_credential", "application_credential":
		a.Password, a.Passcode, a.Token = "", "", ""
	default:
		return invalid("log in", fmt.Sprintf("%s is %q, which is not supported", setting, kind),
			"use password, token or v3applicationcredential")
	}
	return nil
}

// SameEndpoint says whether two auth URLs are of one identity service,
// however they are spelt.
func SameEndpoint(a, b string) bool {
	x, errX := ParseURL(a)
	y, errY := ParseURL(b)
	return errX == nil && errY == nil && strings.EqualFold(x.Base, y.Base)
}

// Validate checks that a is complete and not contradictory. where names what
// was read, for the error: "the environment"; d is the dialect of its settings.
func (a Auth) Validate(where string, d settings.Dialect) error {
	var missing []string
	if a.URL == "" {
		missing = append(missing, nameIn(settings.AuthURL, d))
	}
	switch {
	case a.AppCredID != "" || a.AppCredName != "":
		if a.AppCredSecret == "" {
			missing = append(missing, nameIn(settings.AppCredSecret, d))
		}
		if a.AppCredID == "" && a.Username == "" && a.UserID == "" {
			missing = append(missing, nameIn(settings.Username, d))
		}
	case a.Token != "" && a.Password == "":
	default:
		if a.Username == "" && a.UserID == "" {
			missing = append(missing, nameIn(settings.Username, d))
		}
		if a.Password == "" && a.Passcode == "" {
			missing = append(missing, nameIn(settings.Password, d))
		}
		// A user may have a default project, so that its absence alone is
		// found out by logging in.
		if len(missing) > 0 && !a.hasScope() {
			missing = append(missing, nameIn(settings.ProjectName, d))
		}
	}
	if len(missing) > 0 {
		return &MissingError{Missing: missing, Where: where}
	}
	if _, err := ParseURL(a.URL); err != nil {
		return err
	}
	_, err := a.Availability()
	return err
}

// alternatives are the settings that do as well as another one.
var alternatives = map[settings.ID]settings.ID{
	settings.Username:    settings.UserID,
	settings.ProjectName: settings.ProjectID,
}

// nameIn names a missing setting with the ways to give it:
// "openstack_username (or OS_USERNAME)".
func nameIn(id settings.ID, d settings.Dialect) string {
	s, _ := settings.Lookup(id)
	var ways []string
	switch d {
	case settings.Kitchen:
		ways = []string{s.Name, s.Variable()}
	case settings.Knife:
		ways = []string{"knife[:" + s.Knife[0] + "]"}
		if s.Short != "" {
			ways = append(ways, "-"+s.Short)
		} else if s.Flag != "" {
			ways = append(ways, "--"+s.Flag)
		}
		ways = append(ways, s.Variable())
	default:
		ways = []string{s.Variable()}
		if other, ok := alternatives[id]; ok {
			o, _ := settings.Lookup(other)
			ways = append(ways, o.Variable())
		}
	}
	if len(ways) == 1 {
		return ways[0]
	}
	return ways[0] + " (or " + strings.Join(ways[1:], ", ") + ")"
}

func (a Auth) hasScope() bool {
	return a.ProjectID != "" || a.ProjectName != "" || a.DomainID != "" || a.DomainName != "" || a.SystemScope || a.TrustID != ""
}

// Availability normalizes Interface: "publicURL" and "public" are the same.
func (a Auth) Availability() (string, error) {
	v := strings.ToLower(strings.TrimSpace(a.Interface))
	v = strings.TrimSuffix(v, "url")
	if v == "" {
		v = "public"
	}
	if !slices.Contains([]string{"public", "internal", "admin"}, v) {
		return "", invalid("use the endpoint type", fmt.Sprintf("%q is none of public, internal and admin", a.Interface), "")
	}
	return v, nil
}

// UserDomain returns the user's domain. What is not said is taken from what is:
// a general domain, then the project's, then Keystone's default domain.
func (a Auth) UserDomain() (id, name string) {
	for _, d := range [][2]string{
		{a.UserDomainID, a.UserDomainName},
		{a.DomainID, a.DomainName},
		{a.ProjectDomainID, a.ProjectDomainName},
	} {
		switch {
		case d[0] != "":
			return d[0], ""
		case d[1] != "":
			return "", d[1]
		}
	}
	return "default", ""
}

// ProjectDomain returns the domain of the project, that of the user where none
// is set.
func (a Auth) ProjectDomain() (id, name string) {
	switch {
	case a.ProjectDomainID != "":
		return a.ProjectDomainID, ""
	case a.ProjectDomainName != "":
		return "", a.ProjectDomainName
	case a.DomainID != "":
		return a.DomainID, ""
	case a.DomainName != "":
		return "", a.DomainName
	}
	return a.UserDomain()
}
