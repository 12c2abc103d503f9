package cli

import (
	"context"

	"github.com/galleyhq/galley/internal/config/clouds"
	"github.com/galleyhq/galley/internal/config/knife"
	"github.com/galleyhq/galley/internal/credentials"
	"github.com/galleyhq/galley/internal/openstack"
	"github.com/galleyhq/galley/internal/openstack/session"
	"github.com/galleyhq/galley/internal/secret"
	allsettings "github.com/galleyhq/galley/internal/settings"
)

// cloudAccess logs in to the cloud that the command line, knife.rb or the
// environment names, for commands that need no kitchen file.
type cloudAccess struct {
	*settings
	knife *knifeSetup
}

// connect logs in. Close the cloud.
func (c *cloudAccess) connect(ctx context.Context) (*openstack.Cloud, error) {
	auth, err := c.credentials(ctx)
	if err != nil {
		return nil, err
	}
	debug, err := c.debugf()
	if err != nil {
		return nil, err
	}
	return openstack.Connect(ctx, auth, openstack.Options{Options: session.Options{Debug: debug, Notice: c.notef}})
}

// use logs in, calls do and closes the cloud.
func (c *cloudAccess) use(ctx context.Context, do func(context.Context, *openstack.Cloud) error) error {
	cloud, err := c.connect(ctx)
	if err != nil {
		return err
	}
	defer cloud.Close()
	return do(ctx, cloud)
}

// credentials returns the credentials of the first source that has them:
//
//  1. knife-openstack's flags (knife-style commands),
//  2. knife[:openstack_*] of knife.rb (knife-style commands, unless --rc or
//     --os-cloud is given),
//  3. the entry of clouds.yaml that --os-cloud or OS_CLOUD names,
//  4. the OS_* variables, those of --rc over the process's.
//
// What an earlier source leaves open is completed from a later one.
func (c *cloudAccess) credentials(ctx context.Context) (credentials.Auth, error) {
	env, own, err := c.ownCredentials(ctx)
	if err != nil {
		return own, err
	}
	var around credentials.Auth
	where := "the environment"
	name := env.Get("OS_CLOUD")
	if name != "" {
		var entry *clouds.Entry
		entry, err = c.cloudEntry(name, env)
		switch {
		case err == nil:
			around, where = entry.Auth, entry.String()
		case c.settings.flags.cloud != "" || validateCommand(own) != nil:
			return own, err
		}
	}
	if name == "" || err != nil {
		if around, err = credentials.ReadEnv(env.Get); err != nil && validateCommand(own) != nil {
			return own, err
		}
	}
	if !own.Named() {
		if err := around.Validate(where, allsettings.Environment); err != nil {
			return own, err
		}
		return own.Complete(around), nil
	}
	auth := own.Complete(around)
	return auth, validateCommand(auth)
}

// validateCommand checks credentials with the names of knife.rb, flags and
// variables in its errors.
func validateCommand(a credentials.Auth) error {
	return a.Validate("knife.rb and the environment", allsettings.Knife)
}

// ownCredentials are those of the flags and, for knife-style commands, of the
// configuration, with the environment that it was read in.
func (c *cloudAccess) ownCredentials(ctx context.Context) (*variables, credentials.Auth, error) {
	if !c.knife.style {
		env, err := c.environment(ctx)
		return env, credentials.Auth{}, err
	}
	conf, err := c.knife.config(ctx)
	if err != nil {
		return nil, credentials.Auth{}, err
	}
	var own credentials.Auth
	if c.settings.flags.rc == "" && c.settings.flags.cloud == "" {
		if own, err = knifeAuth(conf); err != nil {
			return nil, own, err
		}
	}
	c.knife.flags.cloud.over(&own)
	return c.knife.env, own, nil
}

// knifeAuth reads knife[:openstack_*].
func knifeAuth(c *knife.Config) (credentials.Auth, error) {
	var first error
	text := func(keys ...string) string {
		for _, k := range keys {
			s, _, err := c.String(k)
			if err != nil && first == nil {
				first = err
			}
			if s != "" {
				return s
			}
		}
		return ""
	}
	auth := credentials.ReadKeys(text)
	auth.Password = secret.Text(text("openstack_password", "openstack_api_key"))
	if auth.CACert = text("openstack_cacert"); auth.CACert != "" {
		auth.CACertFrom = "knife[:openstack_cacert]"
	}
	insecure, _, err := c.Bool("openstack_insecure")
	if err != nil && first == nil {
		first = err
	}
	auth.Insecure = insecure
	return auth, first
}

// over puts the flags over credentials. Another user or another cloud than
// the configuration's does not get the configuration's secrets.
func (f *cloudFlagValues) over(auth *credentials.Auth) {
	if f.AuthURL != "" && auth.URL != "" && !credentials.SameEndpoint(f.AuthURL, auth.URL) {
		*auth = credentials.Auth{}
	}
	if f.Username != "" && f.Username != auth.Username {
		auth.UserID, auth.Password, auth.Token, auth.AppCredID, auth.AppCredName, auth.AppCredSecret = "", "", "", "", "", ""
	}
	if f.Tenant != "" {
		auth.ProjectID = ""
	}
	set := func(to *string, from string) {
		if from != "" {
			*to = from
		}
	}
	set(&auth.URL, f.AuthURL)
	set(&auth.Username, f.Username)
	set((*string)(&auth.Password), f.Password)
	set(&auth.ProjectName, f.Tenant)
	set(&auth.Interface, f.EndpointType)
	set(&auth.Region, f.Region)
	auth.Insecure = auth.Insecure || f.Insecure
}

// cloudEntry returns an entry of clouds.yaml.
func (c *cloudAccess) cloudEntry(name string, env *variables) (*clouds.Entry, error) {
	entry, err := clouds.Load(name, clouds.Options{Getenv: env.Get})
	if err != nil {
		return nil, err
	}
	c.secrets.Add(entry.Auth.Secrets()...)
	for _, w := range entry.Warnings {
		c.warnf("%s", w)
	}
	return entry, nil
}
