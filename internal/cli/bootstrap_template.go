package cli

import (
	"context"
	"errors"
	"fmt"

	"github.com/galleyhq/galley/internal/bootstrap/node"
	"github.com/galleyhq/galley/internal/config/bootstraptemplate"
	"github.com/galleyhq/galley/internal/config/knife"
	"github.com/galleyhq/galley/internal/ruby"
)

// renderTemplate renders the user's own bootstrap template.
func (b *bootstrapper) renderTemplate(ctx context.Context, src []byte, file string, f *bootstrapFlags, cfg *knife.Config, v node.Values) ([]byte, error) {
	s := v.Spec
	c := bootstraptemplate.Context{
		Config: f.templateConfig(cfg, s), ChefConfig: map[string]any{
			"chef_server_url": s.ServerURL, "validation_client_name": s.ValidationClient, "node_name": cfg.NodeName,
			"client_key": cfg.ClientKey, "validation_key": cfg.ValidationKey, "chef_license": nilIfEmpty(s.ChefLicense),
			"trusted_certs_dir": cfg.TrustedCertsDir, "client_d_dir": cfg.ClientDDir, "environment": nilIfEmpty(s.Environment), "fips": s.FIPS,
		},
		RunList: s.RunList, FirstBoot: v.FirstBoot, Environment: s.Environment,
		ClientKey: string(v.ClientKey), ValidationKey: string(s.ValidationKey), Secret: string(s.Secret),
		ConfigContent: v.ConfigContent, StartChef: v.StartChef, TrustedCerts: v.TrustedCerts, ClientD: v.ClientD,
		Version: f.Version, Hints: s.Hints,
	}
	out, err := bootstraptemplate.Render(ctx, src, file, c, bootstraptemplate.Options{
		Environ: b.knife.env.Environ(), AllowExec: b.consent(ctx, b.knife.env),
	})
	var fault *ruby.Error
	if errors.As(err, &fault) {
		switch {
		case fault.Kind == ruby.Unsupported:
			fault.SetHint("write that part in plain shell, or leave out --bootstrap-template to use Galley's own procedure")
		case fault.Class == "NameError" || fault.Class == "NoMethodError":
			fault.SetHint("a template has what knife passes to it: @config, @chef_config, @run_list, config_content, first_boot, start_chef, client_pem, validation_key, version_to_install, …")
		}
	}
	if err != nil {
		return nil, fmt.Errorf("the bootstrap template: %w", err)
	}
	return out, nil
}

func nilIfEmpty(s string) any {
	if s == "" {
		return nil
	}
	return s
}

// templateConfig are knife's options by key: knife.rb's own, and over them
// what the flags say.
func (f *bootstrapFlags) templateConfig(cfg *knife.Config, s node.Spec) map[string]any {
	out := map[string]any{}
	for _, key := range cfg.Keys() {
		if v, ok := cfg.Lookup(key); ok {
			out[key] = jsonOf(v.Data)
		}
	}
	for key, value := range map[string]string{
		"chef_node_name": s.Name, "environment": s.Environment, "policy_name": s.PolicyName, "policy_group": s.PolicyGroup,
		"bootstrap_version": f.Version, "channel": f.Channel, "bootstrap_product": f.Product, "bootstrap_url": f.URL,
		"bootstrap_install_command": f.Install, "bootstrap_preinstall_command": f.Preinstall,
		"bootstrap_proxy": f.Proxy, "bootstrap_proxy_user": f.ProxyUser, "bootstrap_proxy_pass": f.ProxyPass, "bootstrap_no_proxy": f.NoProxy,
		"bootstrap_curl_options": f.Curl, "bootstrap_wget_options": f.Wget, "node_ssl_verify_mode": f.SSLVerifyMode,
		"connection_user": f.User, "ssh_user": f.User, "bootstrap_template": f.Template,
	} {
		// What is not set is nil in a template, which is false.
		if value != "" {
			out[key] = value
		}
	}
	out["run_list"], out["tags"], out["first_boot_attributes"] = s.RunList, s.Tags, s.Attributes
	out["use_sudo"], out["color"] = f.Sudo || f.User != "" && f.User != "root", s.Color
	if s.VerifyAPICert != nil {
		out["node_verify_api_cert"] = *s.VerifyAPICert
	}
	return out
}
