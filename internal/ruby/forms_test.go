package ruby_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/galleyhq/galley/internal/config/erb"
	"github.com/galleyhq/galley/internal/env"
	"github.com/galleyhq/galley/internal/ruby"
)

// recorder is a host that writes down the calls that a file makes.
type recorder struct {
	in  *ruby.Interp
	out strings.Builder
	set map[string]ruby.Value
}

func (r *recorder) Responds(name string) bool { return name != "source_url" }

func (r *recorder) Call(c *ruby.Call) (ruby.Value, bool, error) {
	r.in = c.Interp()
	switch c.Name {
	case "default", "override", "knife":
		return &ruby.HostObject{Name: c.Name, Host: ruby.HostFunc(r.index(c.Name))}, true, nil
	case "ChefSpec":
		return nil, false, nil
	}
	if v, ok := r.set[c.Name]; ok && c.Bare {
		return v, true, nil
	}
	fmt.Fprintf(&r.out, "%d: %s", c.Line, c.Name)
	for _, a := range c.Args {
		r.out.WriteString(" " + r.in.Inspect(a))
	}
	if c.Keywords != nil {
		r.out.WriteString(" " + r.in.Inspect(c.Keywords))
	}
	r.out.WriteString("\n")
	if len(c.Args) > 0 {
		r.set[c.Name] = c.Args[0]
	}
	if c.Block == nil {
		return nil, true, nil
	}
	v, err := c.Yield(&ruby.HostObject{Name: c.Name, Host: r})
	return v, true, err
}

// index records calls on an object such as default["a"].
func (r *recorder) index(path string) func(c *ruby.Call) (ruby.Value, bool, error) {
	return func(c *ruby.Call) (ruby.Value, bool, error) {
		key := path + "[" + r.in.Inspect(c.Args[0]) + "]"
		switch c.Name {
		case "[]":
			if path == "knife" {
				return r.set[key], true, nil
			}
			return &ruby.HostObject{Name: key, Host: ruby.HostFunc(r.index(key))}, true, nil
		case "[]=":
			fmt.Fprintf(&r.out, "%d: %s = %s\n", c.Line, key, r.in.Inspect(c.Args[1]))
			r.set[key] = c.Args[1]
			return c.Args[1], true, nil
		}
		return nil, false, nil
	}
}

// TestForms reads files of the kinds that users write, each in the forms that
// are found in public repositories, and compares what they call with
// testdata/forms/FILE.want. FORMS=update writes those.
func TestForms(t *testing.T) {
	files, err := filepath.Glob("testdata/forms/*.*rb")
	if err != nil || len(files) == 0 {
		t.Fatal("no files", err)
	}
	dir, err := filepath.Abs("testdata/forms")
	if err != nil {
		t.Fatal(err)
	}
	vars := env.New([]string{"HOME=/home/me", "USER=Jo Doe", "OS_AUTH_URL=https://cloud.example.com:5000/v3", "OS_USERNAME=demo", "TEAM= Web "})
	for _, file := range files {
		src, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(dir, filepath.Base(file))
		r := &recorder{set: map[string]ruby.Value{}}
		in := ruby.New(ruby.Config{Env: vars, Dir: dir, Host: r, Stdout: &r.out})
		r.in = in
		if strings.HasSuffix(file, ".erb") {
			res, rerr := erb.Render(context.Background(), string(src), path, in)
			r.out.WriteString(res.Text)
			err = rerr
		} else {
			_, err = in.Eval(context.Background(), string(src), path)
		}
		got := strings.ReplaceAll(r.out.String(), dir, "DIR")
		if err != nil {
			t.Errorf("%s: %v\n%s", file, err, got)
			continue
		}
		if os.Getenv("FORMS") == "update" {
			if err := os.WriteFile(file+".want", []byte(got), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(file + ".want")
		if err != nil {
			t.Fatal(err)
		}
		if got != string(want) {
			t.Errorf("%s calls\n%s\nwant\n%s", file, got, want)
		}
	}
}
