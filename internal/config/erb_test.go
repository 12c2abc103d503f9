package config

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/galleyhq/galley/internal/ruby"
)

const oneInstance = "platforms: [{name: p}]\nsuites: [{name: s}]\n"

// engines runs a test with the built-in evaluator and, where there is one,
// with a real Ruby.
func engines(t *testing.T, test func(t *testing.T, o func(Options) Options)) {
	t.Run("galley", func(t *testing.T) { test(t, func(o Options) Options { return o }) })
	t.Run("ruby", func(t *testing.T) {
		if _, err := exec.LookPath("ruby"); err != nil {
			t.Skip("no ruby here")
		}
		test(t, func(o Options) Options {
			o.Env.Set("GALLEY_ERB", "ruby")
			o.Env.Set("PATH", os.Getenv("PATH"))
			return o
		})
	})
}

// TestCarryOver: what ERB writes to ENV, globals and methods goes from the
// global file to the project's and on to the local one; local variables do
// not.
func TestCarryOver(t *testing.T) {
	engines(t, func(t *testing.T, with func(Options) Options) {
		o := project(t, map[string]string{
			"~/.kitchen/config.yml": "<% ENV['A'] = 'env'; $g = 'global'; def m; 'method'; end; x = 1 %>\ndriver: {a: 0}\n",
			"kitchen.yml":           "driver:\n  a: <%= ENV['A'] %>\n  g: <%= $g %>\n  m: <%= m %>\n<% $g = 'later' %>\n" + oneInstance,
			"kitchen.local.yml":     "driver:\n  l: <%= $g %>\n  x: <%= defined?(x) ? 'seen' : 'gone' %>\n",
		})
		p, err := Load(context.Background(), with(o))
		if err != nil {
			t.Fatal(err)
		}
		d := p.Instances[0].Driver
		for key, want := range map[string]string{"a": "env", "g": "global", "m": "method", "l": "later", "x": "gone"} {
			if got, err := d.String(key, ""); err != nil || got != want {
				t.Errorf("%s is %q, %v; want %q", key, got, err, want)
			}
		}
	})
}

// TestTemplateLines: places are the template's, wherever rendering has moved
// them.
func TestTemplateLines(t *testing.T) {
	engines(t, func(t *testing.T, with func(Options) Options) {
		const head = "<% n = %w(a b c) %>\n<% n.each do |x| %>\nx-<%= x %>:\n  k: v\n<% end %>\n"
		o := project(t, map[string]string{"kitchen.yml": head + "driver:\n  a: 1\n\tb: 2\n"})
		_, err := Load(context.Background(), with(o))
		if err == nil || !strings.HasPrefix(err.Error(), "kitchen.yml:8:1: a tab in the indentation") {
			t.Errorf("got %v", err)
		}
		o = project(t, map[string]string{"kitchen.yml": head + "driver:\n  a: 1\n  u: <%= ENV['WHO'] %>\n" + oneInstance})
		o.Env.Set("WHO", "me")
		p, err := Load(context.Background(), with(o))
		if err != nil {
			t.Fatal(err)
		}
		d := p.Instances[0].Driver
		if got := d.Where("a"); got != "kitchen.yml:7" {
			t.Errorf("a is at %s", got)
		}
		u := d.Origin("u")
		if u.Line != 8 || !u.ERB || !slices.Equal(u.Env, []string{"WHO"}) {
			t.Errorf("u has the origin %+v", u)
		}
		if got, want := u.String(), "kitchen.yml:8 (ERB, ENV WHO)"; got != want {
			t.Errorf("got %s, want %s", got, want)
		}
		if a := d.Origin("a"); a.ERB || a.Env != nil {
			t.Errorf("a has the origin %+v", a)
		}
	})
}

func TestERBErrors(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{"a: 1\nb: <%= nope %>\n", "kitchen.yml:2:8: ERB: undefined local variable or method `nope'"},
		{"a: <%= raise 'no way' %>\n", "kitchen.yml:1:8: ERB: no way (RuntimeError)"},
		{"a: 1\nb: <%= 1 +* %>\n", "kitchen.yml:2:"},
		{"a: <%= `true` %>\n", "kitchen.yml:1:8: ERB: the file wants to run the command"},
	} {
		o := project(t, map[string]string{"kitchen.yml": c.text})
		_, err := Load(context.Background(), o)
		var e *Error
		if !errors.As(err, &e) || !strings.HasPrefix(err.Error(), c.want) {
			t.Errorf("%q: got %v, want %s", c.text, err, c.want)
		}
	}
}

// TestEmptyPlatformName names the variable that is not set.
func TestEmptyPlatformName(t *testing.T) {
	o := project(t, map[string]string{"kitchen.yml": "platforms:\n- name: <%= ENV['KITCHEN_PLATFORM'] %>\nsuites: [{name: s}]\n"})
	_, err := Load(context.Background(), o)
	var e *Error
	if !errors.As(err, &e) || e.Line != 2 || e.Hint() != "it is made from the environment: set KITCHEN_PLATFORM" {
		t.Errorf("got %#v", err)
	}
}

func TestTemplateOutput(t *testing.T) {
	var out bytes.Buffer
	o := project(t, map[string]string{"kitchen.yml": "<% puts 'hello' %>\n" + oneInstance})
	o.Output = &out
	if _, err := Load(context.Background(), o); err != nil || out.String() != "hello\n" {
		t.Errorf("got %q, %v", out.String(), err)
	}
}

func TestProcessEnvironmentIsKept(t *testing.T) {
	t.Setenv("GALLEY_TEST_X", "before")
	o := project(t, map[string]string{"kitchen.yml": "<% ENV['GALLEY_TEST_X'] = 'after' %>driver: {x: '<%= ENV['GALLEY_TEST_X'] %>'}\n" + oneInstance})
	o.Env = nil
	p, err := Load(context.Background(), o)
	if err != nil {
		t.Fatal(err)
	}
	if got, _ := p.Instances[0].Driver.String("x", ""); got != "after" {
		t.Errorf("got %q", got)
	}
	if got := processEnv().Get("GALLEY_TEST_X"); got != "before" {
		t.Errorf("the process has %q", got)
	}
}

func TestRender(t *testing.T) {
	engines(t, func(t *testing.T, with func(Options) Options) {
		o := with(project(t, map[string]string{"x/t.yml": "<% 2.times do |i| %>\n- <%= i %>\n<% end %>\nend"}))
		r, err := Render(context.Background(), o, "x/t.yml")
		if err != nil {
			t.Fatal(err)
		}
		if want := "\n- 0\n\n- 1\n\nend"; r.Text != want {
			t.Errorf("got %q, want %q", r.Text, want)
		}
		if want := "1  \n2  - 0\n1  \n2  - 1\n3  \n4  end"; !strings.HasSuffix(r.Numbered(), "4  end") || len(strings.Split(r.Numbered(), "\n")) != len(strings.Split(want, "\n")) {
			t.Errorf("got %q, want %q", r.Numbered(), want)
		}
		if _, err := Render(context.Background(), o, "nope.yml"); err == nil {
			t.Error("a missing file is rendered")
		}
	})
}

func TestSecretsFromTheEnvironment(t *testing.T) {
	o := project(t, map[string]string{"kitchen.yml": "driver:\n  note: <%= ENV['DB_PASSWORD'] %>\n  url: x<%= ENV['DB_PASSWORD'] %>y\n  z: langgenug\n" + oneInstance})
	o.Env.Set("DB_PASSWORD", "kurz")
	o.Env.Set("API_TOKEN", "langgenug")
	got := examine(t, o, DiagnoseOptions{Loader: true, Instances: true})
	if strings.Contains(got, "kurz") || strings.Contains(got, "langgenug") {
		t.Errorf("a secret is shown:\n%s", got)
	}
}

func TestTablesOfProblemsHaveTemplateLines(t *testing.T) {
	ps := problems(t, "<% 3.times do %>\n<% end %>\ndriver: {name: openstack, imag_ref: x, image_id: i, flavor_ref: f}\n"+oneInstance)
	if len(ps) != 1 || ps[0].Line != 3 {
		t.Errorf("got %v", ps)
	}
}

// A template that the built-in evaluator refuses goes to a ruby on the PATH,
// where the user lets templates run commands; what earlier templates left
// behind is there.
func TestRefusedTemplateIsHandedOver(t *testing.T) {
	if _, err := exec.LookPath("ruby"); err != nil {
		t.Skip("no ruby here")
	}
	files := map[string]string{
		"~/.kitchen/config.yml": "<% def m; 'method'; end; ENV['A'] = 'env' %>\ndriver: {a: 0}\n",
		"kitchen.yml":           "<% case [1, 2]\nin [a, b] then c = a + b\nend %>\ndriver: {a: <%= c %>, m: <%= m %>, e: <%= ENV['A'] %>}\n" + oneInstance,
	}
	o := project(t, files)
	o.Env.Set("PATH", os.Getenv("PATH"))
	o.AllowExec = ruby.Always
	p, err := Load(context.Background(), o)
	if err != nil {
		t.Fatal(err)
	}
	got, _ := p.Instances[0].Driver.Data().(map[string]any)
	if got["a"] != int64(3) || got["m"] != "method" || got["e"] != "env" {
		t.Errorf("got %v", got)
	}
	o = project(t, files)
	o.Env.Set("PATH", os.Getenv("PATH"))
	_, err = Load(context.Background(), o)
	var e *Error
	if !errors.As(err, &e) || e.Line != 2 || !strings.Contains(e.Msg, "pattern matching") || !strings.Contains(e.Hint(), "--allow-exec") {
		t.Errorf("without consent: %v", err)
	}
}

// A gem that only Test Kitchen needs is a warning; its constants are unknown.
func TestGemsOfTestKitchen(t *testing.T) {
	p, err := Load(context.Background(), project(t, map[string]string{"kitchen.yml": "<% require 'kitchen-sync' %>\n" + oneInstance}))
	if err != nil || len(p.Warnings) == 0 || p.Warnings[0].Code != "gem" || p.Warnings[0].File != "kitchen.yml" {
		t.Fatalf("got %v, %v", p, err)
	}
	_, err = Load(context.Background(), project(t, map[string]string{"kitchen.yml": "<% require 'kitchen/loader' %>\n<% Kitchen::Loader.new %>\n" + oneInstance}))
	if err == nil || !strings.Contains(err.Error(), "uninitialized constant Kitchen") {
		t.Errorf("got %v", err)
	}
	_, err = Load(context.Background(), project(t, map[string]string{"kitchen.yml": "<% require 'aws-sdk' %>\n" + oneInstance}))
	if err == nil || !strings.Contains(err.Error(), "cannot load such file -- aws-sdk") {
		t.Errorf("got %v", err)
	}
}
