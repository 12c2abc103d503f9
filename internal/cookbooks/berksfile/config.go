package berksfile

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"

	"github.com/galleyhq/galley/internal/cookbooks/source"
	"github.com/galleyhq/galley/internal/cookbooks/web"
	"github.com/galleyhq/galley/internal/ruby"
)

// config is what Berkshelf's config.json may say. An unknown key is an error,
// as in Berkshelf; those without a name here are known and have no effect, or
// none that is needed.
type config struct {
	file string

	SSL  sslOptions `json:"ssl"`
	Chef struct {
		ServerURL      string          `json:"chef_server_url"`
		NodeName       string          `json:"node_name"`
		ClientKey      string          `json:"client_key"`
		ArtifactoryKey string          `json:"artifactory_api_key"`
		Validator      json.RawMessage `json:"validation_client_name"`
		ValidatorKey   json.RawMessage `json:"validation_key_path"`
		TrustedCerts   string          `json:"trusted_certs_dir"`
	} `json:"chef"`
	GithubProtocol string `json:"github_protocol"`

	API       json.RawMessage `json:"api"`
	Cookbook  json.RawMessage `json:"cookbook"`
	Vagrant   json.RawMessage `json:"vagrant"`
	Licenses  json.RawMessage `json:"allowed_licenses"`
	Exception json.RawMessage `json:"raise_license_exception"`
	Github    json.RawMessage `json:"github"`
	Gitlab    json.RawMessage `json:"gitlab"`
}

type sslOptions struct {
	Verify     *bool           `json:"verify"`
	CAFile     string          `json:"ca_file"`
	Store      json.RawMessage `json:"cert_store"`
	CAPath     string          `json:"ca_path"`
	CACert     string          `json:"ca_cert"`
	ClientCert string          `json:"client_cert"`
	ClientKey  string          `json:"client_key"`
}

// readConfig reads the file that BERKSHELF_CONFIG names or .berkshelf of the
// current folder has, else the one below BERKSHELF_PATH or ~/.berkshelf.
func (j *Job) readConfig() (*config, error) {
	vars := j.Env
	first := vars.Get("BERKSHELF_CONFIG")
	if first == "" {
		first = filepath.Join(".berkshelf", "config.json")
	}
	own := vars.Get("BERKSHELF_PATH")
	if own == "" {
		own = filepath.Join(vars.Get("HOME"), ".berkshelf")
	}
	for _, file := range []string{source.Absolute(j.Dir, first), filepath.Join(own, "config.json")} {
		data, err := os.ReadFile(file)
		if os.IsNotExist(err) {
			continue
		}
		if err != nil {
			return nil, err
		}
		c := &config{file: file}
		d := json.NewDecoder(bytes.NewReader(data))
		d.DisallowUnknownFields()
		if err := d.Decode(c); err != nil {
			return nil, fmt.Errorf("Berkshelf's configuration %s: %w", file, err)
		}
		return c, c.check()
	}
	return &config{}, nil
}

// check refuses what Berkshelf does and Galley does not.
func (c *config) check() error {
	for key, value := range map[string]string{
		"ca_path": c.SSL.CAPath, "ca_cert": c.SSL.CACert, "client_cert": c.SSL.ClientCert, "client_key": c.SSL.ClientKey,
	} {
		if value != "" {
			return &source.Problem{
				Msg:    fmt.Sprintf("Berkshelf's configuration %s: ssl.%s is not supported", c.file, key),
				Advice: "ssl.ca_file and ssl.verify are; knife's trusted_certs_dir has certificates of servers",
			}
		}
	}
	return nil
}

// trust is that of all sources.
func (c *config) trust() web.Trust {
	return web.Trust{Insecure: c.SSL.Verify != nil && !*c.SSL.Verify, CAFile: c.SSL.CAFile}
}

// sourceTrust returns the trust of a source that has its own options.
func (c *config) sourceTrust(ssl any) (web.Trust, error) {
	t := c.trust()
	m, ok := ssl.(ruby.Map)
	if !ok {
		return t, fmt.Errorf("ssl is to be a hash, such as { verify: false }")
	}
	for _, p := range m {
		switch key := fmt.Sprint(p.Key); key {
		case "verify":
			t.Insecure = p.Value == false
		case "ca_file":
			t.CAFile = fmt.Sprint(p.Value)
		default:
			return t, fmt.Errorf("ssl: %s is not supported; verify and ca_file are", key)
		}
	}
	return t, nil
}

// chefConfig is a setting of knife's configuration, before which config.json
// comes. Who asks a Chef Server is said by knife's configuration alone.
func (j *Job) chefConfig(ctx context.Context, c *config, key string) (any, error) {
	if key == "chef_server_url" && c.Chef.ServerURL != "" {
		return c.Chef.ServerURL, nil
	}
	if j.ChefConfig == nil {
		return nil, nil
	}
	for name, value := range map[string]string{"node_name": c.Chef.NodeName, "client_key": c.Chef.ClientKey} {
		if value == "" {
			continue
		}
		if own, err := j.ChefConfig(ctx, name); err == nil && own != value {
			j.Warnf("chef.%s of %s is not used: set %s in knife's configuration", name, c.file, name)
		}
	}
	return j.ChefConfig(ctx, key)
}
