package compute

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/galleyhq/galley/internal/devcloud/api"
)

func TestPyRepr(t *testing.T) {
	for text, want := range map[string]string{
		`null`: "None", `true`: "True", `"a"`: "'a'", `"it's"`: `"it's"`, `"a'b\"c"`: `'a\'b"c'`, `1`: "1", `1.5`: "1.5", `[1,"a",null]`: "[1, 'a', None]",
		`{"b":{"c":[]},"a":false}`: "{'a': False, 'b': {'c': []}}",
	} {
		var v any
		if err := json.Unmarshal([]byte(text), &v); err != nil {
			t.Fatal(err)
		}
		if got := api.PyRepr(v); got != want {
			t.Errorf("%s: %s, want %s", text, got, want)
		}
	}
}

func TestValidate(t *testing.T) {
	for _, test := range []struct {
		body    string
		version api.Version
		want    string // "" for no error
	}{
		{`{"name":"x","flavorRef":"1"}`, api.V(1), ""},
		{`{"name":"x","flavorRef":1,"min_count":"2","config_drive":"yes"}`, api.V(1), ""},
		{`{"flavorRef":"1"}`, api.V(1), "Invalid input for field/attribute server. Value: {'flavorRef': '1'}. 'name' is a required property"},
		{`{"name":"","flavorRef":"1"}`, api.V(1), "Invalid input for field/attribute name. Value: . '' is too short"},
		{`{"name":5,"flavorRef":"1"}`, api.V(1), "Invalid input for field/attribute name. Value: 5. 5 is not of type 'string'"},
		{`{"name":"x","flavorRef":"1","a":1,"b":2}`, api.V(1), "Additional properties are not allowed ('a', 'b' were unexpected)"},
		{`{"name":"x","flavorRef":"1","tags":[],"networks":"none"}`, api.V(51), "Additional properties are not allowed ('tags' was unexpected)"},
		{`{"name":"x","flavorRef":"1","tags":[],"networks":"none"}`, api.V(52), ""},
		{`{"name":"x","flavorRef":"1"}`, api.V(37), "'networks' is a required property"},
		{`{"name":"x","flavorRef":"1","networks":"auto"}`, api.V(36), "'auto' is not of type 'array'"},
		{`{"name":"x","flavorRef":"1","imageRef":"nosuch"}`, api.V(1), "Invalid input for field/attribute imageRef. Value: nosuch. 'nosuch' is not valid under any of the given schemas"},
		{`{"name":"x","flavorRef":"1","user_data":"not base64!"}`, api.V(1), "'not base64!' is not a 'base64'"},
		{`{"name":"x","flavorRef":"1","min_count":0}`, api.V(1), "0 is less than the minimum of 1"},
		{`{"name":"x","flavorRef":"1","accessIPv4":"bogus"}`, api.V(1), "'bogus' is not a 'ipv4'"},
		{`{"name":"x","flavorRef":"1","personality":[]}`, api.V(57), "'networks' is a required property"},
	} {
		var o api.Obj
		if err := json.Unmarshal([]byte(test.body), &o); err != nil {
			t.Fatal(err)
		}
		err := validate("server", o, test.version, createFields())
		if test.want == "" && err != nil ||
			test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)) {
			t.Errorf("%s at %s: %v, want %q", test.body, test.version, err, test.want)
		}
	}
}

func TestHostname(t *testing.T) {
	for name, want := range map[string]string{"default-ubuntu-1404": "default-ubuntu-1404", "My Server_1": "my-server-1", "a.b": "a.b", "ünïcode": "ncode", "-x-": "x", "///": "Server", strings.Repeat("a", 70): strings.Repeat("a", 63)} {
		if got := hostname(name); got != want {
			t.Errorf("%q: %q, want %q", name, got, want)
		}
	}
}

func TestLastLines(t *testing.T) {
	log := "one\ntwo\nthree\n"
	for n, want := range map[int]string{0: "", 1: "three\n", 2: "two\nthree\n", 3: log, 9: log} {
		if got := string(lastLines([]byte(log), n)); got != want {
			t.Errorf("%d: %q, want %q", n, got, want)
		}
	}
}

func FuzzCreateBody(f *testing.F) {
	f.Add(
		[]byte(
			`{"name":"x","flavorRef":"1","networks":[{"uuid":"a","fixed_ip":"1.2.3.4"}],"block_device_mapping_v2":[{"boot_index":"0","source_type":"blank","volume_size":1}]}`,
		),
	)
	f.Add(
		[]byte(
			`{"name":"x","flavorRef":{},"metadata":{"a":"b"},"tags":["a",5],"personality":[{"path":"/a","contents":"eA=="}],"security_groups":[{"name":"a"},5]}`,
		),
	)
	f.Add([]byte(`{"name":"x","flavorRef":null,"block_device_mapping":[{"volume_id":"a","device_name":"vda"},null]}`))
	s := New(Options{})
	f.Fuzz(func(t *testing.T, body []byte) {
		var in api.Obj
		if json.Unmarshal(body, &in) != nil || in == nil {
			return
		}
		for _, minor := range []int{1, 37, 95} {
			o := &order{in: in}
			r := &api.Request{Version: api.V(minor), Auth: &api.Auth{}}
			if err := s.understand(r, o); err == nil && o.server.Name == "" {
				t.Errorf("%s: taken without a name", body)
			}
		}
	})
}
