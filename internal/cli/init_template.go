package cli

import (
	"encoding/json"
	"regexp"
	"strings"
	"sync"
)

// suite is the name of the only suite.
const suite = "default"

// chefignore keeps state and kitchen files out of cookbook uploads.
const chefignore = `# What is not part of the cookbook, for Galley, knife and Berkshelf.
.git/*
.kitchen/*
.kitchen*.yml
kitchen*.yml
test/*
`

// initKitchenFile returns the text of the kitchen file.
func initKitchenFile(o initPlan) string {
	var t initText
	t.line("---")
	switch o.Driver {
	case "openstack":
		t.openstack(o.OpenStack)
	case "proxy":
		t.line("driver:", "  name: proxy",
			"  # The host that takes the place of a machine: it is used as it is and not destroyed.",
			"  # host: ADDRESS", "  # reset_command: what makes it fresh again")
	default:
		t.line("driver:", "  name: "+initScalar(o.Driver))
	}
	if v := o.OpenStack.PortVariable; v != "" {
		t.line("", "transport:", "  port: <%= ENV['"+v+"'] || 22 %>")
	}
	t.line("", "provisioner:", "  name: "+initScalar(o.Provisioner))
	if o.Provisioner == "shell" {
		t.line("  # The script that is run on the machine; bootstrap.sh, where there is one.", "  # script: bootstrap.sh")
	}
	t.line("", "platforms:")
	for _, p := range o.Platforms {
		t.platform(p, o.Driver)
	}
	t.line("", "suites:", "  - name: "+suite)
	if strings.HasPrefix(o.Provisioner, "chef_") || strings.HasPrefix(o.Provisioner, "cinc_") {
		if o.Cookbook != "" {
			t.line("    run_list:", "      - "+initScalar("recipe["+o.Cookbook+"::default]"))
		} else {
			t.line("    # run_list:", "    #   - recipe[COOKBOOK::default]")
		}
		t.line("    attributes: {}")
	}
	return t.String()
}

type initText struct{ strings.Builder }

func (t *initText) line(lines ...string) {
	for _, l := range lines {
		t.WriteString(l + "\n")
	}
}

// setting writes a key, or a comment without a value to give it.
func (t *initText) setting(key, value, placeholder, note string) {
	switch {
	case value != "" && note != "":
		t.line("  " + key + ": " + initScalar(value) + " # " + note)
	case value != "":
		t.line("  " + key + ": " + initScalar(value))
	default:
		t.line("  # " + key + ": " + placeholder)
	}
}

func (t *initText) openstack(s initOpenStack) {
	t.line(
		"# Where the cloud is and who logs in comes from a sourced RC file (OS_* variables)",
		"# or clouds.yaml (OS_CLOUD). `galley doctor` checks it all before anything is made.",
		"driver:", "  name: openstack")
	t.setting("flavor_ref", s.Flavor, "FLAVOR            # see: galley flavor list", s.FlavorNote)
	if s.Network != "" || !s.Known {
		t.setting("network_ref", s.Network, "NETWORK          # see: galley network list", "")
	}
	if s.Pool != "" || !s.Known {
		t.setting("floating_ip_pool", s.Pool, "EXTERNAL    # where floating IPs come from, if machines need one", "")
		if s.Pool != "" {
			t.line("  allocate_floating_ip: true")
		} else {
			t.line("  # allocate_floating_ip: true")
		}
	}
	if len(s.SecurityGroups) > 0 {
		t.line("  security_groups:")
		for _, g := range s.SecurityGroups {
			t.line("    - " + initScalar(g))
		}
	}
}

func (t *initText) platform(p initPlatform, driver string) {
	t.line("  - name: " + initScalar(p.Name))
	if driver != "openstack" {
		return
	}
	if p.Image == "" {
		t.line("    # driver:", "    #   image_ref: IMAGE         # see: galley image list")
	} else {
		t.line("    driver:", "      image_ref: "+initScalar(p.Image))
	}
	if p.User == "" {
		t.line("    # transport:", "    #   username: USER           # who logs in to the image")
	} else {
		t.line("    transport:", "      username: "+initScalar(p.User))
	}
}

// initPlainYAML matches what means itself in YAML without quotes, except for
// initYAMLWords.
var (
	initPlainYAML = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_.-]*$`) })
	initYAMLWords = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`(?i)^(?:y|n|yes|no|on|off|true|false|null)$`) })
)

// initScalar writes a string as YAML, in a form that ERB does not change.
func initScalar(s string) string {
	if initPlainYAML().MatchString(s) && !initYAMLWords().MatchString(s) {
		return s
	}
	// A JSON string is a YAML one; < and > are escaped in it.
	b, err := json.Marshal(s)
	if err != nil {
		return `""`
	}
	return string(b)
}
