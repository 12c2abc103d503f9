package cookbook

import (
	"strings"
	"testing"

	"github.com/galleyhq/galley/internal/jsonorder"
)

// Compiled metadata of older and odder forms is read as Chef reads it.
func TestMetadataJSON(t *testing.T) {
	for _, c := range []struct{ text, field, want string }{
		{`{"name":"a","version":"1.0","dependencies":{"b":["~> 1.0"],"c":null,"d":["> 1","< 2"],"e":"= 1.0.0"}}`, "dependencies", `{"b":"~> 1.0","c":[],"d":[],"e":"= 1.0.0"}`},
		{`{"name":"a","chef_versions":[["< 19",">= 14","< 19"],"12"]}`, "chef_versions", `[["< 19",">= 14"],["= 12"]]`},
		{`{"name":"a","ohai_versions":[[]]}`, "ohai_versions", `[[">= 0"]]`},
		{"\ufeff" + `{"name":"a","version":1.5,"unknown":true}`, "version", "1.5"},
	} {
		dir := tree(t, map[string]string{"metadata.json": c.text})
		m, err := Reader{}.Read(t.Context(), dir)
		if err != nil {
			t.Errorf("%s: %v", c.text, err)
			continue
		}
		o, err := jsonorder.ParseObject(m.JSON())
		if err != nil {
			t.Fatal(err)
		}
		got := strings.Join(strings.Fields(string(jsonorder.Marshal(o.Value(c.field)))), "")
		if want := strings.ReplaceAll(c.want, " ", ""); got != want {
			t.Errorf("%s: %s is %s, want %s", c.text, c.field, got, want)
		}
	}
	for text, want := range map[string]string{
		`{"name":"a","dependencies":[]}`:           "dependencies is not an object",
		`{"name":"a","chef_versions":"x"}`:         "chef_versions: x is not a list",
		`{"name":"a","chef_versions":[["newer"]]}`: "newer is not a requirement on a version",
		`{"name":`:          "metadata.json",
		`{"name":"a/../b"}`: "cannot be the name of a cookbook",
	} {
		if _, err := (Reader{}).Read(t.Context(), tree(t, map[string]string{"metadata.json": text})); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", text, err, want)
		}
	}
}

// The words of metadata.rb that have a meaning, and those that have none.
func TestMetadataWords(t *testing.T) {
	m, err := Reader{}.Read(t.Context(), tree(t, map[string]string{"metadata.rb": `
name 'a'
maintainer name + '!'
version '2.1'
description "version #{version}"
privacy true
eager_load_libraries 'libraries/x.rb', 1
recipe 'a::b', 'does b'
gem 'x', '~> 1.0', require: false
ohai_version '>= 14', '< 20'
provides 'a::c'
supports 'ubuntu', ['>= 18.04']
anything 'at all'
`}))
	if err != nil {
		t.Fatal(err)
	}
	text := strings.Join(strings.Fields(string(m.JSON())), " ")
	for _, want := range []string{
		`"maintainer": "a!"`, `"description": "version 2.1.0"`, `"privacy": true`, `"recipes": { "a::b": "does b" }`, `"eager_load_libraries": "libraries/x.rb"`,
		`"gems": [ [ "x", "~> 1.0", { "require": false } ] ]`, `"ohai_versions": [ [ "< 20", ">= 14" ] ]`, `"providing": { "a::c": ">= 0.0.0" }`, `"platforms": { "ubuntu": ">= 18.04" }`,
	} {
		if !strings.Contains(text, want) {
			t.Errorf("no %s in\n%s", want, text)
		}
	}
	for src, want := range map[string]string{
		"name 'a'\nrecipe 'x'":           "given 1, expected 2",
		"name 'a'\ndepends":              "a name and at most one version constraint",
		"name 'a'\ndepends 'b', path: 1": "is not a version constraint",
		"name 'a'\nsupports 'x', '1a'":   "is not a version constraint",
		"name 'a'\nanything { }":         "anything",
	} {
		if _, err := (Reader{}).Read(t.Context(), tree(t, map[string]string{"metadata.rb": src})); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %s", src, err, want)
		}
	}
}
