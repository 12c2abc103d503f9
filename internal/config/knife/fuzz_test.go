package knife

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// FuzzCredentials feeds the reader of credentials: a refusal is an
// *Error, and a file that is read has a line for each of its keys.
func FuzzCredentials(f *testing.F) {
	f.Add([]byte(credentialsFile))
	f.Add([]byte("[default]\na.b.c = 1\n[[x]]\ny = 1979-05-27T07:32:00Z\n"))
	f.Add([]byte("a = {b = {c = [{d = 1}]}}\n"))
	f.Fuzz(func(t *testing.T, src []byte) {
		if len(src) > 1<<14 {
			return
		}
		doc, err := parseCredentials(slices.Clone(src), "credentials")
		if err != nil {
			var e *Error
			if !errors.As(err, &e) || e.File == "" || e.Msg == "" {
				t.Fatalf("%T %v", err, err)
			}
			return
		}
		for name, p := range doc {
			for _, k := range sorted(p.values) {
				if n := p.lines[k]; n < 1 || n > 1+strings.Count(string(src), "\n") {
					t.Fatalf("%q of %q is on line %d", k, name, n)
				}
			}
		}
	})
}

// FuzzLoad feeds the whole of the reader: it ends, with an *Error or with a
// Config whose every value can be asked for.
func FuzzLoad(f *testing.F) {
	f.Add([]byte(plainKnife), []byte(credentialsFile), []byte("knife[:image] = 'x'"))
	f.Add([]byte("Chef::Config.from_file(__FILE__)"), []byte("[default]\nknife = {a = 1}"), []byte(""))
	f.Add([]byte("knife.merge!(knife.to_hash); chef_zero { |c| c.port 1 }"), []byte("[default]\nclient_name = 'x'\n"), []byte("node_name = 1"))
	f.Add([]byte("cookbook_path %w(a b).map {|d| File.join('x', d)}\nssl_verify_mode ':verify_none'"), []byte("x"), []byte("raise 'x'"))
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, config, credentials, more []byte) {
		if len(config)+len(credentials)+len(more) > 1<<14 {
			return
		}
		home := filepath.Join(dir, fmt.Sprint(os.Getpid()))
		for name, b := range map[string][]byte{"knife.rb": config, "credentials": credentials, "config.d/a.rb": more} {
			path := filepath.Join(home, ".chef", name)
			if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, b, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		c, err := Load(ctx, at(home, "w", nil))
		if err != nil {
			var e *Error
			if !errors.As(err, &e) || e.Msg == "" {
				t.Fatalf("%T %v", err, err)
			}
			return
		}
		for _, k := range c.Keys() {
			v, ok := c.Lookup(k)
			if !ok || v.Data == nil {
				t.Fatalf("%q is a key without a value", k)
			}
			_, _, _ = c.String(k)
			_, _, _ = c.Strings(k)
			_, _, _ = c.Bool(k)
			_, _, _ = c.Int(k)
		}
	})
}
