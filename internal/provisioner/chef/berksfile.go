package chef

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/galleyhq/galley/internal/env"
	"github.com/galleyhq/galley/internal/provisioner/base"
	"github.com/galleyhq/galley/internal/ruby"
	"github.com/galleyhq/galley/kitchen"
)

// berksfile is a Berksfile as far as it can be followed without Berkshelf.
type berksfile struct {
	// paths are the cookbooks that it takes from directories, by name.
	paths map[string]string
	// others are those that come from elsewhere.
	others []string
	// top are the names that it asks for itself.
	top []string
}

// readBerksfile reads a Berksfile. An error tells that its Ruby is more than
// can be followed here.
func readBerksfile(ctx context.Context, step *kitchen.Step, o base.Options, file string) (*berksfile, error) {
	src, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	dir := filepath.Dir(file)
	b := &berksfile{paths: map[string]string{}}
	// group and the like give their block's declarations a common option.
	var common []*ruby.Hash
	option := func(c *ruby.Call, name string) string {
		for _, h := range append([]*ruby.Hash{c.Keywords}, common...) {
			if h == nil {
				continue
			}
			if v, ok := h.Get(ruby.Symbol(name)); ok {
				if s, ok := ruby.ToGo(v).(string); ok {
					return s
				}
			}
		}
		return ""
	}
	absolute := func(p string) string {
		if filepath.IsAbs(p) {
			return p
		}
		return filepath.Join(dir, p)
	}
	host := func(c *ruby.Call) (ruby.Value, bool, error) {
		switch c.Name {
		case "metadata":
			at := dir
			if p := option(c, "path"); p != "" {
				at = absolute(p)
			}
			m, err := readMetadata(ctx, step, o, at)
			if err != nil {
				return nil, true, err
			}
			b.paths[m.name] = at
			b.top = append(b.top, m.name)
		case "cookbook":
			if len(c.Args) == 0 {
				return nil, true, fmt.Errorf("%s:%d: cookbook without a name", c.File, c.Line)
			}
			name, _ := ruby.ToGo(c.Args[0]).(string)
			b.top = append(b.top, name)
			if p := option(c, "path"); p != "" {
				b.paths[name] = absolute(p)
			} else {
				b.others = append(b.others, name)
			}
		case "group", "path", "git", "github":
			if c.Name != "group" {
				// Such a block is about where its cookbooks come from, in a
				// way that Berkshelf itself is asked to follow.
				return nil, true, fmt.Errorf("%s:%d: %s blocks are for Berkshelf", c.File, c.Line, c.Name)
			}
			v, err := c.Yield()
			return v, true, err
		case "source", "solver", "extension":
		default:
			return nil, false, nil
		}
		return nil, true, nil
	}
	in := ruby.New(ruby.Config{Env: env.New(o.Environ), Dir: dir, Host: ruby.HostFunc(host)})
	if _, err := in.Eval(ctx, string(src), file); err != nil {
		return nil, err
	}
	return b, nil
}

// closure follows the cookbooks that a Berksfile asks for and all that those
// depend on, through directories alone: those that the Berksfile names, and
// those in the given directories of vendored cookbooks. It returns where each
// one lies, and the names that are nowhere.
func (b *berksfile) closure(ctx context.Context, step *kitchen.Step, o base.Options, vendored []string) (found map[string]string, missing []string, err error) {
	found = map[string]string{}
	seen := map[string]bool{}
	queue := append([]string(nil), b.top...)
	for len(queue) > 0 {
		name := queue[0]
		queue = queue[1:]
		if seen[name] {
			continue
		}
		seen[name] = true
		dir, ok := b.paths[name]
		for _, v := range vendored {
			if !ok && hasMetadata(filepath.Join(v, name)) {
				dir, ok = filepath.Join(v, name), true
			}
		}
		if !ok {
			missing = append(missing, name)
			continue
		}
		m, err := readMetadata(ctx, step, o, dir)
		if err != nil {
			return nil, nil, err
		}
		found[name] = dir
		queue = append(queue, m.depends...)
	}
	return found, missing, nil
}
