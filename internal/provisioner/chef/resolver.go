package chef

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/galleyhq/galley/internal/provisioner/base"
	"github.com/galleyhq/galley/kitchen"
)

// Resolver resolves Berksfiles and Policyfiles by the programs made for it,
// each file once for all instances of a run. One program runs at a time: they
// share caches and lock files. Make it with [NewResolver].
type Resolver struct {
	turn chan struct{} // holds a token while nobody resolves
	dir  string
	done map[string]string
	n    int
}

// NewResolver returns a resolver. [Resolver.Close] ends its use.
func NewResolver() *Resolver {
	r := &Resolver{turn: make(chan struct{}, 1), done: map[string]string{}}
	r.turn <- struct{}{}
	return r
}

// Close removes the resolved cookbooks.
func (r *Resolver) Close() error {
	<-r.turn
	defer func() { r.turn <- struct{}{} }()
	if r.dir == "" {
		return nil
	}
	dir := r.dir
	r.dir, r.done = "", map[string]string{}
	return os.RemoveAll(dir)
}

// once calls make with an empty directory unless that was done before for the
// key, and returns the directory.
func (r *Resolver) once(ctx context.Context, key string, make func(dir string) error) (string, error) {
	select {
	case <-ctx.Done():
		return "", context.Cause(ctx)
	case <-r.turn:
	}
	defer func() { r.turn <- struct{}{} }()
	if dir, ok := r.done[key]; ok {
		return dir, nil
	}
	if r.dir == "" {
		dir, err := os.MkdirTemp("", "galley-cookbooks-")
		if err != nil {
			return "", err
		}
		r.dir = dir
	}
	r.n++
	dir := filepath.Join(r.dir, fmt.Sprint(r.n))
	if err := make(dir); err != nil {
		return "", err
	}
	r.done[key] = dir
	return dir, nil
}

// ToolError tells that cookbooks cannot be resolved here for want of a
// program.
type ToolError struct {
	// File is the Berksfile or Policyfile.
	File string
	// Tools are the programs of which one is needed.
	Tools []string
}

func (e *ToolError) Error() string {
	return fmt.Sprintf("%s needs %s, which is not installed here", e.File, strings.Join(e.Tools, " or "))
}

// Hint tells how to get on.
func (e *ToolError) Hint() string {
	return "install Chef or Cinc Workstation, or leave `resolver: peer` out, so that Galley resolves it"
}

// berks has Berkshelf vendor the cookbooks of a Berksfile.
func (r *Resolver) berks(ctx context.Context, step *kitchen.Step, o base.Options, file string, update bool) (string, error) {
	tool := o.LookPath("berks")
	if tool == "" {
		return "", &ToolError{File: file, Tools: []string{"berks"}}
	}
	return r.once(ctx, "berks "+file, func(dir string) error {
		step.Report.Info("Resolving cookbook dependencies with Berkshelf from %s", file)
		run := func(args ...string) error {
			return o.RunLocal(ctx, step, base.Local{What: "berks " + args[0], Args: append([]string{tool}, args...), Dir: filepath.Dir(file)})
		}
		if _, err := os.Stat(file + ".lock"); err == nil && update {
			if err := run("update", "--berksfile", file); err != nil {
				return err
			}
		}
		return run("vendor", dir, "--berksfile", file)
	})
}

// policyTools are the programs that understand Policyfiles.
var policyTools = []string{"chef-cli", "cinc-cli", "chef", "cinc"}

// policy has chef-cli export a Policyfile, and returns the directory and the
// policy's name.
func (r *Resolver) policy(ctx context.Context, step *kitchen.Step, o base.Options, file, group string, update bool) (dir, name string, err error) {
	lock := strings.TrimSuffix(file, filepath.Ext(file)) + ".lock.json"
	tool := o.LookPath(policyTools...)
	if tool == "" {
		return "", "", &ToolError{File: file, Tools: policyTools}
	}
	base0 := filepath.Base(tool)
	dir, err = r.once(ctx, "policy "+group+" "+file, func(dir string) error {
		run := func(args ...string) error {
			return o.RunLocal(ctx, step, base.Local{What: base0 + " " + args[0], Args: append([]string{tool}, args...), Dir: filepath.Dir(file)})
		}
		step.Report.Info("Installing cookbooks for Policyfile %s using `%s install`", file, base0)
		if err := run("install", file); err != nil {
			return err
		}
		if update {
			step.Report.Info("Updating policy lock using `%s update`", base0)
			if err := run("update", file); err != nil {
				return err
			}
		}
		step.Report.Info("Exporting cookbook dependencies from Policyfile %s", file)
		args := []string{"export", file, dir, "--force"}
		if group != "" {
			args = append(args, "--policy_group", group)
		}
		return run(args...)
	})
	if err != nil {
		return "", "", err
	}
	name, err = policyName(lock)
	return dir, name, err
}

func policyName(lock string) (string, error) {
	b, err := os.ReadFile(lock)
	if err != nil {
		return "", fmt.Errorf("the policy's lock: %w", err)
	}
	var data struct {
		Name string `json:"name"`
	}
	if err := json.Unmarshal(b, &data); err != nil {
		return "", fmt.Errorf("%s: %w", lock, err)
	}
	if data.Name == "" {
		return "", errors.New(lock + " gives no name of the policy")
	}
	return data.Name, nil
}
