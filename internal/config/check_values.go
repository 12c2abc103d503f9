package config

import (
	"bytes"
	"io"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/galleyhq/galley/internal/secret"
	"github.com/galleyhq/galley/internal/settings"
)

// values looks at the values of a plug-in's section, not only at their types.
func (c *checker) values(in *Instance, section string, s Section, keys map[string]settings.Setting) {
	for _, e := range s.m.entries {
		k, ok := keys[e.name]
		if !ok || e.val.org != nil && e.val.org.Default != "" {
			continue
		}
		at := section + "." + e.name
		c.number(k, e, at)
		if k.Path {
			c.files(in, section, s, e, at)
		}
		if e.val.kind != kindString || e.val.s == "" {
			continue
		}
		switch {
		case e.name == "floating_ip", e.name == "fixed_ip":
			if _, err := netip.ParseAddr(e.val.s); err != nil {
				c.add(e.val.org, "bad-value", at, "write an address, such as 192.0.2.10", "%s is %s, which is not an IP address", at, e.val.describe()).Fatal = true
			}
		case e.name == "openstack_auth_url":
			if u, err := url.Parse(strings.TrimSpace(e.val.s)); err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
				c.add(e.val.org, "bad-value", at, "write it as in https://cloud.example.com:5000/v3", "%s is %q, which is not a URL", at, secret.HideURLs(e.val.s)).Fatal = true
			}
		}
	}
	c.switchedOff(section, s, keys)
	name, _, _ := settings.Canonical(section, s.Name())
	switch {
	case section == secDriver && name == "openstack":
		c.openstack(s)
	case section == secProvisioner && settings.RunsChef(name):
		c.chef(in, s)
	case section == secProvisioner && name == "shell" && !s.Has("command"):
		for _, p := range []string{filepath.Join("test", "integration", in.Suite), filepath.Join("test", "integration"), "."} {
			if p = filepath.Join(c.p.Root, p, "bootstrap.sh"); !s.Has("script") && exists(p) {
				c.lineEnds(nil, "provisioner.script", p)
				break
			}
		}
	}
}

// number looks at ports, and at versions that YAML reads as numbers.
func (c *checker) number(k settings.Setting, e entry, at string) {
	if f, ok := e.val.number(); ok && (e.name == "port" || strings.HasSuffix(e.name, "_port")) && (f < 1 || f > 65535) {
		c.add(e.val.org, "bad-value", at, "a port is between 1 and 65535", "%s is %s", at, e.val.text()).Fatal = true
	}
	if e.val.kind == kindFloat && k.Type&settings.Text != 0 && e.val.s != "" && e.val.s != e.val.text() {
		c.add(e.val.org, "number-for-text", at, "put it in quotes", "%s is %s, which YAML reads as the number %s", at, e.val.s, e.val.text())
	}
}

// directories are the keys of folders that Test Kitchen does without when they
// are not there: git does not keep an empty one.
var directories = []string{
	"data_path", "data_bags_path", "environments_path", "nodes_path", "roles_path", "clients_path", "apply_path", "profiles_path",
}

// files looks whether the files are there that a key names.
func (c *checker) files(in *Instance, section string, s Section, e entry, at string) {
	paths := []*value{e.val}
	if e.val.kind == kindList {
		paths = e.val.list
	}
	for _, v := range paths {
		if v.kind != kindString || v.s == "" {
			continue
		}
		path := s.Expand(v.s)
		info, err := os.Stat(path)
		switch {
		case err != nil && slices.Contains(directories, e.name):
			c.add(v.org, "missing-directory", at, "git does not keep an empty folder", "%s names %s, which is not there", at, v.s)
		case err != nil:
			advice := "the path is relative to " + c.p.Root
			if filepath.IsAbs(v.s) || strings.HasPrefix(v.s, "~") {
				advice = ""
			}
			// A hook may write the file, and the key pair's as well.
			x := c.add(v.org, "missing-file", at, advice, "%s names %s, which is not there", at, v.s)
			x.Fatal = e.name != "ssh_key" && e.name != "private_key_path" && e.name != "public_key_path" && !in.Lifecycle.Has("pre_create")
		case e.name == "data_bags_path" && info.IsDir():
			c.dataBags(v.org, at, path)
		case (e.name == "script" || e.name == "user_data") && !info.IsDir():
			c.lineEnds(v.org, at, path)
		}
	}
}

// dataBags looks for items that are in no data bag.
func (c *checker) dataBags(org *Origin, at, dir string) {
	flat, _ := filepath.Glob(filepath.Join(dir, "*.json"))
	if len(flat) > 0 {
		name := filepath.Base(flat[0])
		c.add(org, "flat-data-bag", at, "an item is a file BAG/ITEM.json", "%s holds %s, which is in no data bag", at, name)
	}
}

// lineEnds looks for what a shell on the machine cannot read in a script.
func (c *checker) lineEnds(org *Origin, at, path string) {
	f, err := os.Open(path)
	if err != nil {
		return
	}
	defer f.Close()
	head, _ := io.ReadAll(io.LimitReader(f, 64<<10))
	name := path
	if rel, err := filepath.Rel(c.p.Root, path); err == nil && filepath.IsLocal(rel) {
		name = rel
	}
	switch {
	case bytes.HasPrefix(head, []byte("\xef\xbb\xbf")):
		c.add(org, "byte-order-mark", at, "save it as UTF-8 without the mark", "%s begins with a byte order mark, which the machine cannot run", name)
	case bytes.Contains(head, []byte("\r\n")):
		c.add(org, "carriage-return", at, "save it with the line ends of Unix: dos2unix "+name, "the lines of %s end in a carriage return, which a shell on the machine takes for text", name)
	}
}

// off are keys that have no effect beside another one.
var off = []struct{ section, plugin, key, with string }{
	{secDriver, "openstack", "server_name_prefix", "server_name"},
	{secDriver, "openstack", "floating_ip_pool", "floating_ip"},
	{secDriver, "openstack", "allocate_floating_ip", "floating_ip"},
	{secDriver, "openstack", "public_key_path", "key_name"},
	{secProvisioner, "", "berksfile_path", "policyfile_path"},
	{secProvisioner, "", "berksfile_path", "policyfile"},
	{secProvisioner, "", "product_version", "download_url"},
	{secProvisioner, "", "channel", "download_url"},
	{secProvisioner, "shell", "script", "command"},
	{secProvisioner, "shell", "arguments", "command"},
}

// switchedOff looks for keys that another one makes void.
func (c *checker) switchedOff(section string, s Section, keys map[string]settings.Setting) {
	name, _, _ := settings.Canonical(section, s.Name())
	for _, o := range off {
		if _, known := keys[o.key]; !known || o.section != section || o.plugin != "" && o.plugin != name || !s.Has(o.with) {
			continue
		}
		if v := s.get(o.key); v != nil && (v.kind != kindBool || v.b) {
			c.add(v.org, "switched-off", section+"."+o.key, "", "%s.%s has no effect beside %s", section, o.key, o.with)
		}
	}
}

// openstack looks whether a driver section says enough to make a server.
func (c *checker) openstack(s Section) {
	where := s.m.get("name")
	if where == nil {
		where = &value{org: s.org}
	}
	needs := func(ref, id string) {
		if s.Has(ref) || s.Has(id) {
			return
		}
		v, advice := where, "set it by ID or name"
		if empty := s.m.get(ref); empty != nil && empty.org != nil && len(empty.org.Env) > 0 {
			v, advice = empty, "it is made from the environment: set "+strings.Join(empty.org.Env, ", ")
		}
		c.add(v.org, "missing-key", "driver."+ref, advice, "the openstack driver needs %s", ref).Fatal = true
	}
	if !s.Has("block_device_mapping") && !s.Has("volumes") {
		needs("image_ref", "image_id")
	}
	needs("flavor_ref", "flavor_id")
	for _, kv := range c.p.loader.env.Environ() {
		name, v, _ := strings.Cut(kv, "=")
		if !strings.HasPrefix(name, "OS_") {
			continue
		}
		switch {
		case strings.ContainsAny(v, "\r\n"):
			c.add(nil, "environment", name, "the RC file has the line ends of Windows: dos2unix FILE", "the variable %s holds a line end", name)
		case len(v) > 1 && (v[0] == '"' || v[0] == '\'') && v[len(v)-1] == v[0]:
			c.add(nil, "environment", name, "set it without them", "the value of the variable %s is in quotes", name)
		}
	}
}

// chef looks at what a Policyfile switches off.
func (c *checker) chef(in *Instance, s Section) {
	policyfile := ""
	for _, key := range []string{"policyfile_path", "policyfile"} {
		if p, err := s.Path(key, ""); err == nil && p != "" && policyfile == "" {
			policyfile = p
		}
	}
	if policyfile == "" {
		policyfile = filepath.Join(c.p.Root, "Policyfile.rb")
	}
	list := s.m.get("run_list")
	if list == nil || list.kind == kindList && len(list.list) == 0 || list.kind == kindNull || !exists(policyfile) {
		return
	}
	c.add(list.org, "idle-run-list", "run_list", "name one of its run lists with named_run_list",
		"run_list has no effect with %s", filepath.Base(policyfile))
}

// filtersOf looks for excludes beside includes.
func (c *checker) filtersOf(s suite) {
	if len(s.includes) > 0 && len(s.excludes) > 0 {
		c.add(s.excludes[0].text.org, "switched-off", s.path+".excludes", "", "excludes of suite %s has no effect beside includes", strconv.Quote(s.name.text()))
	}
}
