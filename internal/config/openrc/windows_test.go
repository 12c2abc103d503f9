package openrc

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestPowerShell(t *testing.T) {
	text := "\ufeff# a comment\r\n<#\r\nmore\r\n#>\r\n" + `$env:OS_AUTH_URL = "https://cloud.example.org:5000/v3"
$Env:OS_USERNAME='it''s me';
$env:OS_PROJECT_NAME="of $env:OS_USERNAME, ` + "`" + `$5 and ""more"""
$env:OS_IDENTITY_API_VERSION=3
$region = 'RegionOne'
${ignored} = 1
$env:OS_REGION_NAME = $region
Write-Host "Please enter the password of $env:OS_PROJECT_NAME:"
$password = Read-Host -AsSecureString
$env:OS_PASSWORD = [Runtime.InteropServices.Marshal]::PtrToStringAuto([Runtime.InteropServices.Marshal]::SecureStringToBSTR($password))
$env:OS_TENANT_ID = ""
Remove-Item Env:\OS_TENANT_NAME -ErrorAction SilentlyContinue
echo "done"
`
	text = strings.Replace(text, "${ignored} = 1\n", "", 1)
	p := &asked{answer: "s3 cret"}
	got, err := ReadString(t.Context(), text, "rc.ps1", Options{Prompt: p, Env: map[string]string{"OS_TENANT_ID": "old", "OS_TENANT_NAME": "old"}})
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{
		"OS_AUTH_URL": "https://cloud.example.org:5000/v3", "OS_USERNAME": "it's me", "OS_PROJECT_NAME": `of it's me, $5 and "more"`,
		"OS_IDENTITY_API_VERSION": "3", "OS_REGION_NAME": "RegionOne", "OS_PASSWORD": "s3 cret",
	}
	if d := cmp.Diff(want, got.Vars); d != "" {
		t.Error(d)
	}
	if !slices.Equal(got.Unset, []string{"OS_TENANT_ID", "OS_TENANT_NAME"}) {
		t.Errorf("unset %q", got.Unset)
	}
	if len(p.questions) != 1 || !p.hidden[0] || !strings.Contains(p.questions[0], "Please enter") {
		t.Errorf("asked %q, hidden %v", p.questions, p.hidden)
	}
	if !slices.Equal(got.Printed, []string{"done"}) {
		t.Errorf("printed %q", got.Printed)
	}
	if got.Where["OS_REGION_NAME"] != "rc.ps1:10" {
		t.Errorf("it is from %s", got.Where["OS_REGION_NAME"])
	}
	for _, line := range []string{"Invoke-Expression x", "$env:A = Get-Content x", "$env:A = \"$(whoami)\"", "if ($x) { }", "$env:A = \"open"} {
		if _, err := ReadString(t.Context(), "\n"+line, "rc.ps1", Options{}); err == nil || !strings.Contains(err.Error(), "rc.ps1:2:1") {
			t.Errorf("%s: %v", line, err)
		}
	}
}

func TestBatch(t *testing.T) {
	text := "@echo off\r\nREM a comment\r\n:: another\r\nset OS_AUTH_URL=https://cloud.example.org:5000/v3\r\n" +
		"set \"OS_USERNAME=my name\"\r\n@SET os_project_name=%OS_USERNAME% 100%%\r\nset OS_TENANT_ID=\r\nset /p OS_PASSWORD=Password: \r\necho ready\r\nexit /b 0\r\nset OS_NOT=1\r\n"
	p := &asked{answer: "pw"}
	got, err := ReadString(t.Context(), text, "rc.bat", Options{Prompt: p, Env: map[string]string{"OS_TENANT_ID": "old", "OS_PROJECT_NAME": "old"}})
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{
		"OS_AUTH_URL": "https://cloud.example.org:5000/v3", "OS_USERNAME": "my name", "OS_PROJECT_NAME": "my name 100%", "OS_PASSWORD": "pw",
	}
	if d := cmp.Diff(want, got.Vars); d != "" {
		t.Error(d)
	}
	if !slices.Equal(got.Unset, []string{"OS_TENANT_ID"}) || !p.hidden[0] {
		t.Errorf("unset %q, hidden %v", got.Unset, p.hidden)
	}
	if _, err := ReadString(t.Context(), "for %%a in (x) do set A=%%a\n", "rc.cmd", Options{}); err == nil || !strings.Contains(err.Error(), "cmd.exe") {
		t.Errorf("got %v", err)
	}
}

func TestTellings(t *testing.T) {
	got, err := ReadString(t.Context(), "echo Hello; printf 'a\\tb\\n'; echo -e '\\033[31mred\\033[0m'\nOS_USERNAME=me\nexport OS_X=1\necho bye >&2\nreturn 3\n", "rc.sh", Options{})
	if err != nil {
		t.Fatal(err)
	}
	if got.Vars["OS_X"] != "1" {
		t.Errorf("got %v", got.Vars)
	}
	warnings := strings.Join(got.Warnings, "\n")
	for _, part := range []string{"rc.sh:5: the file ends early, with status 3, saying: Hello a b red bye", "not exported, so without effect: OS_USERNAME"} {
		if !strings.Contains(warnings, part) {
			t.Errorf("%q is missing in\n%s", part, warnings)
		}
	}
	got, err = ReadString(t.Context(), "echo one\necho -n two\n", "rc.sh", Options{})
	if err != nil || !slices.Equal(got.Printed, []string{"one", "two"}) {
		t.Errorf("printed %q, %v", got.Printed, err)
	}
}

func TestNamesOfPasswords(t *testing.T) {
	env := map[string]string{"OS_PASSWORD": "known"}
	for _, name := range []string{"OS_PASSWORD_INPUT", "PASSWORD", "OS_PASSWORD", "mypass"} {
		got, err := ReadString(t.Context(), "read -sr "+name+"\nexport OS_PASSWORD=$"+name+"\n", "rc.sh", Options{Env: env})
		if err != nil || got.Vars["OS_PASSWORD"] != "known" && name != "OS_PASSWORD" {
			t.Errorf("%s: %v, %v", name, got.Vars, err)
		}
	}
	if _, err := ReadString(t.Context(), "read -r OS_PASSCODE\n", "rc.sh", Options{Env: env}); err == nil || !strings.Contains(err.Error(), "asks for OS_PASSCODE") {
		t.Errorf("a passcode is not a password: %v", err)
	}
}

func FuzzWindows(f *testing.F) {
	for _, s := range []string{"$env:A = \"x $env:B\"", "$p = Read-Host 'x' -AsSecureString", "set A=%B%", "set /p A=q", "$env:A='a''b'"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		for _, name := range []string{"rc.ps1", "rc.bat"} {
			_, _ = ReadString(t.Context(), text, name, Options{Env: map[string]string{"B": "b"}})
		}
	})
}
