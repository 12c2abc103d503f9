package session

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/url"
	"regexp"
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

// Auth says which cloud, who, and in which project. [AuthFromEnv] makes it of
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
	Insecure          bool

	// ConnectTimeout, ReadTimeout and WriteTimeout are those of the HTTP
	// client; 0 is [DefaultTimeout].
	ConnectTimeout, ReadTimeout, WriteTimeout time.Duration
}

func (a Auth) connectTimeout() time.Duration { return orDefault(a.ConnectTimeout) }
func (a Auth) readTimeout() time.Duration    { return orDefault(a.ReadTimeout) }
func (a Auth) writeTimeout() time.Duration   { return orDefault(a.WriteTimeout) }

func orDefault(d time.Duration) time.Duration {
	if d <= 0 {
		return DefaultTimeout
	}
	return d
}

// Fingerprint identifies the connection that a makes, without showing secrets.
func (a Auth) Fingerprint() string {
	h := sha256.New()
	secrets := []secret.Text{a.Password, a.Passcode, a.Token, a.AppCredSecret}
	fmt.Fprintf(h, "%#v", a)
	for _, s := range secrets {
		fmt.Fprintf(h, "|%d|%s", len(s), string(s))
	}
	return hex.EncodeToString(h.Sum(nil))
}

// MissingError is a set of credentials that lacks something. It names all
// that is missing at once.
type MissingError struct {
	// Missing has one entry for each thing that is not there, with its
	// alternatives: "OS_USERNAME (or OS_USER_ID)".
	Missing []string
	// Where names what was read: "the environment", "the driver section".
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

// Hint says how to get what is missing.
func (e *MissingError) Hint() string {
	return "download an RC file from the cloud's dashboard (API Access, \"OpenStack RC file\") and source it: `. ./PROJECT-openrc.sh`; or name an entry of clouds.yaml in OS_CLOUD"
}

// AuthFromEnv interprets OS_* variables as an RC file sets them, those of
// today and those of Keystone v2's time. An empty variable counts as unset.
// What is missing is one [*MissingError].
func AuthFromEnv(lookup func(string) string) (Auth, error) {
	a, err := ReadEnv(lookup)
	if err != nil {
		return a, err
	}
	return a, a.Validate("the environment", settings.Environment)
}

// ReadEnv is [AuthFromEnv] for callers who complete the credentials from
// elsewhere: what is missing is no error.
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
		IdentityVersion:   majorVersion(first("OS_IDENTITY_API_VERSION")),
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
		return a, Fail(Invalid, "read the credentials", fmt.Sprintf("OS_INSECURE is %q, expected true or false", v), "")
	}
	switch v := first("OS_SYSTEM_SCOPE"); v {
	case "", "none", "false":
	case "all", "true":
		a.SystemScope = true
	default:
		return a, Fail(Invalid, "read the credentials", fmt.Sprintf("OS_SYSTEM_SCOPE is %q, expected all", v), "")
	}
	// OS_DEFAULT_DOMAIN stands in for both domains, as in the openstack client.
	if d := first("OS_DEFAULT_DOMAIN", "OS_DEFAULT_DOMAIN_ID"); d != "" {
		if a.UserDomainID == "" && a.UserDomainName == "" {
			a.UserDomainID = d
		}
		if a.ProjectDomainID == "" && a.ProjectDomainName == "" {
			a.ProjectDomainID = d
		}
	} else if d := first("OS_DEFAULT_DOMAIN_NAME"); d != "" {
		if a.UserDomainID == "" && a.UserDomainName == "" {
			a.UserDomainName = d
		}
		if a.ProjectDomainID == "" && a.ProjectDomainName == "" {
			a.ProjectDomainName = d
		}
	}
	if v := first("OS_API_TIMEOUT"); v != "" {
		n, err := strconv.ParseFloat(v, 64)
		if err != nil || n <= 0 {
			return a, Fail(Invalid, "read the credentials", fmt.Sprintf("OS_API_TIMEOUT is %q, expected a number of seconds", v), "")
		}
		a.ReadTimeout = time.Duration(n * float64(time.Second))
	}
	// The type of authentication decides when several sets are present, as
	// when one RC file was sourced after another.
	switch kind := strings.ToLower(first("OS_AUTH_TYPE", "OS_AUTH_PLUGIN")); kind {
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
		return a, Fail(Invalid, "log in", fmt.Sprintf("OS_AUTH_TYPE is %q, which is not supported", kind),
			"use password, token or v3applicationcredential")
	}
	return a, nil
}

// SameEndpoint says whether two auth URLs are of one identity service,
// however they are spelt.
func SameEndpoint(a, b string) bool {
	x, errX := parseAuthURL(a)
	y, errY := parseAuthURL(b)
	return errX == nil && errY == nil && strings.EqualFold(x.base, y.base)
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
	if _, err := parseAuthURL(a.URL); err != nil {
		return err
	}
	_, err := a.availability()
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

// availability normalises Interface: "publicURL" and "public" are the same.
func (a Auth) availability() (string, error) {
	v := strings.ToLower(strings.TrimSpace(a.Interface))
	v = strings.TrimSuffix(v, "url")
	if v == "" {
		v = "public"
	}
	if !slices.Contains([]string{"public", "internal", "admin"}, v) {
		return "", Fail(Invalid, "use the endpoint type", fmt.Sprintf("%q is none of public, internal and admin", a.Interface), "")
	}
	return v, nil
}

// userDomain returns the user's domain. What is not said is taken from what is:
// a general domain, then the project's, then Keystone's default domain.
func (a Auth) userDomain() (id, name string) {
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

func (a Auth) projectDomain() (id, name string) {
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
	return a.userDomain()
}

func majorVersion(v string) string {
	v = strings.TrimPrefix(strings.ToLower(strings.TrimSpace(v)), "v")
	switch {
	case strings.HasPrefix(v, "2"):
		return "2"
	case strings.HasPrefix(v, "3"):
		return "3"
	}
	return ""
}

// identityURL is an auth URL taken apart.
type identityURL struct {
	// base is everything before the version, ending in a slash.
	base string
	// version is "2" or "3" where the URL names one.
	version string
}

var versionSegment = regexp.MustCompile(`^v[0-9]+(\.[0-9]+)?$`)

// parseAuthURL understands every spelling of an auth URL that documents and
// examples have ever shown.
func parseAuthURL(raw string) (identityURL, error) {
	bad := func(said string) (identityURL, error) {
		return identityURL{}, Fail(Invalid, fmt.Sprintf("use the auth URL %q", raw), said,
			"").Advise("an auth URL looks like https://cloud.example.com:5000/v3; the cloud's RC file sets it as OS_AUTH_URL")
	}
	s := strings.TrimSpace(raw)
	if strings.HasPrefix(s, "/") {
		return bad("it has no host; was OS_AUTH_URL empty when the file was read?")
	}
	if !strings.Contains(s, "://") {
		return bad("it does not begin with http:// or https://")
	}
	u, err := url.Parse(s)
	if err != nil || u.Host == "" {
		return bad("it is no URL")
	}
	if u.Scheme != "http" && u.Scheme != "https" {
		return bad("it does not begin with http:// or https://")
	}
	if u.User != nil {
		return bad("it has a user name in it; credentials go into their own settings")
	}
	var segments []string
	for _, seg := range strings.Split(u.Path, "/") {
		if seg != "" {
			segments = append(segments, seg)
		}
	}
	drop := func(last string) {
		if n := len(segments); n > 0 && strings.EqualFold(segments[n-1], last) {
			segments = segments[:n-1]
		}
	}
	drop("tokens")
	drop("auth")
	out := identityURL{}
	if n := len(segments); n > 0 && versionSegment.MatchString(strings.ToLower(segments[n-1])) {
		out.version = majorVersion(segments[n-1])
		segments = segments[:n-1]
	}
	u.Path, u.RawPath, u.RawQuery, u.Fragment = "/"+strings.Join(segments, "/"), "", "", ""
	out.base = strings.TrimSuffix(u.String(), "/") + "/"
	return out, nil
}
