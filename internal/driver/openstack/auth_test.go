package openstack

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/galleyhq/galley/internal/config"
	"github.com/galleyhq/galley/internal/credentials"
)

func authOf(t *testing.T, s config.Section, env ...string) (credentials.Auth, error) {
	t.Helper()
	m := map[string]string{}
	for _, p := range env {
		k, v, _ := strings.Cut(p, "=")
		m[k] = v
	}
	root := t.TempDir()
	if err := os.WriteFile(filepath.Join(root, "clouds.yaml"), []byte(`
clouds:
  lab:
    auth: {auth_url: "http://lab/v3", username: labuser, password: labpw, project_name: labproject}
    region_name: lab1
`), 0o600); err != nil {
		t.Fatal(err)
	}
	d, err := New(s, Options{
		Instance: "i", Env: func(n string) string { return m[n] },
		Root: root,
	})
	if err != nil {
		t.Fatal(err)
	}
	return d.auth()
}

var v3rc = []string{
	"OS_AUTH_URL=http://h:5000/v3", "OS_USERNAME=demo", "OS_PASSWORD=pw", "OS_PROJECT_NAME=p",
	"OS_USER_DOMAIN_NAME=Users", "OS_PROJECT_DOMAIN_ID=projects", "OS_REGION_NAME=one",
}

func TestCredentialsOrder(t *testing.T) {
	t.Run("a v2 file with a v3 RC file", func(t *testing.T) {
		a, err := authOf(t, section("openstack_username", "demo", "openstack_api_key", "pw", "openstack_auth_url", "http://h:5000/v3/tokens", "openstack_tenant", nil), v3rc...)
		if err != nil {
			t.Fatal(err)
		}
		if a.ProjectName != "p" || a.UserDomainName != "Users" || a.ProjectDomainID != "projects" || a.Region != "one" || validate(a) != nil {
			t.Errorf("%+v", a)
		}
	})
	t.Run("all null: the environment", func(t *testing.T) {
		a, err := authOf(t, section("openstack_username", nil, "openstack_api_key", nil, "openstack_auth_url", "/tokens"), v3rc...)
		if err != nil || a.Username != "demo" || a.URL != "http://h:5000/v3" {
			t.Errorf("%+v, %v", a, err)
		}
	})
	t.Run("nothing at all", func(t *testing.T) {
		_, err := authOf(t, section("openstack_username", nil, "openstack_auth_url", "/tokens"))
		var m *credentials.MissingError
		if !errors.As(err, &m) || len(m.Missing) != 4 {
			t.Errorf("%v", err)
		}
	})
	t.Run("a separate cloud takes nothing of another", func(t *testing.T) {
		a, err := authOf(t, section("openstack_username", "me", "openstack_api_key", "x", "openstack_auth_url", "http://other/v3", "openstack_project_name", "mine"), v3rc...)
		if err != nil || a.Region != "" || a.UserDomainName != "" {
			t.Errorf("%+v, %v", a, err)
		}
	})
	t.Run("another user of the same cloud", func(t *testing.T) {
		a, err := authOf(t, section("openstack_username", "me", "openstack_api_key", "x", "openstack_auth_url", "http://h:5000/", "openstack_project_name", "mine"), v3rc...)
		if err != nil || a.UserDomainName != "" || a.ProjectDomainID != "" || a.Region != "one" || a.Password.Reveal() != "x" {
			t.Errorf("%+v, %v", a, err)
		}
	})
	t.Run("only the password is missing", func(t *testing.T) {
		a, err := authOf(t, section("openstack_username", "me", "openstack_auth_url", "http://h:5000/v3"))
		if err != nil {
			t.Fatal(err)
		}
		if err := validate(a); err == nil || !strings.Contains(err.Error(), "openstack_api_key (or OS_PASSWORD)") {
			t.Errorf("%v", err)
		}
	})
	t.Run("a user's own password is not mixed with another's", func(t *testing.T) {
		a, _ := authOf(t, section("openstack_username", "me", "openstack_auth_url", "http://h:5000/v3"), v3rc...)
		if a.Password != "" {
			t.Error("the password of another user is taken")
		}
	})
	t.Run("OS_CLOUD", func(t *testing.T) {
		a, err := authOf(t, section("openstack_region", "lab2"), append(v3rc, "OS_CLOUD=lab")...)
		if err != nil || a.Username != "labuser" || a.Region != "lab2" || a.UserDomainName != "" {
			t.Errorf("%+v, %v", a, err)
		}
	})
	t.Run("openstack_cloud", func(t *testing.T) {
		a, err := authOf(t, section("openstack_cloud", "lab"), v3rc...)
		if err != nil || a.URL != "http://lab/v3" || a.ProjectName != "labproject" {
			t.Errorf("%+v, %v", a, err)
		}
	})
	t.Run("explicit keys over OS_CLOUD", func(t *testing.T) {
		a, err := authOf(t, section("openstack_username", "me", "openstack_api_key", "x", "openstack_auth_url", "http://other/v3"), "OS_CLOUD=lab")
		if err != nil || a.Username != "me" {
			t.Errorf("%+v, %v", a, err)
		}
	})
	t.Run("a cloud that is not there", func(t *testing.T) {
		if _, err := authOf(t, section("openstack_cloud", "nowhere")); err == nil {
			t.Error("no error")
		}
	})
	t.Run("a number for a password", func(t *testing.T) {
		a, err := authOf(t, section("openstack_username", "me", "openstack_api_key", 12345, "openstack_auth_url", "http://h/v3"))
		if err != nil || a.Password.Reveal() != "12345" {
			t.Errorf("%v", err)
		}
	})
	t.Run("an application credential", func(t *testing.T) {
		a, err := authOf(t, section("openstack_auth_url", "http://h:5000/v3", "openstack_application_credential_id", "id", "openstack_application_credential_secret", "s"), v3rc...)
		if err != nil || a.Username != "" || a.Password != "" || validate(a) != nil {
			t.Errorf("%+v, %v", a, err)
		}
	})
}
