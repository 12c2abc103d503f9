package cli

import (
	"bytes"
	"cmp"
	"context"
	"crypto/fips140"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strings"

	"github.com/galleyhq/galley/internal/bootstrap"
	"github.com/galleyhq/galley/internal/bootstrap/chefserver"
	"github.com/galleyhq/galley/internal/config/knife"
)

// chefAccess connects to the Chef Server that knife's configuration and the
// flags name.
type chefAccess struct{ knife *knifeSetup }

// connect returns a client that signs with the user's key. Where no Chef
// Server is configured at all, the error is one that noChefServer knows.
func (a *chefAccess) connect(ctx context.Context) (*chefserver.Client, error) {
	c, err := a.knife.config(ctx)
	if err != nil {
		return nil, err
	}
	return a.client(ctx, c)
}

// client is connect for a configuration.
func (a *chefAccess) client(ctx context.Context, c *knife.Config) (*chefserver.Client, error) {
	if err := canServe(c); err != nil {
		return nil, err
	}
	signer, err := a.signer(ctx, c)
	if err != nil {
		return nil, err
	}
	web, err := chefHTTP(c, a.knife.env)
	if err != nil {
		return nil, &settingError{key: "trusted_certs_dir", msg: err.Error(), err: err, hint: "the file comes from " + cmp.Or(c.TrustedCertsDir, "ssl_ca_file or ssl_ca_path")}
	}
	return chefserver.New(c.ChefServerURL, signer, web)
}

// canServe refuses a configuration that names no usable Chef Server.
func canServe(c *knife.Config) error {
	switch {
	case c.LocalMode, strings.HasPrefix(c.ChefServerURL, "chefzero:"):
		where := "the configuration"
		if v, ok := c.Setting("local_mode"); ok {
			where = v.Where()
		}
		return &settingError{key: "local_mode", msg: "local_mode is on in " + where + ", and Galley has no Chef Server of its own", hint: "name a Chef Server with chef_server_url and leave local_mode out, or give --config-option local_mode=false"}
	case c.ChefServerURL == "":
		return missingSetting(c, "chef_server_url", "--server-url", `chef_server_url "https://chef.example.com/organizations/NAME"`)
	case c.FIPS && !fips140.Enabled():
		return &settingError{key: "fips", msg: "fips is on in the configuration, and this process is not in FIPS mode", hint: "start it with GODEBUG=fips140=on in the environment"}
	case c.NodeName == "":
		return missingSetting(c, "node_name", "--user", `node_name "YOU"`)
	case c.ClientKey == "" && c.ClientKeyPEM == "":
		return missingSetting(c, "client_key", "--key", `client_key "PATH OF YOUR PRIVATE KEY"`)
	}
	return nil
}

// chefSigner reads the user's key; a passphrase is asked for where there is a
// terminal, as knife does.
func (a *chefAccess) signer(ctx context.Context, c *knife.Config) (*chefserver.Signer, error) {
	pem, where := []byte(c.ClientKeyPEM.Reveal()), "the key in the configuration"
	origin, _ := c.Setting("client_key")
	if c.ClientKey != "" {
		where = c.ClientKey
		data, err := os.ReadFile(c.ClientKey)
		if err != nil {
			hint := "check client_key"
			if w := origin.Where(); w != "" {
				hint = "client_key is set by " + w
			}
			if errors.Is(err, os.ErrNotExist) {
				err = errors.New("there is no such file")
			}
			return nil, &settingError{key: "client_key", msg: fmt.Sprintf("the private key %s of %s cannot be read: %v", c.ClientKey, c.NodeName, err), hint: hint, err: err}
		}
		pem = data
	}
	if p := a.knife.bootstrapPrompter(); p != nil && encryptedPEM(pem) {
		plain, err := bootstrap.NewKeyRing(p).PlainPEM(ctx, where, pem)
		if err != nil {
			return nil, err
		}
		pem = plain
	}
	s, err := chefserver.NewSigner(c.NodeName, pem, chefserver.Protocol(c.AuthProtocol))
	if err != nil {
		return nil, &settingError{key: "client_key", msg: where + ": " + err.Error(), hint: keyHint(pem, where), err: err}
	}
	return s, nil
}

func encryptedPEM(pem []byte) bool { return bytes.Contains(pem, []byte("ENCRYPTED")) }

// keyHint says how to convert a key into a form that can be used.
func keyHint(pem []byte, where string) string {
	switch {
	case encryptedPEM(pem):
		return "run this at a terminal, to be asked for the passphrase, or remove it: openssl rsa -in " + where + " -out FILE"
	case bytes.Contains(pem, []byte("OPENSSH PRIVATE KEY")):
		return "convert it to PEM: ssh-keygen -p -m PEM -f " + where
	}
	return ""
}

// chefHTTP returns the HTTP client for the server. As in knife, which sets its
// proxies in the environment only where there are none, the environment's
// proxies take precedence over the file's.
func chefHTTP(c *knife.Config, env *variables) (*http.Client, error) {
	first := func(name, configured string) string {
		if v := env.Get(strings.ToLower(name)); v != "" {
			return v
		}
		if v := env.Get(name); v != "" {
			return v
		}
		return configured
	}
	return chefserver.HTTPClient(chefserver.HTTPOptions{
		Insecure:        c.SSLVerifyMode == "none" && (c.VerifyAPICert == nil || !*c.VerifyAPICert),
		TrustedCertsDir: c.TrustedCertsDir,
		CAFile:          c.SSLCAFile,
		CADir:           c.SSLCAPath,
		HTTPProxy:       first("HTTP_PROXY", c.HTTPProxy),
		HTTPSProxy:      first("HTTPS_PROXY", c.HTTPSProxy),
		NoProxy:         first("NO_PROXY", c.NoProxy),
	})
}
