package credentials

import (
	"fmt"
	"net/url"
	"strings"

	"github.com/galleyhq/galley/internal/secret"
	"github.com/galleyhq/galley/internal/text"
)

// MajorVersion is "2" or "3" for every spelling of a version, "" for others.
func MajorVersion(v string) string {
	v = strings.TrimPrefix(strings.ToLower(strings.TrimSpace(v)), "v")
	switch {
	case strings.HasPrefix(v, "2"):
		return "2"
	case strings.HasPrefix(v, "3"):
		return "3"
	}
	return ""
}

// URL is an auth URL taken apart.
type URL struct {
	// Base is everything before the version, ending in a slash.
	Base string
	// Version is "2" or "3" where the URL names one.
	Version string
}

var versionSegment = text.Lazy(`^v[0-9]+(\.[0-9]+)?$`)

// ParseURL understands every spelling of an auth URL that documents and
// examples have ever shown.
func ParseURL(raw string) (URL, error) {
	bad := func(said string) (URL, error) {
		return URL{}, invalid(fmt.Sprintf("use the auth URL %q", secret.HideURLs(raw)), said,
			"an auth URL looks like https://cloud.example.com:5000/v3; the cloud's RC file sets it as OS_AUTH_URL")
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
		return bad("it is not a URL")
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
	out := URL{}
	if n := len(segments); n > 0 && versionSegment().MatchString(strings.ToLower(segments[n-1])) {
		out.Version = MajorVersion(segments[n-1])
		segments = segments[:n-1]
	}
	u.Path, u.RawPath, u.RawQuery, u.Fragment = "/"+strings.Join(segments, "/"), "", "", ""
	out.Base = strings.TrimSuffix(u.String(), "/") + "/"
	return out, nil
}
