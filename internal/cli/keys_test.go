package cli

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/galleyhq/galley/internal/config"
	driverdummy "github.com/galleyhq/galley/internal/driver/dummy"
	"github.com/galleyhq/galley/internal/driver/proxy"
	"github.com/galleyhq/galley/internal/provisioner/base"
	"github.com/galleyhq/galley/internal/provisioner/chef"
	provisionerdummy "github.com/galleyhq/galley/internal/provisioner/dummy"
	provisionershell "github.com/galleyhq/galley/internal/provisioner/shell"
	table "github.com/galleyhq/galley/internal/settings"
	"github.com/galleyhq/galley/internal/transport/ssh"
	"github.com/galleyhq/galley/internal/verifier/busser"
	verifierdummy "github.com/galleyhq/galley/internal/verifier/dummy"
	"github.com/galleyhq/galley/internal/verifier/inspec"
	verifiershell "github.com/galleyhq/galley/internal/verifier/shell"
)

// readers make each plug-in of a section.
func readers(t *testing.T) map[string]map[string]func(config.Section) error {
	o := base.Options{Instance: "a-b", Suite: "a", Platform: "b", OSType: "unix", ShellType: "bourne", Root: t.TempDir()}
	chefs := func(s config.Section) error {
		_, err := chef.New(s, chef.Options{Options: o, Resolver: chef.NewResolver()})
		return err
	}
	inspecs := func(s config.Section) error { _, err := inspec.New(s, o); return err }
	return map[string]map[string]func(config.Section) error{
		table.Driver: {
			"proxy": func(s config.Section) error {
				_, err := proxy.New(s, proxy.Options{})
				_, terr := proxy.TransportDefaults(s)
				return errors.Join(err, terr)
			},
			"dummy": func(s config.Section) error { _, err := driverdummy.New(s); return err },
		},
		table.Provisioner: {
			"chef_infra": chefs, "chef_solo": chefs, "chef_apply": chefs, "cinc_infra": chefs,
			"shell": func(s config.Section) error { _, err := provisionershell.New(s, o); return err },
			"dummy": func(s config.Section) error { _, err := provisionerdummy.New(s, o); return err },
		},
		table.Transport: {"ssh": func(s config.Section) error {
			_, err := ssh.New(s, ssh.Options{Home: o.Root, Getenv: func(string) string { return "" }})
			return err
		}},
		table.Verifier: {
			"busser": func(s config.Section) error { _, err := busser.New(s, o); return err },
			"inspec": inspecs, "cinc_auditor": inspecs,
			"shell": func(s config.Section) error { _, err := verifiershell.New(s, o); return err },
			"dummy": func(s config.Section) error { _, err := verifierdummy.New(s, o); return err },
		},
	}
}

// sampleOf is data that has plug-ins look at keys which they look at only beside
// others: those of former versions.
func sampleOf(section, name string) map[string]any {
	data := map[string]any{"name": name, "host": "h"}
	for key, k := range table.Known(section, "", name) {
		if k.Replacement != "" && k.Type&table.Map == 0 {
			data[key] = "1"
		}
	}
	if section == table.Verifier {
		data = map[string]any{"name": name, "inspec_tests": []any{map[string]any{"name": "x"}}}
	}
	return data
}

// TestTableAndReadersAgree makes each plug-in and compares the keys that it
// looks at with those that the table of settings has for it. The driver
// openstack has a separate test.
func TestTableAndReadersAgree(t *testing.T) {
	for section, plugins := range readers(t) {
		common := map[string]bool{}
		family := map[string]bool{}
		for name, make := range plugins {
			read := map[string]bool{}
			for _, data := range []map[string]any{{"name": name, "host": "h"}, sampleOf(section, name)} {
				s := config.NewSection(data).Recording(func(key string) {
					// kitchen-cinc has its own spelling of keys.
					if rest, ok := strings.CutPrefix(key, "cinc_"); ok {
						key = "chef_" + rest
					}
					read[key] = true
				})
				if err := make(s); err != nil && len(data) == 2 {
					t.Errorf("%s %s: %v", section, name, err)
				}
			}
			known := table.Known(section, "", name)
			for key, k := range known {
				switch {
				case k.Idle != "" || strings.HasPrefix(key, "cinc_"):
				case k.Plugin == "":
					// One of the plug-ins may be the only one with a use for it.
					common[key] = common[key] || read[key]
				case len(strings.Fields(k.Plugin)) > 2:
					family[key] = family[key] || read[key]
				case !read[key]:
					t.Errorf("the %s %s does not look at %s", section, name, key)
				}
			}
			for key := range read {
				if _, ok := known[key]; !ok && !slices.Contains(sharedReads[section], key) {
					t.Errorf("the %s %s looks at %s, which is not in the table", section, name, key)
				}
			}
		}
		for _, keys := range []map[string]bool{common, family} {
			for key, read := range keys {
				if !read && !slices.Contains(movedKeys[section], key) {
					t.Errorf("no %s looks at %s", section, key)
				}
			}
		}
	}
}

// sharedReads are keys that verifiers look at since they share the reader of
// provisioners, and have no use for.
var sharedReads = map[string][]string{
	table.Verifier:  {"uploads", "retry_on_exit_code", "max_retries", "wait_for_retry"},
	table.Transport: {"host"},
}

// movedKeys are taken from the section before a plug-in sees it, by the rules
// for old files; name decides which plug-in it is.
var movedKeys = map[string][]string{
	table.Driver: {
		"require_chef_omnibus", "http_proxy", "https_proxy", "pre_create_command", "sudo", "chef_omnibus_url", "name",
	},
	table.Provisioner: {"name"}, table.Transport: {"name"}, table.Verifier: {"name"},
}
