package ruby

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/galleyhq/galley/internal/env"
)

// settings reads knife.rb the way a reader of it would: a bare call of one argument sets, a call of none gets.
type settings struct {
	values map[string]any
	knife  map[string]any
	loaded []string
}

func (s *settings) Call(c *Call) (Value, bool, error) {
	switch {
	case c.Name == "knife" && len(c.Args) == 0:
		return &HostObject{Name: "knife", Host: HostFunc(func(c *Call) (Value, bool, error) {
			switch c.Name {
			case "[]":
				v, ok := s.knife[fmt.Sprint(ToGo(c.Args[0]))]
				if !ok {
					return nil, true, nil
				}
				return FromGo(v), true, nil
			case "[]=":
				s.knife[fmt.Sprint(ToGo(c.Args[0]))] = ToGo(c.Args[1])
				return c.Args[1], true, nil
			}
			return nil, false, nil
		})}, true, nil
	case c.Keywords != nil && len(c.Args) == 0:
		s.values[c.Name] = ToGo(c.Keywords)
		return nil, true, nil
	case len(c.Args) == 1 && c.Block == nil:
		s.values[c.Name] = ToGo(c.Args[0])
		return c.Args[0], true, nil
	case c.Bare:
		v, ok := s.values[c.Name]
		return FromGo(v), ok, nil
	}
	return nil, false, nil
}

func TestHostKnife(t *testing.T) {
	s := &settings{values: map[string]any{}, knife: map[string]any{}}
	in := New(Config{Env: env.New([]string{"USER=Jo", "HOME=/home/jo", "OS_USERNAME=demo"}), Dir: "/srv/repo", Host: s})
	in.SetConst("Chef", &HostObject{Name: "Chef", Host: HostFunc(func(c *Call) (Value, bool, error) {
		if c.Name != "Config" {
			return nil, false, nil
		}
		return &HostObject{Name: "Chef::Config", Host: HostFunc(func(c *Call) (Value, bool, error) {
			switch c.Name {
			case "from_file":
				s.loaded = append(s.loaded, c.Args[0].(*String).String())
				return nil, true, nil
			case "[]=":
				s.values[fmt.Sprint(ToGo(c.Args[0]))] = ToGo(c.Args[1])
				return nil, true, nil
			}
			return nil, false, nil
		})}, true, nil
	})})
	src := `
current_dir = File.dirname(__FILE__)
user = ENV['OPSCODE_USER'] || ENV['USER']
log_level                :info
log_location             STDOUT
node_name                ( ENV['NOPE'] || user ).downcase
client_key               "#{ENV['HOME']}/.chef/#{node_name}.pem"
cache_options( :path => "#{ENV['HOME']}/.chef/checksums" )
cookbook_path            ["#{current_dir}/../cookbooks", File.expand_path("site", current_dir)]
knife[:openstack_username] = ENV['OS_USERNAME']
knife[:secret_file] = "x" unless knife[:secret_file]
knife[:secret_file] = "y" unless knife[:secret_file]
knife['list'] = %w[a b]
local_mode true
Chef::Config[:ssl_verify_mode] = :verify_none
Chef::Config.from_file("/x/extra.rb") if current_dir
`
	if _, err := in.Eval(context.Background(), src, "/srv/repo/.chef/knife.rb"); err != nil {
		t.Fatal(err)
	}
	want := map[string]any{
		"log_level": Symbol("info"), "node_name": "jo", "client_key": "/home/jo/.chef/jo.pem",
		"cache_options": Map{{Symbol("path"), "/home/jo/.chef/checksums"}},
		"cookbook_path": []any{"/srv/repo/.chef/../cookbooks", "/srv/repo/.chef/site"}, "local_mode": true, "ssl_verify_mode": Symbol("verify_none"),
	}
	delete(s.values, "log_location")
	if !reflect.DeepEqual(s.values, want) {
		t.Errorf("got %#v, want %#v", s.values, want)
	}
	wantKnife := map[string]any{"openstack_username": "demo", "secret_file": "x", "list": []any{"a", "b"}}
	if !reflect.DeepEqual(s.knife, wantKnife) {
		t.Errorf("got %#v, want %#v", s.knife, wantKnife)
	}
	if !reflect.DeepEqual(s.loaded, []string{"/x/extra.rb"}) {
		t.Errorf("loaded %v", s.loaded)
	}
}

func TestHostMetadata(t *testing.T) {
	var got []string
	host := HostFunc(func(c *Call) (Value, bool, error) {
		if c.Bare {
			return nil, false, nil
		}
		var args []string
		for _, a := range c.Args {
			args = append(args, fmt.Sprint(ToGo(a)))
		}
		if c.Keywords != nil {
			args = append(args, c.Interp().Inspect(c.Keywords))
		}
		got = append(got, fmt.Sprintf("%d %s(%s)", c.Line, c.Name, strings.Join(args, ",")))
		return nil, true, nil
	})
	in := New(Config{Host: host, Dir: "/src/book"})
	src := `name 'demo'
version '1.2.3'
long_description IO.read(File.join(File.dirname(__FILE__), 'nope.md')) if File.exist?('nope.md')
%w(ubuntu debian).each { |os| supports os, '>= 1.0' }
depends 'apt', '~> 2.0'
depends 'yum'
chef_version '>= 14' if respond_to?(:chef_version)
gem 'x', :group => :test
`
	if _, err := in.Eval(context.Background(), src, "metadata.rb"); err != nil {
		t.Fatal(err)
	}
	want := []string{"1 name(demo)", "2 version(1.2.3)", "4 supports(ubuntu,>= 1.0)", "4 supports(debian,>= 1.0)", "5 depends(apt,~> 2.0)", "6 depends(yum)", "8 gem(x,{:group=>:test})"}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}

func TestHostBerksfile(t *testing.T) {
	var got []string
	group := ""
	var host HostFunc
	host = func(c *Call) (Value, bool, error) {
		switch c.Name {
		case "group":
			group = fmt.Sprint(ToGo(c.Args[0]))
			_, err := c.Yield()
			group = ""
			return nil, true, err
		case "default_source":
			_, err := c.YieldAs(&HostObject{Name: "source", Host: host}, &HostObject{Name: "s", Host: host})
			return nil, true, err
		case "source", "metadata", "cookbook", "preferred_for":
			s := c.Name
			for _, a := range c.Args {
				s += " " + fmt.Sprint(ToGo(a))
			}
			if c.Keywords != nil {
				v, _ := c.Keywords.Get(Symbol("path"))
				s += " path=" + fmt.Sprint(ToGo(v))
			}
			if group != "" {
				s += " (" + group + ")"
			}
			got = append(got, s)
			return nil, true, nil
		}
		return nil, false, nil
	}
	in := New(Config{Host: host})
	src := `source 'https://supermarket.example'
metadata
cookbook 'a', '~> 1.0'
group :integration do
  cookbook 'b', path: 'test/b'
end
default_source :supermarket do |s|
  s.preferred_for 'x'
  preferred_for 'y'
end
`
	if _, err := in.Eval(context.Background(), src, "Berksfile"); err != nil {
		t.Fatal(err)
	}
	want := []string{"source https://supermarket.example", "metadata", "cookbook a ~> 1.0", "cookbook b path=test/b (integration)", "preferred_for x", "preferred_for y"}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
	_, err := in.Eval(context.Background(), "nobody_knows 1", "Berksfile")
	var e *Error
	if !errors.As(err, &e) || e.Class != "NoMethodError" {
		t.Errorf("an unknown word gave %v", err)
	}
}

func TestHostErrors(t *testing.T) {
	boom := errors.New("boom")
	host := HostFunc(func(c *Call) (Value, bool, error) {
		switch c.Name {
		case "raises":
			return nil, true, c.Raise("ArgumentError", "no good")
		case "fails":
			return nil, true, boom
		}
		return nil, false, nil
	})
	in := New(Config{Host: host})
	v, err := in.Eval(context.Background(), "begin; raises 1; rescue ArgumentError => e; e.message; end", "x.rb")
	if err != nil || ToGo(v) != "no good" {
		t.Errorf("got %v, %v", v, err)
	}
	_, err = in.Eval(context.Background(), "\n  begin; fails 1; rescue Exception; end", "x.rb")
	var e *Error
	if !errors.Is(err, boom) || !errors.As(err, &e) || e.Line != 2 || e.Col != 10 {
		t.Errorf("got %v", err)
	}
}
