package clouds

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/galleyhq/galley/internal/credentials"
)

// authVariables are the keys of auth; each may stand outside of it, too.
var authVariables = map[string]string{
	"auth_url":                      "OS_AUTH_URL",
	"username":                      "OS_USERNAME",
	"user_id":                       "OS_USER_ID",
	"password":                      "OS_PASSWORD",
	"passcode":                      "OS_PASSCODE",
	"token":                         "OS_TOKEN",
	"project_name":                  "OS_PROJECT_NAME",
	"project_id":                    "OS_PROJECT_ID",
	"tenant_name":                   "OS_TENANT_NAME",
	"tenant_id":                     "OS_TENANT_ID",
	"user_domain_name":              "OS_USER_DOMAIN_NAME",
	"user_domain_id":                "OS_USER_DOMAIN_ID",
	"project_domain_name":           "OS_PROJECT_DOMAIN_NAME",
	"project_domain_id":             "OS_PROJECT_DOMAIN_ID",
	"domain_name":                   "OS_DOMAIN_NAME",
	"domain_id":                     "OS_DOMAIN_ID",
	"default_domain_id":             "OS_DEFAULT_DOMAIN_ID",
	"default_domain_name":           "OS_DEFAULT_DOMAIN_NAME",
	"default_domain":                "OS_DEFAULT_DOMAIN",
	"system_scope":                  "OS_SYSTEM_SCOPE",
	"trust_id":                      "OS_TRUST_ID",
	"application_credential_id":     "OS_APPLICATION_CREDENTIAL_ID",
	"application_credential_name":   "OS_APPLICATION_CREDENTIAL_NAME",
	"application_credential_secret": "OS_APPLICATION_CREDENTIAL_SECRET",
}

// plainVariables are the keys beside auth.
var plainVariables = map[string]string{
	"auth_type":            "OS_AUTH_TYPE",
	"region_name":          "OS_REGION_NAME",
	"interface":            "OS_INTERFACE",
	"identity_api_version": "OS_IDENTITY_API_VERSION",
}

// sameAs compares credentials with those that OS_* variables describe.
func sameAs(t *testing.T, want map[string]string, got credentials.Auth) {
	t.Helper()
	w, err := credentials.ReadEnv(func(name string) string { return want[name] })
	if err != nil {
		t.Fatal(err)
	}
	w.CACertFrom, got.CACertFrom = "", ""
	// What prints as [redacted] is compared as it is.
	type plain struct {
		credentials.Auth
		Password, Passcode, Token, Secret string
	}
	show := func(a credentials.Auth) plain {
		p := plain{a, string(a.Password), string(a.Passcode), string(a.Token), string(a.AppCredSecret)}
		p.Auth.Password, p.Auth.Passcode, p.Auth.Token, p.Auth.AppCredSecret = "", "", "", ""
		return p
	}
	if d := cmp.Diff(show(w), show(got)); d != "" {
		t.Errorf("(-want +got)\n%s", d)
	}
}
