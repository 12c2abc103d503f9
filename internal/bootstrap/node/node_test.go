//go:build unix

package node_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/galleyhq/galley/internal/bootstrap"
	"github.com/galleyhq/galley/internal/bootstrap/install"
	"github.com/galleyhq/galley/internal/bootstrap/node"
	"github.com/galleyhq/galley/internal/secret"
	"github.com/galleyhq/galley/internal/testing/sshtest"
)

// programs is the PATH of the machines: see link.
var programs string

func TestMain(m *testing.M) {
	var err error
	if programs, err = os.MkdirTemp("", "galley-path-"); err == nil {
		err = link(programs)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	goleak.VerifyTestMain(m, goleak.Cleanup(func(code int) {
		_ = os.RemoveAll(programs)
		os.Exit(code)
	}))
}

// link fills a directory with the programs of this computer, but those that a
// bootstrap would take for the machine's client, or that become root for good.
func link(dir string) error {
	for _, from := range []string{"/usr/bin", "/bin", "/usr/sbin", "/sbin"} {
		list, err := os.ReadDir(from)
		if err != nil {
			continue
		}
		for _, e := range list {
			name := e.Name()
			if strings.HasPrefix(name, "chef") || strings.HasPrefix(name, "cinc") || name == "sudo" || name == "su" {
				continue
			}
			if err := os.Symlink(filepath.Join(from, name), filepath.Join(dir, name)); err != nil && !errors.Is(err, os.ErrExist) {
				return err
			}
		}
	}
	return nil
}

// machine is a login on loopback whose root directory is root, with stand-ins
// for what changes the user.
type machine struct {
	root string
	srv  *sshtest.Server
	*bootstrap.Client
	out notes
}

const standInClient = `#!/bin/sh
echo "client run: $*"
echo "home: $HOME"
`

// newMachine starts one. files are put below its root directory, executable.
func newMachine(t *testing.T, files map[string]string, change ...func(*sshtest.Options)) *machine {
	t.Helper()
	m := &machine{root: t.TempDir()}
	for name, content := range files {
		m.write(t, name, content)
	}
	for _, dir := range []string{"home", "etc"} {
		if err := os.MkdirAll(filepath.Join(m.root, dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	o := sshtest.Options{Password: "pw", Home: filepath.Join(m.root, "home"), Env: []string{
		"GALLEY_ROOT=" + m.root, "GALLEY_PAUSE=0",
		"PATH=" + filepath.Join(m.root, "bin") + ":" + programs,
	}}
	for _, c := range change {
		c(&o)
	}
	m.srv = sshtest.Start(t, o)
	c, err := bootstrap.Dial(t.Context(), bootstrap.Config{
		Hop:    bootstrap.Hop{Host: m.srv.Host, Port: m.srv.Port, User: "kim", Password: "pw"},
		Getenv: func(string) string { return "" }, Home: t.TempDir(), Agent: "none",
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	m.Client = c
	return m
}

func (m *machine) path(name string) string { return filepath.Join(m.root, name) }

func (m *machine) write(t *testing.T, name, content string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(m.path(name)), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(m.path(name), []byte(content), 0o755); err != nil {
		t.Fatal(err)
	}
}

func (m *machine) read(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile(m.path(name))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func (m *machine) bootstrap(ctx context.Context, s node.Spec, key string) error {
	return node.Bootstrap(ctx, m, s, secret.Text(key), &m.out, &m.out)
}

// spec is a node whose client is the stand-in at opt/cinc.
func (m *machine) spec() node.Spec {
	return node.Spec{
		Name: "web1", ServerURL: "https://chef.example/organizations/o",
		RunList: []string{"recipe[a]", "role[b]"},
		Install: install.Request{Root: m.path("opt/cinc")},
	}
}

const key = "-----BEGIN RSA PRIVATE KEY-----\nnot a key\n-----END RSA PRIVATE KEY-----\n"

func TestBootstrapLaysOutTheNode(t *testing.T) {
	m := newMachine(t, map[string]string{"opt/cinc/bin/cinc-client": standInClient})
	no := false
	s := m.spec()
	s.Environment, s.LogLevel = "prod", "debug"
	s.Attributes = map[string]any{"a": map[string]any{"b": "<&>'\"$HOME`id`"}, "tags": []any{"one"}}
	s.Tags = []string{"two", "one"}
	s.Hints = map[string][]byte{"openstack": []byte("{}")}
	s.TrustedCerts = map[string][]byte{"chef.example.crt": []byte("PEM")}
	s.ClientD = map[string][]byte{"x/ohai.rb": []byte("ohai.optional_plugins = ['a']\nGALLEY_END\n")}
	s.Secret = "sesame"
	s.SSLVerifyMode, s.VerifyAPICert = "none", &no
	s.Proxy, s.NoProxy = "http://proxy:3128", "localhost,10.*"
	s.ConfigLogLevel = "info"
	for range 2 { // the second time finds it all in place
		if err := m.bootstrap(t.Context(), s, key); err != nil {
			t.Fatalf("%v\n%s", err, m.out.String())
		}
	}
	for name, want := range map[string]string{
		"client.pem":                     key,
		"encrypted_data_bag_secret":      "sesame\n",
		"trusted_certs/chef.example.crt": "PEM\n",
		"ohai/hints/openstack.json":      "{}\n",
		"client.d/x/ohai.rb":             "ohai.optional_plugins = ['a']\nGALLEY_END\n",
		"client.rb": `chef_server_url  "https://chef.example/organizations/o"
log_level        :info
log_location     STDOUT
node_name        "web1"
verify_api_cert  false
ssl_verify_mode  :verify_none
http_proxy       "http://proxy:3128"
https_proxy      "http://proxy:3128"
no_proxy         "localhost,10.*"
encrypted_data_bag_secret "/etc/cinc/encrypted_data_bag_secret"
trusted_certs_dir "/etc/cinc/trusted_certs"
file_cache_path  "/var/cinc/cache"
file_backup_path "/var/cinc/backup"
`,
	} {
		if got := m.read(t, "etc/cinc/"+name); got != want {
			t.Errorf("%s:\n%q\nwant\n%q", name, got, want)
		}
	}
	for name, want := range map[string]os.FileMode{"client.pem": 0o600, "encrypted_data_bag_secret": 0o600, "first-boot.json": 0o600, "client.rb": 0o644} {
		if info, err := os.Stat(m.path("etc/cinc/" + name)); err != nil || info.Mode().Perm() != want {
			t.Errorf("%s: %v, %v", name, info, err)
		}
	}
	if to, err := os.Readlink(m.path("etc/chef")); to != "cinc" {
		t.Errorf("/etc/chef is a link to %q (%v)", to, err)
	}
	var boot map[string]any
	if err := json.Unmarshal([]byte(m.read(t, "etc/cinc/first-boot.json")), &boot); err != nil {
		t.Fatal(err)
	}
	if got := fmt.Sprint(boot); got != "map[a:map[b:<&>'\"$HOME`id`] run_list:[recipe[a] role[b]] tags:[one two]]" {
		t.Errorf("first-boot.json: %s", got)
	}
	e := m.path("etc/cinc")
	want := "-----> Existing Cinc Client installation detected\nStarting the first Cinc Client run...\n" +
		"client run: -c " + e + "/client.rb -j " + e + "/first-boot.json -l debug -E prod --no-color\nhome: " + m.path("home") + "\n"
	if got := m.out.String(); got != want+want {
		t.Errorf("output:\n%s", got)
	}
	left, err := filepath.Glob(m.path("etc/cinc/*.galley-new"))
	if err != nil || len(left) > 0 {
		t.Errorf("left behind: %v %v", left, err)
	}
}

func TestChefKeepsItsOwnDirectory(t *testing.T) {
	m := newMachine(t, map[string]string{"opt/chef/bin/chef-client": standInClient})
	s := m.spec()
	s.Install.Root = m.path("opt/chef")
	s.PolicyName, s.PolicyGroup, s.RunList = "web", "prod", nil
	s.Attributes = map[string]any{"run_list": []any{"recipe[gone]"}}
	s.ValidationClient, s.ValidationKey = "o-validator", "VALIDATION\n"
	if err := m.bootstrap(t.Context(), s, ""); err != nil {
		t.Fatalf("%v\n%s", err, m.out.String())
	}
	if got := m.read(t, "etc/chef/validation.pem"); got != "VALIDATION\n" {
		t.Errorf("validation.pem: %q", got)
	}
	if got := m.read(t, "etc/chef/client.rb"); !strings.Contains(got, `validation_client_name "o-validator"`) || !strings.Contains(got, `"/var/chef/cache"`) {
		t.Errorf("client.rb:\n%s", got)
	}
	if got := m.read(t, "etc/chef/first-boot.json"); got != "{\n  \"policy_group\": \"prod\",\n  \"policy_name\": \"web\"\n}\n" {
		t.Errorf("first-boot.json:\n%s", got)
	}
	if _, err := os.Lstat(m.path("etc/cinc")); err == nil {
		t.Error("/etc/cinc was made")
	}
}

func TestFailedFirstRun(t *testing.T) {
	for name, c := range map[string]struct{ client, hint string }{
		"recipe":      {"echo it broke; exit 1", "-VV shows more"},
		"certificate": {"echo 'SSL_connect returned=1 errno=0 state=error: certificate verify failed'; exit 1", "trusted_certs_dir"},
		"reboot":      {"exit 35", "rebooting"},
		"network":     {"echo 'Errno::ECONNREFUSED: Connection refused - connect(2)' >&2; exit 1", "chef_server_url"},
	} {
		t.Run(name, func(t *testing.T) {
			m := newMachine(t, map[string]string{"opt/cinc/bin/cinc-client": "#!/bin/sh\n" + c.client + "\n"})
			err := m.bootstrap(t.Context(), m.spec(), key)
			var failed *node.CommandError
			if !errors.As(err, &failed) || !errors.As(err, new(*node.RunError)) || !strings.Contains(failed.Hint(), c.hint) || !strings.Contains(err.Error(), "the first run of cinc-client ended with exit status") {
				t.Errorf("error %v", err)
			}
		})
	}
}

// elevated are stand-ins that make the login user one who is not root until
// sudo or su says so.
func elevated(sudo, su string) map[string]string {
	f := map[string]string{
		"opt/cinc/bin/cinc-client": standInClient,
		"bin/id":                   "#!/bin/sh\n[ \"$1\" = -un ] && { echo kim; exit; }\n[ -n \"$IS_ROOT\" ] && echo 0 || echo 1000\n",
		"bin/sudo":                 "#!/bin/sh\n" + sudo,
	}
	if su != "" {
		f["bin/su"] = "#!/bin/sh\n" + su
	}
	return f
}

const (
	sudoFree = `while :; do case $1 in -n|-k|-S) shift ;; -p) shift 2 ;; *) break ;; esac; done
IS_ROOT=1 exec "$@"
`
	sudoAsks = `n=; q=
while :; do case $1 in -n) n=1; shift ;; -k|-S) shift ;; -p) q=$2; shift 2 ;; *) break ;; esac; done
[ -z "$n" ] || { echo "sudo: a password is required" >&2; exit 1; }
echo "We trust you have received the usual lecture." >&2
for i in 1 2 3; do
printf %s "$q" >&2
IFS= read -r p || { echo "sudo: no password was provided" >&2; exit 1; }
echo "$p" >>"$GALLEY_ROOT/asked"
[ "$p" != "open sesame" ] || IS_ROOT=1 exec "$@"
echo "Sorry, try again." >&2
done
exit 1
`
	sudoTTY = `[ -t 0 ] || { echo "sudo: sorry, you must have a tty to run sudo" >&2; exit 1; }
` + sudoFree
	sudoTTYAsks = `[ -t 0 ] || { echo "sudo: sorry, you must have a tty to run sudo" >&2; exit 1; }
` + sudoAsks
	suAsks = `printf 'Password: ' >&2; read -r p
[ "$p" = "open sesame" ] || { echo "su: Authentication failure" >&2; exit 1; }
[ "$1 $2 $3" = "- root -c" ] || exit 9
IS_ROOT=1 exec sh -c "$4"
`
)

func TestAccountThatRunsNoCommands(t *testing.T) {
	m := newMachine(t, map[string]string{"bin/sh": "#!/bin/sh\necho 'This account is currently not available.'\nexit 1\n"})
	err := m.bootstrap(t.Context(), m.spec(), key)
	var shell *node.ShellError
	if !errors.As(err, &shell) || shell.Said != "This account is currently not available." || !strings.Contains(shell.Hint(), ".bashrc") {
		t.Errorf("error %v", err)
	}
}

func TestElevation(t *testing.T) {
	for name, c := range map[string]struct {
		files map[string]string
		how   node.Elevation
		err   string // "" for success
		hint  string
	}{
		"sudo without a password":    {elevated(sudoFree, ""), node.Elevation{}, "", ""},
		"a password nobody asks for": {elevated(sudoFree, ""), node.Elevation{Password: "open sesame"}, "", ""},
		"sudo with a password":       {elevated(sudoAsks, ""), node.Elevation{Password: "open sesame"}, "", ""},
		"sudo without the password":  {elevated(sudoAsks, ""), node.Elevation{}, "a password is required", "--use-sudo-password"},
		"sudo with a wrong password": {elevated(sudoAsks, ""), node.Elevation{Password: "x"}, "Sorry, try again", "is the password right?"},
		"sudo that forbids":          {elevated("echo 'kim is not in the sudoers file.' >&2; exit 1", ""), node.Elevation{}, "not in the sudoers", "--su-user"},
		"sudo that wants a terminal": {elevated(sudoTTY, ""), node.Elevation{}, "", ""},
		"and a password":             {elevated(sudoTTYAsks, ""), node.Elevation{Password: "open sesame"}, "", ""},
		"su":                         {elevated(sudoFree, suAsks), node.Elevation{SuUser: "root", SuPassword: "open sesame"}, "", ""},
		"su without a password":      {elevated(sudoFree, suAsks), node.Elevation{SuUser: "root"}, "by su", "--su-password"},
		"su with a wrong password":   {elevated(sudoFree, suAsks), node.Elevation{SuUser: "root", SuPassword: "x"}, "Authentication failure", "is the password right?"},
	} {
		t.Run(name, func(t *testing.T) {
			m := newMachine(t, c.files)
			s := m.spec()
			s.Elevate = c.how
			err := m.bootstrap(t.Context(), s, key)
			if c.err == "" {
				if err != nil {
					t.Fatalf("%v\n%s", err, m.out.String())
				}
				if m.read(t, "etc/cinc/client.pem") != key || !strings.Contains(m.out.String(), "client run: ") {
					t.Errorf("output:\n%s", m.out.String())
				}
				if strings.Contains(m.out.String(), "sesame") || strings.Contains(m.out.String(), "assword:") {
					t.Errorf("the password is in the output:\n%s", m.out.String())
				}
				return
			}
			var failed *node.ElevationError
			if !errors.As(err, &failed) || !strings.Contains(err.Error(), c.err) || !strings.Contains(failed.Hint(), c.hint) {
				t.Errorf("error %v", err)
			}
			if got, err := os.ReadFile(m.path("asked")); err == nil && string(got) != "x\n" {
				t.Errorf("offered as passwords: %q", got)
			}
			if left, _ := filepath.Glob("/tmp/galley-????????-????-*"); len(left) > 0 {
				t.Errorf("left behind: %v", left)
			}
		})
	}
}

type answering string

func (a answering) Run(_ context.Context, cmd bootstrap.Command) (int, error) {
	_, err := cmd.Stdout.Write([]byte(a))
	return 0, err
}

func TestMachineWithoutSudo(t *testing.T) {
	s := node.Spec{Name: "web1", ServerURL: "https://chef.example"}
	err := node.Bootstrap(t.Context(), answering("Welcome!\ngalley-user 1000\n"), s, key, nil, nil)
	var failed *node.ElevationError
	if !errors.As(err, &failed) || !failed.Missing || !strings.Contains(failed.Hint(), "-U root") {
		t.Errorf("error %v", err)
	}
}

// What runs on the machine ends with the bootstrap that is cancelled, also
// where sudo gives it its own session and drops the mark by which the
// login user's processes are found.
func TestCancelledFirstRun(t *testing.T) {
	files := elevated("unset LC_GALLEY\n"+strings.Replace(sudoFree, "exec ", "exec setsid -w ", 1), "")
	// It says no more once it runs: a shell that tells of its killed sleep to a
	// session that is gone dies of that, and not of the signal.
	files["opt/cinc/bin/cinc-client"] = "#!/bin/sh\ntrap 'echo ended >$GALLEY_ROOT/ended; exit 143' TERM\necho running\nexec >/dev/null 2>&1\ni=0\nwhile [ $i -lt 600 ]; do sleep 0.05; i=$((i+1)); done\n"
	m := newMachine(t, files, func(o *sshtest.Options) { o.IgnoreSignals = true })
	running := m.out.await("running")
	ctx, cancel := context.WithCancelCause(t.Context())
	stop := errors.New("the user pressed Ctrl-C")
	done := make(chan error, 1)
	go func() { done <- m.bootstrap(ctx, m.spec(), key) }()
	select {
	case <-running:
	case err := <-done:
		t.Fatalf("it ended: %v\n%s", err, m.out.String())
	}
	cancel(stop)
	if err := <-done; !errors.Is(err, stop) {
		t.Errorf("error %v", err)
	}
	for deadline := time.Now().Add(time.Minute); ; {
		if _, err := os.Stat(m.path("ended")); err == nil {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("the client still runs")
		}
		time.Sleep(10 * time.Millisecond)
	}
}
