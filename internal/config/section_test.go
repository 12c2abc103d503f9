package config

import (
	"errors"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/galleyhq/galley/internal/secret"
)

func sectionOf(t *testing.T, text string) Section {
	t.Helper()
	var b strings.Builder
	b.WriteString("driver:\n")
	for _, l := range strings.Split(strings.TrimSpace(text), "\n") {
		b.WriteString("  " + strings.TrimPrefix(l, "\t\t") + "\n")
	}
	b.WriteString("platforms: [{name: p}]\nsuites: [{name: s}]\n")
	return load(t, b.String()).Instances[0].Driver
}

func TestSectionScalars(t *testing.T) {
	s := sectionOf(t, `
		text: abc
		int: 42
		float: 7.10
		quoted: "42"
		yea: yes
		nay: "False"
		none:
		symbol: :sym
		list: [a, 1, null, true]
		map: {a: b}
		maps: [{a: 1}, {a: 2}]
		half: 0.5
		`)
	for key, want := range map[string]string{
		"text": "abc", "int": "42", "float": "7.1",
		"quoted": "42", "none": "def", "missing": "def", "symbol": "sym",
	} {
		if got, err := s.String(key, "def"); err != nil || got != want {
			t.Errorf("String(%s) is %q, %v; want %q", key, got, err, want)
		}
	}
	if _, err := s.String("list", ""); err == nil || !strings.Contains(err.Error(), `driver key "list" is a list, not a string`) {
		t.Errorf("got %v", err)
	}
	for key, want := range map[string]int{"int": 42, "quoted": 42, "none": 9, "missing": 9} {
		if got, err := s.Int(key, 9); err != nil || got != want {
			t.Errorf("Int(%s) is %d, %v; want %d", key, got, err, want)
		}
	}
	for _, key := range []string{"text", "float", "list", "symbol"} {
		if _, err := s.Int(key, 0); err == nil {
			t.Errorf("Int(%s) is accepted", key)
		}
	}
	if got, err := s.Bool("nay", true); err != nil || got {
		t.Errorf("Bool(nay) is %v, %v", got, err)
	}
	if _, err := s.Bool("int", true); err == nil {
		t.Error("Bool(int) is accepted")
	}
	if got, err := s.Seconds("half", 0); err != nil || got != 500*time.Millisecond {
		t.Errorf("Seconds(half) is %v, %v", got, err)
	}
	if got, err := s.Seconds("none", time.Minute); err != nil || got != time.Minute {
		t.Errorf("Seconds(none) is %v, %v", got, err)
	}
	if got, err := s.StringList("list"); err != nil || !reflect.DeepEqual(got, []string{"a", "1", "true"}) {
		t.Errorf("StringList(list) is %q, %v", got, err)
	}
	if got, err := s.StringList("text"); err != nil || !reflect.DeepEqual(got, []string{"abc"}) {
		t.Errorf("StringList(text) is %q, %v", got, err)
	}
	if got, err := s.StringList("none"); err != nil || got != nil {
		t.Errorf("StringList(none) is %q, %v", got, err)
	}
	for _, key := range []string{"map", "maps"} {
		if _, err := s.StringList(key); err == nil {
			t.Errorf("StringList(%s) is accepted", key)
		}
	}
	if m, err := s.Map("map"); err != nil || !m.Has("a") {
		t.Errorf("Map(map) is %v, %v", m, err)
	}
	if m, err := s.Map("none"); err != nil || len(m.Keys()) != 0 {
		t.Errorf("Map(none) is %v, %v", m, err)
	}
	if _, err := s.Map("maps"); err == nil {
		t.Error("Map(maps) is accepted")
	}
	for key, want := range map[string]int{"map": 1, "maps": 2, "none": 0} {
		if l, err := s.Maps(key); err != nil || len(l) != want {
			t.Errorf("Maps(%s) is %v, %v", key, l, err)
		}
	}
	_, err := s.Maps("list")
	var ve *ValueError
	if !errors.As(err, &ve) || ve.Key != "list[0]" || ve.Section != "driver" || ve.Where != "kitchen.yml:10" {
		t.Errorf("Maps(list): %#v", err)
	}
	if s.Has("none") || s.Has("missing") || !s.Has("nay") {
		t.Error("Has is wrong")
	}
}

func TestSectionPath(t *testing.T) {
	s := sectionOf(t, "rel: a/b\nabs: /x/../y\nhome: ~/k\nempty: ''\ntilde: '~'")
	home := filepath.Join(filepath.Dir(s.root), "home")
	for key, want := range map[string]string{"rel": filepath.Join(s.root, "a/b"), "abs": "/y", "home": filepath.Join(home, "k"), "empty": "", "none": "", "tilde": home} {
		if got, err := s.Path(key, ""); err != nil || got != want {
			t.Errorf("Path(%s) is %q, %v; want %q", key, got, err, want)
		}
	}
	if got, _ := s.Path("none", "d"); got != filepath.Join(s.root, "d") {
		t.Errorf("got %q", got)
	}
}

func TestZeroSection(t *testing.T) {
	var s Section
	if s.Name() != "" || s.Has("x") || len(s.Keys()) != 0 || s.Where("x") != "default" || s.Origin("x") != nil {
		t.Error("the zero section is not empty")
	}
	if v, err := s.Int("x", 3); v != 3 || err != nil {
		t.Error(v, err)
	}
	if h, err := s.Hooks("pre_create"); h != nil || err != nil {
		t.Error(h, err)
	}
}

func TestNewSection(t *testing.T) {
	s := NewSection(map[string]any{"name": "x", "n": 1, "l": []string{"a"}, "m": []any{map[string]any{"k": true}}, "f": 1.5, "nil": nil, "s": Symbol("y")})
	want := map[string]any{"name": "x", "n": int64(1), "l": []any{"a"}, "m": []any{map[string]any{"k": true}}, "f": 1.5, "nil": nil, "s": Symbol("y")}
	if got := s.Data(); !reflect.DeepEqual(got, want) {
		t.Errorf("got %v", got)
	}
	if s.Name() != "x" || s.Where("n") != "default" {
		t.Error(s.Name(), s.Where("n"))
	}
}

func TestHooks(t *testing.T) {
	p := load(t, `
lifecycle:
  pre_create:
  - echo a
  - local: echo b
    includes: [/x/]
    environment: {A: 1, B: x}
    cwd: sub
    user: me
  - remote: echo c
    excludes: y
    skippable: true
  post_create: echo d
  pre_verify: {includes: [x]}
platforms: [{name: p}]
suites: [{name: s}]
`)
	life := p.Instances[0].Lifecycle
	pattern := func(text string) []Pattern {
		p, err := newPattern(text)
		if err != nil {
			t.Fatal(err)
		}
		return []Pattern{p}
	}
	got, err := life.Hooks("pre_create")
	want := []Hook{
		{Local: "echo a"},
		{Local: "echo b", Includes: pattern("/x/"), Environment: map[string]string{"A": "1", "B": "x"}, Cwd: "sub", User: "me"},
		{Remote: "echo c", Excludes: pattern("y"), Skippable: true},
	}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, %v", got, err)
	}
	if got, err := life.Hooks("post_create"); err != nil || !reflect.DeepEqual(got, []Hook{{Local: "echo d"}}) {
		t.Errorf("got %+v, %v", got, err)
	}
	if _, err := life.Hooks("pre_verify"); err == nil || !strings.Contains(err.Error(), "kitchen.yml:14") {
		t.Errorf("got %v", err)
	}
}

func TestSecretKey(t *testing.T) {
	for _, k := range []string{
		"password", "openstack_api_key", "openstack_auth_token", "openstack_application_credential_secret", "OS_PASSWORD",
		"DB_PASS", "server_root_password", "aws_secret_access_key", "chef_license_key", "ssh_http_proxy_password", "apiKey", "secretKey", "privateKey",
	} {
		if !secret.IsName(k) {
			t.Errorf("%s is not a secret", k)
		}
	}
	for _, k := range []string{
		"", "ssh_key", "key_name", "private_key_path", "encrypted_data_bag_secret_key_path", "username", "openstack_application_credential_id",
		"token_ttl", "password_file", "passenger", "secretary", "compass", "aws_access_key_id", "monkey", "public_key_path", "tokens_url",
	} {
		if secret.IsName(k) {
			t.Errorf("%s is a secret", k)
		}
	}
}

// The patterns of hooks are Ruby's, as those of suites, and read with the file.
func TestHookPatterns(t *testing.T) {
	p := load(t, `
lifecycle:
  post_create:
  - {local: echo a, excludes: "/^(?!ubuntu)/"}
  - {local: echo b, includes: ["/(/"]}
platforms: [{name: ubuntu-22.04}]
suites: [{name: s}]
`)
	life := p.Instances[0].Lifecycle
	_, err := life.Hooks("post_create")
	var e *Error
	if !errors.As(err, &e) || e.Line != 5 || e.Text != "/(/" || !strings.Contains(e.Msg, "a group without its closing parenthesis") {
		t.Errorf("got %v", err)
	}
	for text, want := range map[string]bool{"/^(?!ubuntu)/": false, "/(?<!k)ubuntu/": true, "/UBUNTU-\\h/i": true, "/u b # x/x": true, "ubuntu": false, "ubuntu-22.04": true} {
		p, err := newPattern(text)
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		if got, err := p.Match("ubuntu-22.04"); got != want || err != nil {
			t.Errorf("%s: got %v, %v", text, got, err)
		}
	}
}
