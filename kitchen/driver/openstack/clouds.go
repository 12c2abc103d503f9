package openstack

import "fmt"

// cloudEntry reads an entry of clouds.yaml.
func (d *Driver) cloudEntry(name, path string) (map[string]string, error) {
	if d.o.Clouds == nil {
		return nil, fmt.Errorf("cannot use the entry %q of clouds.yaml: this program reads none here", name)
	}
	return d.o.Clouds(name, path)
}
