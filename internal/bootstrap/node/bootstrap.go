package node

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"io"
	"maps"
	"net/url"
	"path"
	"slices"
	"strconv"
	"strings"

	"al.essio.dev/pkg/shellescape"

	"github.com/galleyhq/galley/internal/bootstrap"
	"github.com/galleyhq/galley/internal/bootstrap/install"
	"github.com/galleyhq/galley/internal/secret"
)

// Bootstrap puts everything on the machine, installs the client where there is
// none and runs it. key is the node's, "" where the node registers itself with
// spec.ValidationKey. Lines of output go to out as they come; it is written to
// by one goroutine at a time. A failure of the client itself is a *[RunError];
// after any other the machine is not a node yet.
//
// A second Bootstrap of the same machine does the remaining steps and
// runs the client again. Where ctx ends in mid-run, what runs on the machine
// is ended too.
func Bootstrap(ctx context.Context, m Machine, spec Spec, key secret.Text, out io.Writer, rep Reporter) error {
	rep = bootstrap.Reporting(rep)
	if err := spec.Validate(); err != nil {
		return err
	}
	if key == "" && spec.ValidationKey == "" {
		return &SpecError{Msg: "the node has neither a client key nor a validation key", Advice: "register it first"}
	}
	if spec.Template != nil {
		return bootstrapByTemplate(ctx, m, spec, key, out, rep)
	}
	plan, err := spec.plan()
	if err != nil {
		return err
	}
	r, err := newRoot(ctx, m, spec.Elevate, out, rep)
	if err != nil {
		return err
	}
	if err := spec.preinstall(ctx, r); err != nil {
		return err
	}
	l, err := spec.client(ctx, r, plan)
	if err != nil {
		return err
	}
	files, err := spec.files(l, string(key))
	if err != nil {
		return err
	}
	status, tail, err := r.play(ctx, placing(l)+writing(files, `"$E"`))
	if err != nil {
		return fmt.Errorf("writing %s: %w", l.etc, err)
	}
	if status != 0 {
		return failed("writing "+l.etc, status, tail)
	}
	fmt.Fprintf(r.out, "Starting the first %s run...\n", l.title)
	status, tail, err = r.play(ctx, "E="+home(l.etc)+"\nexec "+spec.startCommand(shellescape.Quote(l.client), `"$E"`))
	if err != nil {
		return &RunError{fmt.Errorf("the first run of %s: %w", path.Base(l.client), err)}
	}
	if err := explainRun("the first run of "+path.Base(l.client), status, tail); err != nil {
		return &RunError{err}
	}
	return nil
}

// Check says beforehand what Bootstrap would refuse of a Spec: parts that do
// not go together, a client that is not available, a licence that is not
// accepted, a template that cannot be rendered. Nothing is asked of anybody.
func Check(spec Spec) error {
	if err := spec.Validate(); err != nil {
		return err
	}
	if spec.Template == nil {
		_, err := spec.plan()
		return err
	}
	_, err := spec.Template(spec.values("-----BEGIN RSA PRIVATE KEY-----\n-----END RSA PRIVATE KEY-----\n"))
	return err
}

// CheckLogin says whether the login user becomes root on the machine in the way
// that a Spec has it, with an *[ElevationError] if not. Bootstrap finds out as
// well, but by then the node is registered.
func CheckLogin(ctx context.Context, m Machine, spec Spec, rep Reporter) error {
	_, err := newRoot(ctx, m, spec.Elevate, nil, bootstrap.Reporting(rep))
	return err
}

// RunError tells that the machine is a configured node, and that the first run
// of its client failed or was cut off.
type RunError struct{ Err error }

func (e *RunError) Error() string { return e.Err.Error() }
func (e *RunError) Unwrap() error { return e.Err }

// home is a directory on the machine as a word of the shell. GALLEY_ROOT takes
// the place of / in tests.
func home(dir string) string { return `"${GALLEY_ROOT:-}` + dir + `"` }

// placing makes the client's directory. What else looks for /etc/chef finds
// that of Cinc, unless there is one.
func placing(l layout) string {
	code := "E=" + home(l.etc) + "\n(umask 022; mkdir -p \"$E\") || exit\n"
	if l.etc == cincLayout.etc {
		chef := home(chefLayout.etc)
		code += "[ -e " + chef + " ] || [ -L " + chef + " ] || ln -s " + path.Base(l.etc) + " " + chef + "\n"
	}
	return code
}

// plan says how the client gets on the machine.
func (s *Spec) plan() (*install.Plan, error) {
	req := s.Install
	if s.InstallCommand != "" || s.ClientPath != "" {
		// Nothing of ours is installed; where to look is all that counts.
		req.Strategy = install.Skip
	}
	if req.ScriptURL != "" && req.ScriptOptions == "" {
		// As knife runs it; an installer of the user's own gets its version
		// from the plan.
		req.ScriptOptions = "-P " + cmp.Or(req.Product, "chef") + " -c " + cmp.Or(req.Channel, "stable")
	}
	plan, err := install.Make(req)
	if err != nil {
		return nil, &InstallError{err}
	}
	if plan.Licensed && s.ChefLicense == "" && req.Strategy != install.Skip && needsLicense(req.Version) {
		return nil, &LicenseError{}
	}
	return plan, nil
}

// needsLicense says whether a version of Chef has a licence to accept.
func needsLicense(version string) bool {
	major, _, _ := strings.Cut(version, ".")
	n, err := strconv.Atoi(major)
	return err != nil || n >= 15
}

// exports is the environment of what installs.
func (s *Spec) exports() string {
	var b strings.Builder
	export := func(name, value string) {
		if value == "" {
			return
		}
		for _, n := range []string{name, strings.ToUpper(name)} {
			b.WriteString(n + "=" + shellescape.Quote(value) + "; export " + n + "\n")
		}
	}
	proxy := s.Proxy
	if u, err := url.Parse(proxy); err == nil && u.Host != "" && u.User == nil && s.ProxyUser != "" {
		u.User = url.UserPassword(s.ProxyUser, string(s.ProxyPassword))
		proxy = u.String()
	}
	export("http_proxy", proxy)
	export("https_proxy", proxy)
	export("no_proxy", s.NoProxy)
	return b.String()
}

// userCode runs the user's shell code in a separate shell, so that its errors
// stay there. What the code runs has no input.
func userCode(code string) string {
	return "sh -s " + heredoc("{\n"+code+"\n} </dev/null\n")
}

func (s *Spec) preinstall(ctx context.Context, r *root) error {
	if s.PreinstallCommand == "" {
		return nil
	}
	fmt.Fprintln(r.out, "Running the bootstrap preinstall command")
	return s.userCommand(ctx, r, "the preinstall command", s.PreinstallCommand)
}

// userCommand runs a command of the user's own in the environment of what
// installs.
func (s *Spec) userCommand(ctx context.Context, r *root, what, code string) error {
	status, tail, err := r.play(ctx, s.exports()+userCode(code))
	if err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	if status != 0 {
		return failed(what, status, tail)
	}
	return nil
}

// client returns the layout of the client on the machine, installed if need
// be.
func (s *Spec) client(ctx context.Context, r *root, plan *install.Plan) (layout, error) {
	if s.ClientPath != "" && s.InstallCommand == "" {
		return layoutOf(s.ClientPath), nil
	}
	if s.InstallCommand == "" {
		client, err := find(ctx, r, plan.Find(), s.Install.Strategy)
		if err != nil {
			return layout{}, err
		}
		if client != "" {
			l := layoutOf(client)
			fmt.Fprintf(r.out, "-----> Existing %s installation detected\n", l.title)
			return l, nil
		}
		if s.Install.Strategy == install.Skip {
			return layout{}, &NoClientError{Looked: plan.Roots}
		}
	}
	if err := s.install(ctx, r, plan); err != nil {
		return layout{}, err
	}
	if s.ClientPath != "" {
		return layoutOf(s.ClientPath), nil
	}
	client, err := find(ctx, r, plan.FindAny(), install.Once)
	if err != nil {
		return layout{}, err
	}
	if client == "" {
		return layout{}, &NoClientError{Looked: plan.Roots}
	}
	return layoutOf(client), nil
}

// find returns the path of the client on the machine, "" where there is none
// that satisfies. search is one of a plan's.
func find(ctx context.Context, r *root, search string, strategy install.Strategy) (string, error) {
	code := "galley_find() (\n" + search + "\n)\n" +
		"d=$(galley_find)\ncase $d in \"found \"*) d=${d#found } ;; *) d= ;; esac\n" +
		"for n in cinc-client chef-client; do\n[ -n \"$d\" ] && [ -x \"$d/bin/$n\" ] && { echo \"client $d/bin/$n\"; exit 0; }\ndone\n"
	switch strategy {
	case "", install.Once, install.Skip:
		// Whatever is there will do.
		code += "for n in cinc-client chef-client; do\nc=$(command -v $n) && { echo \"client $c\"; exit 0; }\ndone\n"
	}
	out, _, err := r.ask(ctx, code+"exit 0\n")
	if err != nil {
		return "", fmt.Errorf("looking for the client: %w", err)
	}
	for line := range strings.Lines(out) {
		if c, ok := strings.CutPrefix(strings.TrimSpace(line), "client "); ok {
			return c, nil
		}
	}
	return "", nil
}

func (s *Spec) install(ctx context.Context, r *root, plan *install.Plan) error {
	if s.InstallCommand != "" {
		return s.userCommand(ctx, r, "the install command", s.InstallCommand)
	}
	if plan.Notice != "" {
		r.rep.Info("%s", plan.Notice)
	}
	fmt.Fprintf(r.out, "-----> Installing %s (%s/%s)\n", plan.Product, cmp.Or(s.Install.Channel, "stable"), cmp.Or(s.Install.Version, "latest"))
	status, tail, err := r.play(ctx, s.exports()+string(plan.Script()))
	if err != nil {
		return fmt.Errorf("the installer: %w", err)
	}
	if err := plan.Explain(status, tail); err != nil {
		return &InstallError{err}
	}
	return nil
}

// bootstrapByTemplate runs a script of the user's own, which does everything.
func bootstrapByTemplate(ctx context.Context, m Machine, spec Spec, key secret.Text, out io.Writer, rep Reporter) error {
	script, err := spec.Template(spec.values(key))
	if err != nil {
		return err
	}
	if bytes.IndexByte(script, 0) >= 0 {
		return &SpecError{Msg: "the bootstrap template gives no text"}
	}
	r, err := newRoot(ctx, m, spec.Elevate, out, rep)
	if err != nil {
		return err
	}
	status, tail, err := r.play(ctx, userCode(string(script)))
	if err != nil {
		return fmt.Errorf("the bootstrap template's script: %w", err)
	}
	return explainRun("the script of the bootstrap template", status, tail)
}

// values are what a template is made from. Its text names /etc/chef itself, so
// that is where everything is, whichever client it installs.
func (s *Spec) values(key secret.Text) Values {
	l := chefLayout
	client := cmp.Or(s.ClientPath, l.client)
	v := Values{
		Spec: *s, ClientKey: secret.Text(key),
		ConfigContent: s.clientRB(l, false),
		FirstBoot:     s.firstBoot(),
		StartChef:     s.startCommand(client, l.etc),
	}
	write := func(dir string, content map[string][]byte) string {
		var files []file
		for _, name := range slices.Sorted(maps.Keys(content)) {
			files = append(files, file{name: dir + "/" + name, content: string(content[name])})
		}
		if files == nil {
			return ""
		}
		return writing(files, l.etc)
	}
	v.TrustedCerts = write("trusted_certs", s.TrustedCerts)
	v.ClientD = write("client.d", s.ClientD)
	return v
}
