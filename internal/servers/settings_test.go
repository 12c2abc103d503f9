package servers

import (
	"errors"
	"reflect"
	"strings"
	"testing"

	"github.com/galleyhq/galley/internal/openstack"
)

func TestReadMetadata(t *testing.T) {
	got, err := ReadMetadata([]string{"role=web", "url=https://x/?a=b", "empty="})
	if want := map[string]string{"role": "web", "url": "https://x/?a=b", "empty": ""}; err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%v, %v", got, err)
	}
	for _, bad := range []string{"role", "=x", "galley_token=x"} {
		if _, err := ReadMetadata([]string{bad}); err == nil {
			t.Errorf("%q is taken", bad)
		}
	}
}

func TestReadHints(t *testing.T) {
	for in, want := range map[string]map[string]any{
		"b206baa3-3a80-41cf-9850-49021b8bb3c1":  {"group": "b206baa3-3a80-41cf-9850-49021b8bb3c1"},
		"group=g1":                              {"group": "g1"},
		"different_host=a,different_host=b":     {"different_host": []any{"a", "b"}},
		`{"query": [">=", "$free_ram_mb", 10]}`: {"query": []any{">=", "$free_ram_mb", 10.0}},
	} {
		if got, err := ReadHints([]string{in}); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %v, %v", in, got, err)
		}
	}
	for _, bad := range []string{"=x", "x=", "{", ""} {
		if got, err := ReadHints([]string{bad}); err == nil {
			t.Errorf("%q is taken for %v", bad, got)
		}
	}
}

func TestVolumes(t *testing.T) {
	got, err := Volumes([]string{"a", "b"})
	if err != nil || len(got) != 2 || got[0].DeviceName != "vdd" || got[1].DeviceName != "vde" || *got[0].BootIndex != -1 || got[0].DeleteOnTermination {
		t.Errorf("%+v, %v", got, err)
	}
	if _, err := Volumes(make([]string, 24)); err == nil {
		t.Error("24 volumes are taken")
	}
}

func TestSetCustom(t *testing.T) {
	var s openstack.ServerSpec
	err := SetCustom(&s, " description = web=1 ;accessIPv4=192.0.2.1; access_ip_v6=2001:db8::1;config_drive=true;OS-DCF:diskConfig=manual;adminPass=pw;hostname=h;")
	want := openstack.ServerSpec{Description: "web=1", AccessIPv4: "192.0.2.1", AccessIPv6: "2001:db8::1", ConfigDrive: true, DiskConfig: "MANUAL", AdminPass: "pw", Hostname: "h"}
	if err != nil || !reflect.DeepEqual(s, want) {
		t.Errorf("%+v, %v", s, err)
	}
	for in, says := range map[string]string{
		"min_count=2": `"min_count" cannot be given`, "personality=x": "personality", "imageRef=x": "a flag of its own",
		"accessIPv4=2001:db8::1": "no IPv4", "config_drive=perhaps": "neither", "description": "key=value",
	} {
		err := SetCustom(&s, in)
		var typed *SettingError
		if !errors.As(err, &typed) || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v", in, err)
		}
	}
}

func FuzzSettings(f *testing.F) {
	f.Add("a=b;c=d")
	f.Add(`{"group": "x"}`)
	f.Add("different_host=a,different_host=b")
	f.Fuzz(func(t *testing.T, text string) {
		var s openstack.ServerSpec
		_ = SetCustom(&s, text)
		if hints, err := ReadHints([]string{text}); err == nil && strings.TrimSpace(text) != "{}" && len(hints) == 0 && !strings.HasPrefix(strings.TrimSpace(text), "{") {
			t.Errorf("%q gives no hint", text)
		}
		if m, err := ReadMetadata([]string{text}); err == nil && len(m) != 1 {
			t.Errorf("%q gives %v", text, m)
		}
	})
}

func FuzzRecord(f *testing.F) {
	f.Add([]byte(`{"version":1,"name":"x","cloud":{"version":1,"token":"t"}}`))
	f.Fuzz(func(t *testing.T, data []byte) { _, _ = decodeRecord(data) })
}
