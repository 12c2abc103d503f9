//go:build unix

package inspec_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/galleyhq/galley/internal/config"
	"github.com/galleyhq/galley/internal/provisioner/base"
	"github.com/galleyhq/galley/internal/verifier/inspec"
	"github.com/galleyhq/galley/kitchen"
	"github.com/galleyhq/galley/kitchen/kitchentest"
)

// standIn writes down its arguments, one a line, and the files it is given.
const standIn = `#!/bin/sh
out=${OUT:-$HOME/called}
{ echo "$(basename "$0") sudo=$SUDO license=$CHEF_LICENSE"; for a; do echo "$a"; done; } >"$out"
while [ $# -gt 0 ]; do
  case $1 in
  --config) cp "$2" "$out.config" ;;
  --input-file) cp "$2" "$out.inputs" ;;
  --reporter) shift; for r; do case $r in --*) break ;; *:*) echo report >"${r#*:}" ;; esac; done ;;
  */profile-*|*/profiles/*) [ ! -d "$1" ] || cp -R "$1" "$out.profile" ;;
  esac
  shift
done
echo "Profile: tests"
[ ! -e "$out.status" ] || exit $(cat "$out.status")
`

type bench struct {
	o   base.Options
	m   *kitchentest.Machine
	out string // of the local stand-in
}

// newBench is a project of the given files; with local, a workstation that
// has the program of that name.
func newBench(t *testing.T, local string, files map[string]string) *bench {
	t.Helper()
	b := &bench{m: kitchentest.NewMachine(t)}
	dir := t.TempDir()
	root := filepath.Join(dir, "project")
	b.out = filepath.Join(dir, "called")
	for name, content := range files {
		b.m.Write(t, filepath.Join(root, name), content, 0o644)
	}
	if err := os.MkdirAll(root, 0o755); err != nil {
		t.Fatal(err)
	}
	b.o = base.Options{
		Instance: "default-debian-12", Suite: "default", Platform: "debian-12", Root: root,
		Environ: []string{"PATH=" + filepath.Join(dir, "bin") + ":/usr/bin:/bin", "OUT=" + b.out, "HOME=" + dir},
		Login: func(*kitchen.State) (base.Login, error) {
			return base.Login{Host: "192.0.2.7", Port: 2222, User: "kim", Keys: []string{"/k/one", "/k/two"}}, nil
		},
	}
	if local != "" {
		b.m.Write(t, filepath.Join(dir, "bin", local), standIn, 0o755)
	}
	return b
}

func (b *bench) verify(t *testing.T, keys map[string]any) (string, error) {
	t.Helper()
	v, err := b.verifier(keys)
	if err != nil {
		return "", err
	}
	step, rec := kitchentest.NewStep(kitchen.Verify, b.m)
	err = v.Verify(t.Context(), step, b.m.Conn())
	return rec.Text(), err
}

func (b *bench) verifier(keys map[string]any) (*inspec.Verifier, error) {
	data := map[string]any{"name": "inspec", "root_path": b.m.Path("verifier"), "chef_omnibus_root": b.m.Path("opt", "cinc")}
	for k, v := range keys {
		data[k] = v
	}
	return inspec.New(config.NewSection(data).WithRoot(b.o.Root), b.o)
}

func (b *bench) called(t *testing.T) string {
	t.Helper()
	c, err := os.ReadFile(b.out)
	if err != nil {
		t.Fatal(err)
	}
	return string(c)
}

var oneTest = map[string]string{"test/integration/default/a_test.rb": "describe file('/x') do\nend\n"}

func TestContract(t *testing.T) {
	there := func(script string) func(*testing.T, *kitchentest.Machine) kitchen.Verifier {
		return func(t *testing.T, m *kitchentest.Machine) kitchen.Verifier {
			b := newBench(t, "", oneTest)
			b.m = m
			m.Write(t, m.Path("opt", "cinc", "embedded", "bin", "cinc-auditor"), script, 0o755)
			v, err := b.verifier(nil)
			if err != nil {
				t.Fatal(err)
			}
			return v
		}
	}
	kitchentest.Verifier(t, kitchentest.VerifierCase{New: there("#!/bin/sh\nexit 101\n"), Failing: there("#!/bin/sh\nexit 100\n"), Slow: there("#!/bin/sh\nexec sleep 60\n")})
}

func TestOverSSH(t *testing.T) {
	b := newBench(t, "cinc-auditor", oneTest)
	text, err := b.verify(t, nil)
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	want := "cinc-auditor sudo= license=\nexec\n" + filepath.Join(b.o.Root, "test/integration/default") + "\n--target\nssh://kim@192.0.2.7:2222\n--key-files\n/k/one\n/k/two\n--sudo\n--sudo-command\nsudo -E\n"
	if got := b.called(t); got != want {
		t.Errorf("called\n%swant\n%s", got, want)
	}
	if !strings.Contains(text, "Profile: tests\n") || len(b.m.Commands()) != 0 {
		t.Errorf("commands %q\n%s", b.m.Commands(), text)
	}
}

func TestSettings(t *testing.T) {
	b := newBench(t, "inspec", map[string]string{
		"test/integration/default/a_test.rb": "", "in.yml": "a: 1", "old.yml": "b: 1", "waive.yml": "", "profiles/mine/inspec.yml": "name: mine",
	})
	b.o.Login = func(*kitchen.State) (base.Login, error) {
		return base.Login{Host: "2001:db8::7", User: "root", Password: "s3cret", Gateway: "gate", GatewayUser: "g", GatewayPort: 23}, nil
	}
	keys := map[string]any{
		"inspec_tests": []any{
			"test/integration/default",
			map[string]any{"name": "mine"},
			map[string]any{"name": "dev-sec/linux"},
			"https://example.org/p.tar.gz",
			map[string]any{"url": "https://example.org/u"},
			map[string]any{"compliance": "me/base"},
			map[string]any{"supermarket": "a/b"},
			map[string]any{"git": "https://example.org/g.git"},
		},
		"profiles_path": "profiles", "inputs": map[string]any{"x": "<y>", "n": 1}, "input_files": "in.yml", "attrs": []any{"old.yml"}, "waiver_files": []any{"waive.yml"},
		"reporter": []any{"cli", "junit2:out/%{platform}_%{suite}.xml", "json:-"}, "controls": []any{"c1", "c2"}, "tags": "t", "color": false, "backend_cache": false, "sudo_options": "-H", "forward_agent": true,
		"plugin_config": map[string]any{"p": map[string]any{"k": "v"}}, "target_id": "id", "filter_empty_profiles": true, "reporter_backtrace_inclusion": false, "reporter_message_truncation": 100,
		"chef_license": "accept", "chef_license_key": "lk", "chef_license_server": []any{"s1", "s2"}, "cache_inputs": true, "load_plugins": true,
	}
	text, err := b.verify(t, keys)
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	root := b.o.Root
	got := strings.Split(strings.TrimSpace(b.called(t)), "\n")
	dir := ""
	for i, a := range got {
		if a == "--config" {
			dir = filepath.Dir(got[i+1])
		}
	}
	want := []string{
		"inspec sudo= license=accept", "exec", root + "/test/integration/default", root + "/profiles/mine", "supermarket://dev-sec/linux", "https://example.org/p.tar.gz", "https://example.org/u",
		"compliance://me/base", "supermarket://a/b", "https://example.org/g.git", "--target", "ssh://root@[2001:db8::7]", "--sudo", "--sudo-command", "sudo -E", "--sudo-options", "-H",
		"--bastion-host", "gate", "--bastion-user", "g", "--bastion-port", "23", "--input-file", dir + "/inputs.yml", root + "/in.yml", root + "/old.yml", "--waiver-file", root + "/waive.yml",
		"--config", dir + "/config.json", "--reporter", "cli", "junit2:" + root + "/out/debian-12_default.xml", "json", "--controls", "c1", "c2", "--tags", "t", "--no-color", "--no-backend-cache", "--target-id", "id",
		"--filter-empty-profiles", "--no-reporter-backtrace-inclusion", "--reporter-message-truncation", "100", "--chef-license-key", "lk", "--chef-license-server", "s1,s2",
	}
	if g, w := strings.Join(got, "\n"), strings.Join(want, "\n"); g != w {
		t.Errorf("called\n%s\n\nwant\n%s", g, w)
	}
	if strings.Contains(strings.Join(got, " "), "s3cret") {
		t.Error("the password stands on the command line")
	}
	var conf map[string]any
	c, err := os.ReadFile(b.out + ".config")
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(c, &conf); err != nil || fmt.Sprint(conf) != "map[cli_options:map[forward_agent:true password:s3cret sudo_password:s3cret] plugins:map[p:map[k:v]] version:1.2]" {
		t.Errorf("config %v, %v", conf, err)
	}
	if in, _ := os.ReadFile(b.out + ".inputs"); !strings.Contains(string(in), `"n":1`) {
		t.Errorf("inputs %s", in)
	}
	if _, err := os.Stat(dir); err == nil {
		t.Error("the files for the run stayed behind")
	}
	if _, err := os.Stat(filepath.Join(root, "out", "debian-12_default.xml")); err != nil {
		t.Error(err)
	}
}

func TestGitProfileWithABranch(t *testing.T) {
	b := newBench(t, "inspec", nil)
	if _, err := b.verify(t, map[string]any{"inspec_tests": []any{map[string]any{"git": "https://example.org/it's.git", "branch": "dev"}}}); err != nil {
		t.Fatal(err)
	}
	meta, err := os.ReadFile(b.out + ".profile/inspec.yml")
	if err != nil || !strings.Contains(string(meta), `"depends":[{"branch":"dev","git":"https://example.org/it's.git","name":"it's"}]`) {
		t.Errorf("%s, %v", meta, err)
	}
	if c, err := os.ReadFile(b.out + ".profile/controls/include.rb"); string(c) != "include_controls 'it\\'s'\n" {
		t.Errorf("%s, %v", c, err)
	}
}

func TestExitStatuses(t *testing.T) {
	for status, hint := range map[int]string{0: "", 101: "", 100: "", 1: "", 172: "Cinc Auditor", 174: "chef_license_key"} {
		b := newBench(t, "inspec", oneTest)
		b.m.Write(t, b.out+".status", fmt.Sprint(status), 0o644)
		_, err := b.verify(t, nil)
		if (err == nil) != (status == 0 || status == 101) || !strings.Contains(kitchen.Hint(err), hint) {
			t.Errorf("status %d: error %v, hint %q", status, err, kitchen.Hint(err))
		}
	}
}

func TestWhereTestsAreFound(t *testing.T) {
	for name, c := range map[string]struct {
		files map[string]string
		keys  map[string]any
		want  string
	}{
		"the suite's":      {map[string]string{"test/integration/default/x.rb": ""}, nil, "test/integration/default"},
		"beside others":    {map[string]string{"test/integration/default/bats/x": "", "test/integration/default/inspec/x.rb": ""}, nil, "test/integration/default/inspec"},
		"in inspec":        {map[string]string{"test/integration/default/inspec/x.rb": ""}, nil, "test/integration/default/inspec"},
		"test/recipes":     {map[string]string{"test/recipes/x.rb": ""}, nil, "test/recipes"},
		"none":             {nil, nil, ""},
		"others alone":     {map[string]string{"test/integration/default/bats/x": ""}, nil, ""},
		"another suite's":  {map[string]string{"test/integration/other/x.rb": ""}, map[string]any{"suite_name": "other"}, "test/integration/other"},
		"an empty list":    {map[string]string{"test/integration/default/x.rb": ""}, map[string]any{"inspec_tests": []any{}}, ""},
		"one path as text": {map[string]string{"x/y.rb": ""}, map[string]any{"inspec_tests": "x"}, "x"},
		"one mapping":      {map[string]string{"x/y.rb": ""}, map[string]any{"inspec_tests": map[string]any{"path": "x"}}, "x"},
	} {
		b := newBench(t, "inspec", c.files)
		text, err := b.verify(t, c.keys)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if c.want == "" {
			if !strings.Contains(text, "nothing to verify") {
				t.Errorf("%s:\n%s", name, text)
			}
			continue
		}
		if got := b.called(t); !strings.Contains(got, "exec\n"+filepath.Join(b.o.Root, c.want)+"\n--target") {
			t.Errorf("%s: called\n%s", name, got)
		}
	}
}

func TestWhichProgram(t *testing.T) {
	b := newBench(t, "inspec", oneTest)
	b.m.Write(t, filepath.Join(filepath.Dir(b.out), "bin", "cinc-auditor"), standIn, 0o755)
	for name, want := range map[string]string{"inspec": "inspec sudo", "cinc_auditor": "cinc-auditor sudo"} {
		if _, err := b.verify(t, map[string]any{"name": name}); err != nil || !strings.HasPrefix(b.called(t), want) {
			t.Errorf("%s: %v, called %s", name, err, b.called(t))
		}
	}
}

func TestOnTheMachine(t *testing.T) {
	b := newBench(t, "", map[string]string{"test/integration/default/controls/a.rb": "a", "test/integration/default/inspec.yml": "name: it", "one.rb": "1", "in.yml": "x: 1", "w.yaml": ""})
	b.m.Write(t, b.m.Path("opt", "cinc", "embedded", "bin", "inspec"), standIn, 0o755)
	b.m.Write(t, b.m.Path("called.status"), "101", 0o644)
	keys := map[string]any{
		"inspec_tests": []any{"test/integration/default", "one.rb", "https://example.org/p"}, "inputs": map[string]any{"it's": "x"}, "input_files": "in.yml", "waiver_files": "w.yaml",
		"reporter": []any{"cli", "json:out/r.json"}, "controls": []any{"a b"}, "chef_license": "accept", "color": false,
	}
	text, err := b.verify(t, keys)
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	root := b.m.Path("verifier")
	want := strings.Join([]string{
		"inspec sudo=1 license=accept", "exec", root + "/profiles/0/default", root + "/profiles/1/one.rb", "https://example.org/p", "--input-file", root + "/files/inputs.yml", root + "/files/inputs-0.yml",
		"--waiver-file", root + "/files/waivers-0.yaml", "--reporter", "cli", "json:" + root + "/reports/0-r.json", "--controls", "a b", "--no-color",
	}, "\n") + "\n"
	if got := b.m.Read("called"); got != want {
		t.Errorf("called\n%swant\n%s", got, want)
	}
	if got := b.m.Read("called.inputs"); got != `{"it's":"x"}` {
		t.Errorf("inputs %s", got)
	}
	if got, err := os.ReadFile(filepath.Join(b.o.Root, "out", "r.json")); string(got) != "report\n" {
		t.Errorf("report %q, %v", got, err)
	}
	if !strings.Contains(text, "Neither inspec nor cinc-auditor is installed here") || b.m.Read("verifier", "profiles", "0", "default", "controls", "a.rb") != "a" {
		t.Error(text)
	}
}

func TestNowhere(t *testing.T) {
	b := newBench(t, "", oneTest)
	_, err := b.verify(t, nil)
	var none *inspec.NoInSpecError
	if !errors.As(err, &none) || kitchen.Hint(err) == "" {
		t.Errorf("error %v", err)
	}
	b.o.OSType = "windows"
	_, err = b.verify(t, nil)
	var ue *base.UnsupportedError
	if !errors.As(err, &ue) {
		t.Errorf("windows: %v", err)
	}
}

func TestNoAddress(t *testing.T) {
	b := newBench(t, "inspec", oneTest)
	b.o.Login = func(*kitchen.State) (base.Login, error) { return base.Login{User: "root"}, nil }
	_, err := b.verify(t, nil)
	var na *kitchen.NoAddressError
	if !errors.As(err, &na) {
		t.Errorf("error %v", err)
	}
	if _, err := os.Stat(b.out); err == nil {
		t.Error("InSpec ran without an address")
	}
	if _, err := b.verify(t, map[string]any{"host": "h", "port": 23}); err != nil || !strings.Contains(b.called(t), "ssh://root@h:23\n") {
		t.Errorf("with a host: %v", err)
	}
}

func TestWrongSettings(t *testing.T) {
	b := newBench(t, "inspec", nil)
	for key, value := range map[string]any{
		"inspec_tests": []any{"nowhere"}, "input_files": "nowhere.yml", "waiver_files": "nowhere", "load_plugins": false, "port": "x", "inputs": []any{1}, "color": "maybe",
	} {
		if _, err := b.verifier(map[string]any{key: value}); err == nil || !strings.Contains(err.Error(), key) {
			t.Errorf("%s: %v", key, err)
		}
	}
	if _, err := b.verifier(map[string]any{"inspec_tests": []any{map[string]any{"foo": "x"}}}); err == nil || !strings.Contains(err.Error(), "foo") {
		t.Errorf("an unknown kind of profile: %v", err)
	}
}
