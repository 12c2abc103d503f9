package ruby_test

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/galleyhq/galley/internal/env"
	"github.com/galleyhq/galley/internal/ruby"
)

func needRuby(t *testing.T) {
	t.Helper()
	if _, err := exec.LookPath("ruby"); err != nil {
		t.Skip("no ruby on the PATH")
	}
}

// The host sees the same calls whether a file is evaluated here or by the real
// ruby.
func TestSystemSeesTheSameCalls(t *testing.T) {
	needRuby(t)
	dir, err := filepath.Abs("testdata/forms")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"apache.metadata.rb", "version.metadata.rb", "plain.berksfile.rb", "site.policyfile.rb", "client.knife.rb"} {
		src, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		vars := env.New(append(os.Environ(), "HOME=/home/me", "USER=Jo Doe", "OS_AUTH_URL=https://cloud.example.com:5000/v3",
			"OS_USERNAME=demo", "TEAM= Web ", "ORG=", "GALLEY_ERB=ruby", "LANG=C.UTF-8"))
		vars.Unset("ORG")
		vars.Unset("EDITOR")
		r := &recorder{set: map[string]ruby.Value{}}
		in, err := ruby.EvalFile(context.Background(), string(src), filepath.Join(dir, name), func() ruby.Config {
			return ruby.Config{Env: vars, Dir: dir, Host: r}
		})
		r.in = in
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		want, err := os.ReadFile(filepath.Join(dir, name+".want"))
		if err != nil {
			t.Fatal(err)
		}
		clean := func(s string) string {
			var out []string
			for _, l := range strings.Split(strings.ReplaceAll(s, dir, "DIR"), "\n") {
				// What is printed goes elsewhere, and an IO has no inspect here.
				if !strings.HasPrefix(l, "reading the version") && !strings.Contains(l, "log_location") {
					out = append(out, l)
				}
			}
			return strings.Join(out, "\n")
		}
		if got := clean(r.out.String()); got != clean(string(want)) {
			t.Errorf("%s calls\n%s\nwant\n%s", name, got, clean(string(want)))
		}
	}
}

func TestHandoff(t *testing.T) {
	needRuby(t)
	const src = "case [1, 2]\nin [a, b] then name \"n#{a + b}\"\nend\n"
	eval := func(engine string, consent ruby.Consent) (string, error) {
		r := &recorder{}
		_, err := ruby.EvalFile(context.Background(), src, "metadata.rb", func() ruby.Config {
			r = &recorder{set: map[string]ruby.Value{}}
			return ruby.Config{Env: env.New(append(os.Environ(), "GALLEY_ERB="+engine)), Host: r, AllowExec: consent}
		})
		return r.out.String(), err
	}
	for _, engine := range []string{"auto", "ruby", ""} {
		if got, err := eval(engine, ruby.Always); err != nil || got != "2: name \"n3\"\n" {
			t.Errorf("%q: got %q, %v", engine, got, err)
		}
	}
	_, err := eval("auto", func(file, _ string) bool { return file != "metadata.rb" })
	var re *ruby.Error
	if !errors.As(err, &re) || re.Kind != ruby.Unsupported || re.Line != 2 || !strings.Contains(re.Hint(), "--allow-exec") {
		t.Errorf("without consent: %v, %s", err, re.Hint())
	}
	// Files that are read together with the refused one need consent as well.
	vars := env.New(append(os.Environ(), "GALLEY_ERB=auto"))
	only := func(file, _ string) bool { return file == "b.rb" }
	err = ruby.Handoff(vars, only, func(string) {}, func(system bool) error {
		in := ruby.New(ruby.Config{Env: vars, AllowExec: only, Host: &recorder{set: map[string]ruby.Value{}}})
		if _, err := in.EvalAs(context.Background(), "name 'a'", "a.rb", nil, system); err != nil {
			return err
		}
		_, err := in.EvalAs(context.Background(), src, "b.rb", nil, system)
		return err
	})
	if !errors.As(err, &re) || re.Kind != ruby.Refused || re.File != "a.rb" || !strings.Contains(re.Hint(), "galley trust a.rb") {
		t.Errorf("without consent for a.rb: %v", err)
	}
	if _, err := eval("galley", ruby.Always); !errors.As(err, &re) || re.Kind != ruby.Unsupported {
		t.Errorf("galley: %v", err)
	}
	if _, err := eval("perl", ruby.Always); err == nil || !strings.Contains(err.Error(), `unknown ERB engine "perl"`) {
		t.Errorf("perl: %v", err)
	}
}

func TestSystemErrors(t *testing.T) {
	needRuby(t)
	for src, want := range map[string]string{
		"name 'x'\nnope!":           "m.rb:2:1: undefined method `nope!' for main:Module (NoMethodError)",
		"name 'x'\nraise 'bad'":     "m.rb:2:1: bad (RuntimeError)",
		"name(":                     "m.rb:1:1: ",
		"\nKitchen::Loader.new":     "m.rb:2:1: uninitialized constant Kitchen (NameError)",
		"name 'x'\nfail_in_host(1)": "m.rb:2:1: refused by the host",
	} {
		host := ruby.HostFunc(func(c *ruby.Call) (ruby.Value, bool, error) {
			switch c.Name {
			case "name":
				return nil, true, nil
			case "fail_in_host":
				return nil, true, errors.New("refused by the host")
			}
			return nil, false, nil
		})
		_, err := ruby.EvalFile(context.Background(), src, "m.rb", func() ruby.Config {
			return ruby.Config{Env: env.New(append(os.Environ(), "GALLEY_ERB=ruby")), Host: host}
		})
		if err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%q: got %v, want %s", src, err, want)
		}
	}
}
