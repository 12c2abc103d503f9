package openstack

import (
	"github.com/galleyhq/galley/internal/config/clouds"
	"github.com/galleyhq/galley/internal/credentials"
)

// cloudEntry reads an entry of clouds.yaml.
func (d *Driver) cloudEntry(name, path string) (credentials.Auth, error) {
	env := d.o.Env
	if env == nil {
		env = func(string) string { return "" }
	}
	region, err := d.section.String("openstack_region", "")
	if err != nil {
		return credentials.Auth{}, err
	}
	entry, err := clouds.Load(name, clouds.Options{Getenv: env, Path: path, Region: region, Dir: d.o.Root})
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
