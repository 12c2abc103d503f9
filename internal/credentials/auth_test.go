package credentials

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/galleyhq/galley/internal/settings"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"gopkg.in/yaml.v3"
)

func TestParseURL(t *testing.T) {
	for in, want := range map[string]URL{
		"http://h:5000":                      {"http://h:5000/", ""},
		"http://h:5000/":                     {"http://h:5000/", ""},
		"http://h:5000/v3":                   {"http://h:5000/", "3"},
		"http://h:5000/v3/":                  {"http://h:5000/", "3"},
		"http://h:5000/v3//":                 {"http://h:5000/", "3"},
		"http://h:5000/v3/auth/tokens":       {"http://h:5000/", "3"},
		"http://h:5000/v3/auth/tokens/":      {"http://h:5000/", "3"},
		"http://h:5000/v2.0":                 {"http://h:5000/", "2"},
		"http://h:5000/v2.0/":                {"http://h:5000/", "2"},
		"http://h:5000/v2.0/tokens":          {"http://h:5000/", "2"},
		"http://h:5000/v2.0/tokens/tokens":   {"http://h:5000/v2.0/tokens/", ""}, // nobody writes that
		"http://h:5000/v3/tokens":            {"http://h:5000/", "3"},
		"http://h:5000/tokens":               {"http://h:5000/", ""},
		"https://h/identity":                 {"https://h/identity/", ""},
		"https://h/identity/v3":              {"https://h/identity/", "3"},
		"https://h/identity/v3/auth/tokens":  {"https://h/identity/", "3"},
		"https://h/keystone/main/v3":         {"https://h/keystone/main/", "3"},
		"  https://h:13000/v3 ":              {"https://h:13000/", "3"},
		"https://[2001:db8::1]:5000/v3":      {"https://[2001:db8::1]:5000/", "3"},
		"https://h/identity/v3?x=1#frag":     {"https://h/identity/", "3"},
		"https://h:5000/V3":                  {"https://h:5000/", "3"},
		"http://identity.example.com/v3.14/": {"http://identity.example.com/", "3"},
		"http://h:35357/v2.0":                {"http://h:35357/", "2"},
		"http://h:5000/v2.0/auth/tokens":     {"http://h:5000/", "2"},
		"https://authority.example/auth":     {"https://authority.example/", ""},
		"https://h/auth/v3/":                 {"https://h/auth/", "3"},
	} {
		if strings.Contains(in, "tokens/tokens") {
			want = URL{"http://h:5000/v2.0/tokens/", ""}
		}
		got, err := ParseURL(in)
		if err != nil || got != want {
			t.Errorf("ParseURL(%q) = %+v, %v; want %+v", in, got, err, want)
		}
	}
	for _, in := range []string{"", "/tokens", "/v3", "h:5000/v3", "ftp://h/v3", "http://", "https://user:pw@h/v3", "http://%zz/"} {
		if got, err := ParseURL(in); err == nil {
			t.Errorf("ParseURL(%q) = %+v, want an error", in, got)
		} else if !errors.As(err, new(*Error)) || strings.Contains(err.Error(), "pw") {
			t.Errorf("ParseURL(%q): %v", in, err)
		}
	}
}

func env(pairs ...string) func(string) string {
	m := map[string]string{}
	for _, p := range pairs {
		k, v, _ := strings.Cut(p, "=")
		m[k] = v
	}
	return func(name string) string { return m[name] }
}

func TestFromEnv(t *testing.T) {
	base := []string{"OS_AUTH_URL=http://h:5000/v3", "OS_USERNAME=demo", "OS_PASSWORD=secret"}
	with := func(more ...string) []string { return append(append([]string{}, base...), more...) }
	for name, c := range map[string]struct {
		env                     []string
		want                    Auth
		userDomain, projDomain  string
		userDomName, projDomNam string
	}{
		"v3, domains by name": {
			env:         with("OS_PROJECT_NAME=p", "OS_USER_DOMAIN_NAME=Users", "OS_PROJECT_DOMAIN_NAME=Projects"),
			want:        Auth{ProjectName: "p", UserDomainName: "Users", ProjectDomainName: "Projects"},
			userDomName: "Users", projDomNam: "Projects",
		},
		"v3, domains by id": {
			env:        with("OS_PROJECT_NAME=p", "OS_USER_DOMAIN_ID=u", "OS_PROJECT_DOMAIN_ID=d"),
			want:       Auth{ProjectName: "p", UserDomainID: "u", ProjectDomainID: "d"},
			userDomain: "u", projDomain: "d",
		},
		"v2 tenant": {
			env:        with("OS_TENANT_NAME=t", "OS_TENANT_ID=123"),
			want:       Auth{ProjectName: "t", ProjectID: "123"},
			userDomain: "default", projDomain: "default",
		},
		"one domain for both": {
			env:         with("OS_PROJECT_NAME=p", "OS_DOMAIN_NAME=Both"),
			want:        Auth{ProjectName: "p", DomainName: "Both"},
			userDomName: "Both", projDomNam: "Both",
		},
		"default domain": {
			env:        with("OS_PROJECT_NAME=p", "OS_DEFAULT_DOMAIN=dd"),
			want:       Auth{ProjectName: "p", UserDomainID: "dd", ProjectDomainID: "dd"},
			userDomain: "dd", projDomain: "dd",
		},
		"only the user's domain": {
			env:         with("OS_PROJECT_NAME=p", "OS_USER_DOMAIN_NAME=Users"),
			want:        Auth{ProjectName: "p", UserDomainName: "Users"},
			userDomName: "Users", projDomNam: "Users",
		},
		"blank is unset": {
			env:        with("OS_PROJECT_NAME=p", "OS_PROJECT_ID=", "OS_USER_DOMAIN_NAME= "),
			want:       Auth{ProjectName: "p"},
			userDomain: "default", projDomain: "default",
		},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := fromEnv(env(c.env...))
			if err != nil {
				t.Fatal(err)
			}
			c.want.URL, c.want.Username, c.want.Password = "http://h:5000/v3", "demo", "secret"
			if d := cmp.Diff(c.want, got, cmpopts.EquateComparable()); d != "" {
				t.Error(d)
			}
			if id, name := got.UserDomain(); id != c.userDomain || name != c.userDomName {
				t.Errorf("user domain %q %q", id, name)
			}
			if id, name := got.ProjectDomain(); id != c.projDomain || name != c.projDomNam {
				t.Errorf("project domain %q %q", id, name)
			}
		})
	}
	t.Run("application credential", func(t *testing.T) {
		a, err := fromEnv(env("OS_AUTH_URL=http://h/v3", "OS_AUTH_TYPE=v3applicationcredential",
			"OS_APPLICATION_CREDENTIAL_ID=id", "OS_APPLICATION_CREDENTIAL_SECRET=s", "OS_PROJECT_NAME=left over"))
		if err != nil {
			t.Fatal(err)
		}
		if a.AppCredID != "id" || a.AppCredSecret != "s" || a.Password != "" {
			t.Errorf("%+v", a)
		}
	})
	t.Run("type decides", func(t *testing.T) {
		a, err := fromEnv(env(with("OS_AUTH_TYPE=password", "OS_TOKEN=t", "OS_APPLICATION_CREDENTIAL_ID=x", "OS_PROJECT_NAME=p")...))
		if err != nil || a.Token != "" || a.AppCredID != "" {
			t.Errorf("%+v, %v", a, err)
		}
	})
	t.Run("token", func(t *testing.T) {
		a, err := fromEnv(env("OS_AUTH_URL=http://h/v3", "OS_TOKEN=t"))
		if err != nil {
			t.Fatal(err)
		}
		if a.Token != "t" {
			t.Errorf("%+v", a)
		}
	})
	t.Run("system scope", func(t *testing.T) {
		a, err := fromEnv(env(with("OS_SYSTEM_SCOPE=all", "OS_PROJECT_NAME=p")...))
		if err != nil || !a.SystemScope {
			t.Errorf("%+v, %v", a, err)
		}
	})
	for _, bad := range []string{"OS_INSECURE=perhaps", "OS_AUTH_TYPE=v3oidcpassword", "OS_INTERFACE=secret", "OS_SYSTEM_SCOPE=some"} {
		if _, err := fromEnv(env(with("OS_PROJECT_NAME=p", bad)...)); !errors.As(err, new(*Error)) {
			t.Errorf("%s: %v", bad, err)
		}
	}
}

func TestMissingIsListedAtOnce(t *testing.T) {
	_, err := fromEnv(env())
	var m *MissingError
	if !errors.As(err, &m) {
		t.Fatalf("%T %v", err, err)
	}
	want := []string{"OS_AUTH_URL", "OS_USERNAME (or OS_USER_ID)", "OS_PASSWORD", "OS_PROJECT_NAME (or OS_PROJECT_ID)"}
	if d := cmp.Diff(want, m.Missing); d != "" {
		t.Error(d)
	}
	if !strings.Contains(m.Hint(), "RC file") {
		t.Error(m.Hint())
	}
	if _, err := fromEnv(env("OS_AUTH_URL=http://h", "OS_USERNAME=u", "OS_PASSWORD=p")); err != nil {
		t.Errorf("a user's default project is not asked for: %v", err)
	}
}

func TestSecretsDoNotShow(t *testing.T) {
	const word = "s3kr1t"
	a := Auth{URL: "http://h", Password: word, Token: word, AppCredSecret: word, Passcode: word}
	j, _ := json.Marshal(a)
	y, err := yaml.Marshal(a)
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{fmt.Sprint(a), fmt.Sprintf("%v %+v %#v", a, a, a), fmt.Sprintf("%s %q %x %d", a.Password, a.Password, a.Password, a.Password), string(j), string(y), a.Fingerprint()} {
		if strings.Contains(text, word) || strings.Contains(text, fmt.Sprintf("%x", word)) {
			t.Errorf("shown: %s", text)
		}
	}
	if a.Password.Reveal() != word {
		t.Error("the secret is lost")
	}
	b := a
	b.Password = "other"
	if a.Fingerprint() == b.Fingerprint() {
		t.Error("two passwords share a connection")
	}
}

func FuzzParseURL(f *testing.F) {
	for _, s := range []string{"http://h:5000/v3", "https://h/identity/v2.0/tokens", "/tokens", "http://[::1]:5000//v3//auth/tokens"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		u, err := ParseURL(s)
		if err != nil {
			return
		}
		if !strings.HasSuffix(u.Base, "/") {
			t.Errorf("%q: base %q", s, u.Base)
		}
		// What was understood once is understood again, to the same end.
		again, err := ParseURL(u.Base + "v3/auth/tokens")
		if err != nil || again.Version != "3" || again.Base != u.Base {
			t.Errorf("%q: %+v then %+v, %v", s, u, again, err)
		}
	})
}

// fromEnv reads OS_* variables and checks that they are complete.
func fromEnv(lookup func(string) string) (Auth, error) {
	a, err := ReadEnv(lookup)
	if err != nil {
		return a, err
	}
	return a, a.Validate("the environment", settings.Environment)
}
