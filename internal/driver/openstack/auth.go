package openstack

import (
	"github.com/galleyhq/galley/internal/config"
	"github.com/galleyhq/galley/internal/config/clouds"
	"github.com/galleyhq/galley/internal/credentials"
	"github.com/galleyhq/galley/internal/secret"
	"github.com/galleyhq/galley/internal/settings"
)

// auth gathers the credentials: the section's own keys, then the entry of
// clouds.yaml that the section or OS_CLOUD names, then OS_*. What the section
// leaves open is completed from there as long as both mean the same cloud: a
// file of Keystone v2's time that reads OS_USERNAME and OS_PASSWORD works with
// a v3 RC file, whose domains it does not know.
func (d *Driver) auth() (credentials.Auth, error) {
	own, err := readAuth(d.section)
	if err != nil {
		return own, err
	}
	entry, err := d.section.String("openstack_cloud", "")
	if err != nil {
		return own, err
	}
	if entry == "" && !own.Named() {
		entry = d.o.Env("OS_CLOUD")
	}
	if entry != "" {
		path, err := d.section.Path("clouds_yaml_path", "")
		if err != nil {
			return own, err
		}
		// The entry alone completes the section: credentials for
		// another cloud must not be sent to this one.
		cloud, err := d.cloudEntry(entry, path)
		if err != nil {
			return own, err
		}
		return own.Complete(cloud), nil
	}
	around, err := credentials.ReadEnv(d.o.Env)
	if err != nil && validate(own) != nil {
		return own, err
	}
	if !own.Named() {
		if err := around.Validate("the environment", settings.Environment); err != nil {
			return own, err
		}
	}
	return own.Complete(around), nil
}

// readAuth reads the section's own keys.
func readAuth(s config.Section) (credentials.Auth, error) {
	r := newReader(s)
	a := credentials.ReadKeys(r.first)
	a.Password = secret.Text(r.text("openstack_api_key"))
	a.CACert = r.path("openstack_cacert")
	if a.CACert != "" {
		a.CACertFrom = "openstack_cacert (" + s.Where("openstack_cacert") + ")"
	}
	a.Insecure = r.flag("disable_ssl_validation")
	a.ConnectTimeout = r.Time("connect_timeout", 0)
	a.ReadTimeout = r.Time("read_timeout", 0)
	a.WriteTimeout = r.Time("write_timeout", 0)
	return a, r.Err()
}

// validate checks credentials with the section's keys in its errors.
func validate(a credentials.Auth) error {
	return a.Validate("the driver section or the environment", settings.Kitchen)
}

// cloudEntry reads an entry of clouds.yaml.
func (d *Driver) cloudEntry(name, path string) (credentials.Auth, error) {
	region, err := d.section.String("openstack_region", "")
	if err != nil {
		return credentials.Auth{}, err
	}
	entry, err := clouds.Load(name, clouds.Options{Getenv: d.o.Env, Path: path, Region: region, Dir: d.o.Root})
	if err != nil {
		return credentials.Auth{}, err
	}
	d.o.Secrets.Add(entry.Auth.Secrets()...)
	if d.o.Warn != nil {
		for _, w := range entry.Warnings {
			d.o.Warn(w)
		}
	}
	return entry.Auth, nil
}
