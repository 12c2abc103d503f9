//go:build unix

package install_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/galleyhq/galley/internal/bootstrap/install"
)

func plan(t *testing.T, r install.Request) *install.Plan {
	t.Helper()
	p, err := install.Make(r)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestMake(t *testing.T) {
	for name, c := range map[string]struct {
		req      install.Request
		product  string
		index    string // in the script
		notice   bool
		licensed bool
	}{
		"chef by default":    {install.Request{Version: "18"}, "cinc", "omnitruck.cinc.sh", true, false},
		"chef by name":       {install.Request{Product: "chef"}, "cinc", "omnitruck.cinc.sh", true, false},
		"workstation":        {install.Request{Product: "chef-workstation"}, "cinc-workstation", "omnitruck.cinc.sh", true, false},
		"cinc":               {install.Request{Product: "cinc"}, "cinc", "omnitruck.cinc.sh", false, false},
		"the vendor's":       {install.Request{ScriptURL: "https://www.chef.io/chef/install.sh"}, "cinc", "omnitruck.cinc.sh", true, false},
		"the old vendor's":   {install.Request{ScriptURL: "http://www.getchef.com/chef/install.sh"}, "cinc", "omnitruck.cinc.sh", true, false},
		"Cinc's installer":   {install.Request{ScriptURL: "https://omnitruck.cinc.sh/install.sh"}, "cinc", "omnitruck.cinc.sh", false, false},
		"own installer":      {install.Request{ScriptURL: "https://mirror.example/install.sh"}, "chef", "", false, true},
		"licence":            {install.Request{License: "abc-def"}, "chef", "chefdownload-commercial.chef.io", false, true},
		"free licence":       {install.Request{License: "free-abc"}, "chef", "chefdownload-trial.chef.io", false, true},
		"licence and cinc":   {install.Request{Product: "cinc", License: "abc"}, "cinc", "omnitruck.cinc.sh", false, false},
		"mirror":             {install.Request{Index: "http://mirror.example/omnitruck"}, "chef", "mirror.example", false, true},
		"package":            {install.Request{URL: "http://mirror.example/chef.deb"}, "chef", "", false, true},
		"options":            {install.Request{ScriptOptions: "-P cinc -v 17 -c current"}, "cinc", "omnitruck.cinc.sh", false, false},
		"options of license": {install.Request{ScriptOptions: "-L key"}, "chef", "chefdownload-commercial.chef.io", false, true},
	} {
		p, err := install.Make(c.req)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if p.Product != c.product || (p.Notice != "") != c.notice || p.Licensed != c.licensed {
			t.Errorf("%s: product %q, notice %q, licensed %v", name, p.Product, p.Notice, p.Licensed)
		}
		api := ""
		for line := range strings.Lines(string(p.Script())) {
			if v, ok := strings.CutPrefix(line, "api="); ok {
				api = strings.TrimSpace(v)
				break
			}
		}
		if c.index == "" && api != "''" || !strings.Contains(api, c.index) {
			t.Errorf("%s: index %s", name, api)
		}
		if strings.Contains(p.Notice, "\n") {
			t.Errorf("%s: more than one line: %q", name, p.Notice)
		}
		if c.req.License != "" && c.product == "cinc" && strings.Contains(string(p.Script()), "license=abc") {
			t.Errorf("%s: the key goes to Cinc", name)
		}
	}
}

func TestMakeRefuses(t *testing.T) {
	for name, req := range map[string]install.Request{
		"unknown product": {Product: "angrychef"},
		"product":         {Product: "../etc"},
		"product shell":   {Product: "chef;reboot"},
		"version":         {Version: "18&x=y"},
		"channel":         {Channel: "a/b"},
		"strategy":        {Strategy: "sometimes"},
		"checksum":        {SHA256: "abc"},
		"root":            {Root: "opt"},
		"root of all":     {Root: "/opt/.."},
		"url":             {URL: "file:///etc/passwd"},
		"script":          {ScriptURL: "install.sh"},
		"option":          {ScriptOptions: "-d /tmp"},
		"half an option":  {ScriptOptions: "-P"},
		"licence":         {License: "a b"},
	} {
		if _, err := install.Make(req); err == nil {
			t.Errorf("%s: no error", name)
		} else if strings.Contains(err.Error(), "a b") {
			t.Errorf("%s: shows the key: %v", name, err)
		}
	}
}

func TestFind(t *testing.T) {
	dir := t.TempDir()
	a, b := filepath.Join(dir, "it's cinc"), filepath.Join(dir, "chef")
	for d, manifest := range map[string]string{a: "cinc 17.2.1", b: ""} {
		if err := os.MkdirAll(filepath.Join(d, "bin"), 0o755); err != nil {
			t.Fatal(err)
		}
		if manifest != "" {
			if err := os.WriteFile(filepath.Join(d, "version-manifest.txt"), []byte(manifest+"\n"), 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := os.WriteFile(filepath.Join(b, "bin", "chef-client"), []byte("#!/bin/sh\necho 'Chef Infra Client: 18.4.12'\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		strategy install.Strategy
		version  string
		want     string
	}{
		"once":          {install.Once, "99", a},
		"match first":   {install.Match, "17", a},
		"match exact":   {install.Match, "17.2.1", a},
		"match asked":   {install.Match, "18.4", b},
		"match neither": {install.Match, "1", ""},
		"always":        {install.Always, "", ""},
		"always prefix": {install.Always, "17", ""},
		"always exact":  {install.Always, "18.4.12", b},
		"always other":  {install.Always, "18.4.1", ""},
	} {
		p := plan(t, install.Request{Product: "cinc", Strategy: c.strategy, Version: c.version})
		p.Roots = []string{filepath.Join(dir, "none"), a, b}
		out, err := exec.CommandContext(t.Context(), "sh", "-c", p.Find()).CombinedOutput()
		if err != nil {
			t.Fatalf("%s: %v\n%s", name, err, out)
		}
		if got, ok := install.Found(string(out)); got != c.want || ok != (c.want != "") {
			t.Errorf("%s: found %q, want %q", name, got, c.want)
		}
	}
}
