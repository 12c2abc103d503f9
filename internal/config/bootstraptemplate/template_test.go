package bootstraptemplate

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/galleyhq/galley/internal/ruby"
)

func sample() Context {
	return Context{
		Config:     map[string]any{"channel": "stable", "bootstrap_product": "chef", "bootstrap_proxy": nil, "color": false},
		ChefConfig: map[string]any{"chef_server_url": "https://chef"},
		RunList:    []string{"recipe[a]"}, FirstBoot: map[string]any{"run_list": []string{"recipe[a]"}},
		ClientKey: "KEY", ConfigContent: "node_name \"web1\"\n", StartChef: "chef-client -j /etc/chef/first-boot.json",
		Hints: map[string][]byte{"openstack": []byte(`{"a":1}`)}, Version: "18",
	}
}

func render(t *testing.T, src string, c Context) string {
	t.Helper()
	out, err := Render(t.Context(), []byte(src), "t.erb", c, Options{Environ: []string{"X=y"}})
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}

func TestRender(t *testing.T) {
	for _, c := range [][2]string{
		{"plain\n", "plain"},
		{"a\n  <% if true %>  \n  b\n <% end -%>\nc", "a\n  b\nc"},
		{"<% if true -%> x <% end -%>\ny", " x \ny"},
		{"<%# one\ntwo -%>\nx", "x"},
		{"a <%# c %>\nx", "a \nx"},
		{"<%= 1 -%>\n2", "12"},
		{"<%= 1 %>\n2", "1\n2"},
		{"<%% x %>\n", "<% x %>"},
		{"  <%- 1 %>\nx", "x"},
		{"<%= @config[:channel] %>/<%= config[:bootstrap_product] %>/<%= knife_config[:channel] %>", "stable/chef/stable"},
		{"<%= \"proxy\" if @config[:bootstrap_proxy] %>.", "."},
		{"<%= @chef_config[:chef_server_url] %> <%= Chef::Config[:chef_server_url] %>", "https://chef https://chef"},
		{"<%= @run_list.join(',') %> <%= Chef::JSONCompat.to_json(first_boot) %>", `recipe[a] {"run_list":["recipe[a]"]}`},
		{"<% if client_pem -%>\n<%= ::File.read(::File.expand_path(client_pem)) %>\n<% end -%>", "KEY\n"},
		{"<% if validation_key -%>\nno\n<% end -%>\n<% unless trusted_certs.empty? -%>\nno\n<% end -%>\nx", "x"},
		{"<% @config[:hints].each do |name, hash| -%>\n<%= name %> <%= Chef::JSONCompat.to_json(hash) %>\n<% end -%>", "openstack {\"a\":1}\n"},
		{"<% unless @chef_config[:knife][:hints].nil? %>h<% end %>", "h"},
		{"<%= config_content %>|<%= start_chef %>", "node_name \"web1\"\n|chef-client -j /etc/chef/first-boot.json"},
		{"<%= version_to_install %> <%= latest_current_chef_version_string %> <%= ENV['X'] %>", "18 -v 18 y"},
		{"/usr/bin/<%= ChefUtils::Dist::Infra::CLIENT %> <%= bootstrap_environment.inspect %>", "/usr/bin/chef-client nil"},
	} {
		if got := render(t, c[0], sample()); got != c[1] {
			t.Errorf("%q gives %q, want %q", c[0], got, c[1])
		}
	}
}

func TestRenderRefusesWithTheLine(t *testing.T) {
	for src, want := range map[string]struct {
		line int
		says string
	}{
		"a\n<% if true -%>\n<%# x\n -%>\n<%= download_url %>\n<% end -%>\n": {5, "download_url"},
		"a\n\n<%= `id` %>\n": {3, ""},
		"a\n<% if %>\n":      {2, ""},
		"\n<%== 1 %>":        {2, ""},
	} {
		_, err := Render(t.Context(), []byte(src), "t.erb", sample(), Options{})
		var bad *ruby.Error
		if !errors.As(err, &bad) || bad.Line != want.line || bad.File != "t.erb" || !strings.Contains(err.Error(), want.says) {
			t.Errorf("%q: error %v", src, err)
		}
	}
}

func TestRenderLeavesNoKey(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	name := render(t, "<%= client_pem %>", sample())
	if _, err := os.Stat(filepath.Dir(name)); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("%s: %v", name, err)
	}
}

func FuzzTranslate(f *testing.F) {
	for _, s := range []string{"a\n <% if x -%>\nb<% end %>", "<%= 1 -%>\n", "<%% %>", "<%", "%>", "<%#\n%> \n"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got := translate(s)
		// What moves is only where a line break stands.
		if strings.Count(got, "\n") != strings.Count(s, "\n") {
			t.Errorf("%q becomes %q", s, got)
		}
		if !strings.Contains(s, "%>") && got != s {
			t.Errorf("%q without a tag becomes %q", s, got)
		}
	})
}
