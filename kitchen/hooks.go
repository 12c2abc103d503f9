package kitchen

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"time"
)

// localHookTime bounds a local hook (Test Kitchen: 60,000 s).
const localHookTime = 60000 * time.Second

// Hook is one command that runs before or after an action (Test Kitchen:
// lifecycle). Either Local or Remote is set.
type Hook struct {
	// Local is run by this machine's shell, Remote by the instance's.
	Local, Remote string
	// Includes and Excludes match the names of platforms; if there are
	// includes, only they count.
	Includes, Excludes []Pattern
	// Environment is added to a local command's.
	Environment map[string]string
	// Cwd is a local command's directory, relative to the project; default
	// the project.
	Cwd string
	// User is the local user a local command runs as; default the same.
	User string
	// Skippable lets a remote hook be passed over without a machine,
	// and its exit status be ignored.
	Skippable bool
}

// hooks runs the hooks of one phase ("pre", "post", "finally") of an action.
func (s *session) hooks(ctx context.Context, step *Step, phase string) error {
	of := step.Action
	if of == Reset {
		of = Create // The machine is then as it was after one.
	}
	name := phase + "_" + string(of)
	for _, h := range s.instance.Hooks[name] {
		run, err := h.appliesTo(s.instance.Platform)
		if err != nil {
			return fmt.Errorf("%s hook: %w", name, err)
		}
		if !run {
			continue
		}
		if h.Local != "" {
			err = s.localHook(ctx, step, h)
		} else {
			err = s.remoteHook(ctx, step, h)
		}
		if err != nil {
			return fmt.Errorf("%s hook on instance <%s>: %w", name, s.instance.Name, err)
		}
	}
	return nil
}

func (h Hook) appliesTo(platform string) (bool, error) {
	if len(h.Includes) > 0 {
		return matchesAny(h.Includes, platform)
	}
	excluded, err := matchesAny(h.Excludes, platform)
	return !excluded, err
}

func matchesAny(patterns []Pattern, platform string) (bool, error) {
	for _, p := range patterns {
		if ok, err := p.Match(platform); ok || err != nil {
			return ok, err
		}
	}
	return false, nil
}

func (s *session) remoteHook(ctx context.Context, step *Step, h Hook) error {
	if s.state.LastAction() == "" && h.Skippable {
		return nil
	}
	if step.Action == Destroy && s.state.String(KeyHostname) == "" {
		step.Report.Info("Skipping the remote command [%s]: there is no machine to run it on", h.Remote)
		return nil
	}
	conn, err := s.connect(ctx, step)
	if err != nil {
		return err
	}
	out := step.Report.Output()
	defer out.Close()
	status, err := conn.Run(ctx, Command{Line: h.Remote, Stdout: out, Stderr: out, TTY: step.Terminal})
	if err != nil {
		return err
	}
	if status != 0 && !h.Skippable {
		return &ExitError{Command: h.Remote, Status: status}
	}
	return nil
}

func (s *session) localHook(ctx context.Context, step *Step, h Hook) error {
	ctx, cancel := context.WithTimeout(ctx, localHookTime)
	defer cancel()
	cmd, err := LocalCommand(ctx, h.Local, nil, h.User)
	if err != nil {
		return err
	}
	cmd.Dir = s.instance.Root
	if h.Cwd != "" {
		if cmd.Dir = h.Cwd; !filepath.IsAbs(h.Cwd) {
			cmd.Dir = filepath.Join(s.instance.Root, h.Cwd)
		}
	}
	cmd.Env = append(os.Environ(),
		"KITCHEN_INSTANCE_NAME="+s.instance.Name,
		"KITCHEN_SUITE_NAME="+s.instance.Suite,
		"KITCHEN_PLATFORM_NAME="+s.instance.Platform,
		"KITCHEN_INSTANCE_HOSTNAME="+s.state.String(KeyHostname),
	)
	names := make([]string, 0, len(h.Environment))
	for n := range h.Environment {
		names = append(names, n)
	}
	slices.Sort(names)
	for _, n := range names {
		cmd.Env = append(cmd.Env, n+"="+h.Environment[n])
	}
	out := step.Report.Output()
	defer out.Close()
	cmd.Stdout, cmd.Stderr = out, out
	// A grandchild that keeps the pipe open must not hold up the run.
	cmd.WaitDelay = 10 * time.Second
	err = cmd.Run()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return fmt.Errorf("the local command [%s] ended with exit status %d", h.Local, exit.ExitCode())
	}
	if err != nil {
		return fmt.Errorf("running the local command [%s]: %w", h.Local, err)
	}
	return nil
}
