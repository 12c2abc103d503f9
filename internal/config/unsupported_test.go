package config

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// instanceNames are the instances of a project.
func instanceNames(p *Project) []string {
	var out []string
	for i := range p.Instances {
		out = append(out, p.Instances[i].Name)
	}
	return out
}

var pluginSections = []string{secDriver, secProvisioner, secTransport, secVerifier}

func refusal(t *testing.T, files map[string]string) (*UnsupportedError, Options) {
	t.Helper()
	o := project(t, files)
	p, err := Load(context.Background(), o)
	if err != nil {
		t.Fatal(err)
	}
	var e *UnsupportedError
	if err := p.Unsupported(instanceNames(p), pluginSections...); err != nil && !errors.As(err, &e) {
		t.Fatalf("a %T: %v", err, err)
	}
	return e, o
}

func TestOneAnswerForAllPlugins(t *testing.T) {
	for name, c := range map[string]struct{ text, want string }{
		"dokken": {
			"driver: {name: dokken, chef_version: latest}\ntransport: {name: dokken}\nprovisioner: {name: dokken}\nverifier: {name: inspec}\nplatforms:\n- {name: a, driver: {image: dokken/a}}\n- {name: b, driver: {image: dokken/b}}\nsuites: [{name: s}]\n",
			`the configuration needs plug-ins that Galley does not have: driver "dokken" (kitchen.yml:1), provisioner "dokken" (kitchen.yml:3) and transport "dokken" (kitchen.yml:2)`,
		},
		"by platform": {
			"driver: {name: openstack, image_ref: i, flavor_ref: f}\nplatforms:\n- {name: a, driver_plugin: vagrant, driver_config: {box: x}, run_list: [r]}\n- {name: b}\nsuites: [{name: s}]\n",
			`a plug-in that Galley does not have: driver "vagrant" (kitchen.yml:3; instance <s-a>)`,
		},
		"old keys": {
			"driver_plugin: vagrant\ndriver_config: {box: x}\nprovisioner: chef_zero\nplatforms: [{name: a}]\nsuites: [{name: s}]\n",
			`driver "vagrant" (kitchen.yml:1)`,
		},
		"a verifier": {
			"driver: {name: dummy}\nverifier: {name: terraform}\nplatforms: [{name: a}]\nsuites: [{name: s}]\n",
			`verifier "terraform" (kitchen.yml:2)`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			e, o := refusal(t, map[string]string{"kitchen.yml": c.text})
			if e == nil || !strings.Contains(e.Error(), c.want) {
				t.Fatalf("got  %v\nwant %s", e, c.want)
			}
			if !strings.Contains(e.Hint(), "write kitchen.local.yml:\n---\n") {
				t.Errorf("got the hint %s", e.Hint())
			}
			cured(t, o, e)
		})
	}
}

// cured holds that the override file of a refusal is all that is needed.
func cured(t *testing.T, o Options, e *UnsupportedError) {
	t.Helper()
	local := filepath.Join(t.TempDir(), "local.yml")
	if err := os.WriteFile(local, []byte(e.Override), 0o600); err != nil {
		t.Fatal(err)
	}
	o.LocalFile = local
	p, err := Load(context.Background(), o)
	if err != nil {
		t.Fatalf("with the override\n%s: %v", e.Override, err)
	}
	if err := p.Unsupported(instanceNames(p), pluginSections...); err != nil {
		t.Errorf("with the override\n%s: %v", e.Override, err)
	}
	if len(p.Instances) == 0 {
		t.Errorf("no instances with the override\n%s", e.Override)
	}
}

func TestNoOverrideForASuite(t *testing.T) {
	e, _ := refusal(t, map[string]string{"kitchen.yml": "driver: {name: dummy}\nplatforms: [{name: a}]\nsuites: [{name: s, verifier: {name: serverspec}}]\n"})
	if e == nil || e.Override != "" || !strings.Contains(e.Hint(), "name shell in place of serverspec (kitchen.yml:3)") {
		t.Errorf("got %v, %s", e, e.Hint())
	}
}

func TestAliasesAreOurs(t *testing.T) {
	for _, text := range []string{
		"transport: {name: rsync}\n", "transport: {name: sftp}\n", "transport: {name: speedy_ssh, compression: none}\n",
		"provisioner: {name: policyfile_zero, policyfile: x.rb}\n", "provisioner: nodes\n", "provisioner: {name: chef_github}\n",
		"provisioner: {name: cinc_zero, cinc_omnibus_url: x}\n", "verifier: {name: cinc_auditor}\n",
	} {
		e, _ := refusal(t, map[string]string{"kitchen.yml": "driver: {name: proxy, host: h}\n" + text + "platforms: [{name: a}]\nsuites: [{name: s}]\n"})
		if e != nil {
			t.Errorf("%q: %v", text, e)
		}
	}
	e, _ := refusal(t, map[string]string{"kitchen.yml": "driver: {name: proxy, host: h}\nprovisioner: {name: chef_github, chef_github_branch: x}\nplatforms: [{name: a}]\nsuites: [{name: s}]\n"})
	if e == nil {
		t.Error("chef_github with another key is taken for chef_zero")
	}
}

// TestCorpusOverrides holds that the override cures the files of the folder
// that CORPUS names, unless a suite is at fault.
func TestCorpusOverrides(t *testing.T) {
	files, _ := filepath.Glob(filepath.Join(os.Getenv("CORPUS"), "kitchen", "*"))
	if os.Getenv("CORPUS") == "" || len(files) == 0 {
		t.Skip("needs CORPUS=DIR")
	}
	cures := 0
	for _, file := range files {
		o := project(t, nil)
		o.File, o.AllowExec = file, nil
		p, err := Load(context.Background(), o)
		if err != nil || len(p.Instances) == 0 {
			continue
		}
		var e *UnsupportedError
		if errors.As(p.Unsupported(instanceNames(p), pluginSections...), &e) && e.Override != "" {
			cures++
			t.Run(filepath.Base(file), func(t *testing.T) { cured(t, o, e) })
		}
	}
	if cures == 0 {
		t.Error("no file needs an override")
	}
}
