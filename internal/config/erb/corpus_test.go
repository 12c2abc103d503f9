package erb

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"sort"
	"strings"
	"testing"

	"github.com/galleyhq/galley/internal/config/yaml11"
	"github.com/galleyhq/galley/internal/env"
	"github.com/galleyhq/galley/internal/ruby"
)

// TestCorpus renders the kitchen files of a directory and compares what YAML makes of them with recorded data:
// GALLEY_CORPUS/kitchen/NAME against GALLEY_CORPUS/expected/NAME.json, an object of environments ("env") and what is
// expected under each ("data" or "error").
func TestCorpus(t *testing.T) {
	dir := os.Getenv("GALLEY_CORPUS")
	if dir == "" {
		t.Skip("GALLEY_CORPUS names no directory of kitchen files")
	}
	files, err := filepath.Glob(filepath.Join(dir, "expected", "*.json"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no expected data in %s: %v", dir, err)
	}
	sort.Strings(files)
	good, all := 0, 0
	for _, f := range files {
		raw, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		var want map[string]struct {
			Env   map[string]string `json:"env"`
			Data  any               `json:"data"`
			Error string            `json:"error"`
		}
		if err := json.Unmarshal(raw, &want); err != nil {
			t.Fatal(err)
		}
		name := strings.TrimSuffix(filepath.Base(f), ".json")
		src, err := os.ReadFile(filepath.Join(dir, "kitchen", name))
		if err != nil {
			t.Log(err)
			continue
		}
		for variant, w := range want {
			all++
			in := ruby.New(ruby.Config{Env: env.FromMap(w.Env), Dir: "/srv/project"})
			r, err := Render(context.Background(), string(src), "/srv/project/.kitchen.yml", in)
			var data any
			if err == nil {
				var n *yaml11.Node
				if n, _, err = yaml11.Parse([]byte(r.Text)); err == nil {
					data = plain(n)
				}
			}
			var re *ruby.Error
			switch {
			case w.Error != "" && err == nil:
				t.Errorf("%s [%s]: no error, want %s", name, variant, w.Error)
			case w.Error == "" && err != nil:
				t.Errorf("%s [%s]: %v", name, variant, err)
			case err == nil && !reflect.DeepEqual(normal(w.Data), data):
				t.Errorf("%s [%s]: the data differ", name, variant)
			case errors.As(err, &re) && re.Kind == ruby.Internal:
				t.Errorf("%s [%s]: %v", name, variant, err)
			default:
				good++
			}
		}
	}
	t.Logf("%d of %d as expected", good, all)
}

func plain(n *yaml11.Node) any {
	if n == nil {
		return map[string]any{}
	}
	switch n.Kind {
	case yaml11.Bool:
		return n.Bool
	case yaml11.Int:
		return float64(n.Int)
	case yaml11.Float:
		return n.Float
	case yaml11.String:
		return n.Str
	case yaml11.Symbol:
		return ":" + n.Str
	case yaml11.Sequence:
		out := []any{}
		for _, x := range n.Items {
			out = append(out, plain(x))
		}
		return out
	case yaml11.Mapping:
		out := map[string]any{}
		for _, p := range n.Pairs {
			out[fmt.Sprint(plain(p.Key))] = plain(p.Value)
		}
		return out
	}
	return nil
}

func normal(v any) any {
	switch x := v.(type) {
	case []any:
		for i := range x {
			x[i] = normal(x[i])
		}
	case map[string]any:
		for k := range x {
			x[k] = normal(x[k])
		}
	}
	return v
}
