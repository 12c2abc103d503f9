// Package shell is the verifier that runs a command, on the workstation or on
// the machine.
//
// It may be imported by internal/cli and by tests.
package shell

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/galleyhq/galley/internal/config"
	"github.com/galleyhq/galley/internal/provisioner/base"
	"github.com/galleyhq/galley/kitchen"
)

// Verifier runs a command whose exit status is the verdict (Test Kitchen: the
// shell verifier).
type Verifier struct {
	set     *base.Settings
	command string
	remote  bool
	sleep   time.Duration
	local   base.Local
}

var _ kitchen.Verifier = (*Verifier)(nil)

// New reads the keys that every verifier has and
//   - command (true);
//   - remote_exec (false): run it on the machine;
//   - sleep (s, 0): first;
//   - shellout_opts: of a local command: cwd, environment or env, timeout (s),
//     returns (exit statuses that pass), input, user; the others of
//     mixlib-shellout are refused;
//   - live_stream: stdout or stderr, both of which mean the instance's output.
func New(section config.Section, o base.Options) (*Verifier, error) {
	r := &config.Reader{Section: section}
	v := &Verifier{remote: r.Flag("remote_exec", false), command: r.Text("command", "true"), sleep: r.Time("sleep", 0)}
	if !v.remote {
		// A local command asks nothing of the machine's shell.
		o.OSType, o.ShellType = "", ""
	}
	var err error
	v.set, err = base.Read(section, o, base.Defaults{RootPath: "/tmp/verifier"})
	r.Add(err)
	stream := r.Text("live_stream", "stdout")
	if s := strings.ToLower(strings.TrimPrefix(stream, "$")); s != "stdout" && s != "stderr" {
		r.Add(base.Refuse(section, "live_stream", fmt.Sprintf("there is no stream %q", stream), "leave it out: output goes to the console and the instance's log"))
	}
	v.local, err = shellout(r.Mapping("shellout_opts"), o)
	r.Add(err)
	return v, r.Err()
}

// shellout reads the options of mixlib-shellout that mean something here.
func shellout(s config.Section, o base.Options) (l base.Local, err error) {
	l.Dir = o.Root
	for _, raw := range s.Keys() {
		key := strings.TrimPrefix(raw, ":")
		switch key {
		case "cwd":
			l.Dir, err = s.Path(raw, "")
		case "timeout":
			l.Timeout, err = s.Seconds(raw, 0)
		case "input":
			l.Stdin, err = s.String(raw, "")
		case "user":
			l.User, err = s.String(raw, "")
		case "environment", "env":
			var env config.Section
			if env, err = s.Map(raw); err != nil {
				break
			}
			for _, name := range env.Keys() {
				value, verr := env.String(name, "")
				if verr != nil {
					err = verr
				}
				l.Env = append(l.Env, name+"="+value)
			}
		case "returns":
			var list []string
			if list, err = s.StringList(raw); err != nil {
				break
			}
			l.OK = []int{}
			for _, text := range list {
				n, nerr := strconv.Atoi(text)
				if nerr != nil {
					err = &config.ValueError{Key: "shellout_opts.returns", Where: s.Where(raw), Found: strconv.Quote(text), Want: "an exit status"}
				}
				l.OK = append(l.OK, n)
			}
		default:
			err = base.Refuse(s, raw, "Galley has no such option for a local command", "cwd, environment, timeout, returns, input and user are there")
		}
		if err != nil {
			return l, err
		}
	}
	return l, nil
}

// Verify implements [kitchen.Verifier].
func (v *Verifier) Verify(ctx context.Context, step *kitchen.Step, conn kitchen.Conn) error {
	step.Report.Info("[Shell] Verify on instance <%s>", step.Instance.Name)
	if err := base.Sleep(ctx, step, v.sleep, "the time before the verification (sleep) to pass"); err != nil {
		return err
	}
	if !v.remote {
		l := v.local
		l.What, l.Line = "the verifier's command", v.command
		l.Env = append(v.environment(step), l.Env...)
		return v.set.RunLocal(ctx, step, l)
	}
	m := v.set.On(step, conn)
	defer m.Close()
	// Without Wrap: Test Kitchen gives the login shell the command as it is.
	return m.Finish(ctx, m.RunRaw(ctx, "the verifier's command", v.command))
}

// environment describes the instance to a local command.
func (v *Verifier) environment(step *kitchen.Step) []string {
	env := []string{
		"KITCHEN_INSTANCE=" + step.Instance.Name,
		"KITCHEN_PLATFORM=" + step.Instance.Platform,
		"KITCHEN_SUITE=" + step.Instance.Suite,
	}
	if v.set.Login != nil {
		if login, err := v.set.Login(step.State); err == nil && login.User != "" {
			env = append(env, "KITCHEN_USERNAME="+login.User)
		}
	}
	for _, key := range step.State.Keys() {
		if key == kitchen.KeyOwn {
			continue
		}
		env = append(env, "KITCHEN_"+strings.ToUpper(key)+"="+step.State.String(key))
	}
	return env
}
