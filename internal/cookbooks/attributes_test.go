package cookbooks_test

import (
	"os"
	"testing"

	"github.com/galleyhq/galley/internal/cookbooks"
)

func TestPolicyAttributes(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	w.add(book("app", "app", "1.0.0"))
	const head = "name 'x'\nrun_list 'app'\ncookbook 'app', path: 'app'\n"
	for _, c := range []struct{ lines, want string }{
		{"default['a']['b']['c'] = 1\ndefault[:a][:d] = 2.5", `{"a":{"b":{"c":1},"d":2.5}}`},
		{"default['a'] = { b: [1, { c: nil }], 'd' => true }", `{"a":{"b":[1,{"c":null}],"d":true}}`},
		{"default['a']['b'] = 'x'\ndefault['a'] = 'y'", `{"a":"y"}`},
		{"default['a'].merge!(b: 1)\ndefault['a'].merge!({ 'c' => { d: 2 } })\ndefault.merge!(default['a'])", `{"a":{"b":1,"c":{"d":2}},"b":1,"c":{"d":2}}`},
		{"default['a'] = 1\ndefault['b'] = default.fetch('a') + default.fetch('z', 5) + default.fetch('z') { |k| k.size }", `{"a":1,"b":7}`},
		{"default['a']['b'] = 1\ndefault['c'] = default.dig('a', :b)\ndefault['d'] = default.dig('a', 'x', 'y').inspect", `{"a":{"b":1},"c":1,"d":"nil"}`},
		{"default['a'] = 1\ndefault['b'] = [default.key?('a'), default.include?(:z)]", `{"a":1,"b":[true,false]}`},
		{"default['a']['b'] = 1\ndefault['c'] = default['a'].to_h\ndefault['c']['d'] = 2", `{"a":{"b":1},"c":{"b":1,"d":2}}`},
		{"default['read']['only']", `{"read":{"only":{}}}`},
	} {
		w.write("Policyfile.rb", head+c.lines)
		if _, err := w.open("Policyfile.rb").Update(t.Context(), all); err != nil {
			t.Errorf("%s: %v", c.lines, err)
			continue
		}
		w.same(c.want, "Policyfile.lock.json", "default_attributes")
	}
	for lines, want := range map[string]string{
		"default['a'][1] = 2":            `default["a"]: a key is 1; only strings and symbols can be keys`,
		"default['a'] = 1.0 / 0":         `default["a"] is Infinity; numbers must be finite`,
		"override['a'] = [1, 1..2]":      `override["a"][1] is 1..2; attributes are strings`,
		"default.fetch('a')":             `key not found: "a"`,
		"default.merge!(1)":              "no implicit conversion of 1 into Hash",
		"default.each { |k, v| puts k }": "each",
	} {
		w.write("Policyfile.rb", head+lines)
		_, err := w.open("Policyfile.rb").Update(t.Context(), all)
		w.fails(err, want)
	}
}

// The attributes alone can be brought up to date; cookbooks stay as they are.
func TestUpdateAttributes(t *testing.T) {
	t.Parallel()
	w := newWorld(t, map[string]string{"Policyfile.rb": policy}, apache...)
	w.add(book("app", "app", "1.0.0"))
	attributes := cookbooks.UpdateOptions{Attributes: true}
	_, err := w.open("Policyfile.rb").Update(t.Context(), attributes)
	w.fails(err, "Policyfile.lock.json does not exist", "deps install")
	w.locks("Policyfile.rb")
	old := w.revision("Policyfile.lock.json")
	w.write("Policyfile.rb", policy+"run_list 'openssl'\ncookbook 'app', path: 'app'\ndefault['a'] = 1\noverride['b'] = 2\n")
	w.market.Close()
	if got := w.update("Policyfile.rb", attributes); got != "apache 1.2.0, openssl 1.4.0" {
		t.Errorf("locked %s", got)
	}
	w.same(`{"a":1}`, "Policyfile.lock.json", "default_attributes")
	w.same(`{"b":2}`, "Policyfile.lock.json", "override_attributes")
	w.same(`["recipe[apache::default]"]`, "Policyfile.lock.json", "run_list")
	if w.revision("Policyfile.lock.json") == old {
		t.Error("the revision is the old one")
	}
	before := w.read("Policyfile.lock.json")
	if w.update("Policyfile.rb", attributes); w.read("Policyfile.lock.json") != before {
		t.Error("the lock was changed without need")
	}
	_, err = w.open("Berksfile").Update(t.Context(), attributes)
	w.fails(err, "--attributes and --exclude-deps are for Policyfiles")
	w.must(os.RemoveAll(w.o.Env.Get("HOME")))
	w.write("Policyfile.rb", policy)
	_, err = w.open("Policyfile.rb").Update(t.Context(), attributes)
	w.fails(err, "apache 1.2.0 of the lock is not in the cache")
}
