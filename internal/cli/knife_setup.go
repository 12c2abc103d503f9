package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/galleyhq/galley/internal/config/knife"
	"github.com/galleyhq/galley/internal/secret"
)

// knifeSetup is the configuration that knife would read: knife.rb or config.rb
// and credentials, with the knife-style flags over it.
type knifeSetup struct {
	*settings
	flags knifeFlags
	// style means that the running command has knife's flags.
	style bool

	// loaded and env are the configuration and the environment it was read
	// in, once they are.
	loaded *knife.Config
	env    *variables
}

// config returns the configuration. It is read once; its warnings are printed
// then.
func (k *knifeSetup) config(ctx context.Context) (*knife.Config, error) {
	if k.loaded != nil {
		return k.loaded, nil
	}
	env, err := k.environment(ctx)
	if err != nil {
		return nil, err
	}
	f := &k.flags
	o := knife.Options{
		Env: env, File: f.config, Profile: f.profile, Overrides: f.options, Flags: map[string]string{},
		AllowExec: k.consent(ctx, env),
	}
	for name, value := range map[string]string{"chef_server_url": f.serverURL, "client_key": f.key, "node_name": f.user} {
		if value != "" {
			o.Flags[name] = value
		}
	}
	c, err := knife.Load(ctx, o)
	if err != nil {
		return nil, err
	}
	k.hideSecrets(c)
	for _, w := range c.Warnings {
		k.warnf("%s", w)
	}
	if f.fog != "" {
		k.warnf("--fog-version has no effect: Galley does not use fog")
	}
	k.loaded, k.env = c, env
	return c, nil
}

// hideSecrets keeps the secrets of a configuration out of all output.
func (k *knifeSetup) hideSecrets(c *knife.Config) {
	for _, key := range c.Keys() {
		if s, ok, err := c.String(key); ok && err == nil && secret.IsName(key) {
			k.secrets.Add(s)
		}
	}
	k.secrets.Add(c.ClientKeyPEM.Reveal(), c.ValidationKeyPEM.Reveal(), k.flags.cloud.Password)
	for _, address := range []string{c.ChefServerURL, c.HTTPProxy, c.HTTPSProxy, c.FTPProxy} {
		k.secrets.Add(secret.InURL(address)...)
	}
}

// completeProfiles completes the profiles of ~/.chef/credentials.
func (k *knifeSetup) completeProfiles(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	return knife.Profiles(k.streams.Getenv("HOME")), cobra.ShellCompDirectiveNoFileComp
}

// settingError is a setting that is missing or cannot be used.
type settingError struct {
	// key is the setting's name in knife.rb.
	key, msg, hint string
	err            error
}

func (e *settingError) Error() string { return e.msg }
func (e *settingError) Hint() string  { return e.hint }
func (e *settingError) Unwrap() error { return e.err }

// missingSetting reports that a setting is not set anywhere.
func missingSetting(c *knife.Config, key, flag, example string) error {
	where := "there is no knife.rb, config.rb or credentials file"
	hint := fmt.Sprintf("write %s into ~/.chef/knife.rb, or give %s", example, flag)
	if len(c.Files) > 0 {
		where = "looked in " + strings.Join(c.Files, ", ")
		hint = fmt.Sprintf("write %s there, or give %s", example, flag)
	}
	return &settingError{key: key, msg: fmt.Sprintf("the Chef Server cannot be used, since %s is not set: %s", key, where), hint: hint}
}

// noChefServer reports whether an error means that no Chef Server is
// configured.
func noChefServer(err error) bool {
	var e *settingError
	return errors.As(err, &e) && e.key == "chef_server_url" && e.err == nil
}
