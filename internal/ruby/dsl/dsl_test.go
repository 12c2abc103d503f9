package dsl_test

import (
	"context"
	"errors"
	"reflect"
	"testing"

	"github.com/galleyhq/galley/internal/ruby"
	"github.com/galleyhq/galley/internal/ruby/dsl"
)

func TestReadRecordsCallsWithPlaces(t *testing.T) {
	const src = `name 'web'
depends "#{name}-base", '~> 1.2', '>= 1.2.3'
group :test, :ci do
  cookbook 'fixture', path: './fixture'
end
default['web']['port'] = 80
chef_version '>= 14' if respond_to?(:chef_version)
`
	names := map[string]bool{}
	for _, n := range []string{"name", "depends", "group", "cookbook", "default"} {
		names[n] = true
	}
	got, err := dsl.Read(context.Background(), src, dsl.Options{
		File: "metadata.rb", Known: names, Objects: map[string]bool{"default": true},
	})
	if err != nil {
		t.Fatal(err)
	}
	want := []dsl.Call{
		{Name: "name", Args: []any{"web"}, File: "metadata.rb", Line: 1, Col: 1},
		{Name: "depends", Args: []any{"web-base", "~> 1.2", ">= 1.2.3"}, File: "metadata.rb", Line: 2, Col: 1},
		{
			Name: "group", Args: []any{ruby.Symbol("test"), ruby.Symbol("ci")}, HasBlock: true, File: "metadata.rb", Line: 3, Col: 1,
			Block: []dsl.Call{{
				Name: "cookbook", Args: []any{"fixture"}, File: "metadata.rb", Line: 4, Col: 3,
				Keywords: ruby.Map{{Key: ruby.Symbol("path"), Value: "./fixture"}},
			}},
		},
		{Name: "default", Index: []any{"web", "port"}, Args: []any{int64(80)}, File: "metadata.rb", Line: 6, Col: 15},
	}
	for i := range want {
		if i >= len(got) || !reflect.DeepEqual(got[i], want[i]) {
			t.Fatalf("call %d of\n%+v\nwant\n%+v", i, got, want)
		}
	}
}

func TestReadRefusesUnknownNames(t *testing.T) {
	_, err := dsl.Read(context.Background(), "name 'x'\ncokbook 'y'\n", dsl.Options{File: "Berksfile", Known: map[string]bool{"name": true}})
	var re *ruby.Error
	if !errors.As(err, &re) || re.Class != "NoMethodError" || re.Line != 2 {
		t.Fatalf("got %v", err)
	}
}
