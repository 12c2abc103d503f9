package shell

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/galleyhq/galley/internal/config"
	"github.com/galleyhq/galley/internal/provisioner/base"
	"github.com/galleyhq/galley/kitchen"
)

// Provisioner runs a script or a command on a machine (Test Kitchen: the
// shell provisioner).
type Provisioner struct {
	set *base.Settings
	// script and data are paths here, "" for none.
	script, data string
	command      string
	arguments    string
}

var (
	_ kitchen.Provisioner = (*Provisioner)(nil)
	_ kitchen.Checker     = (*Provisioner)(nil)
)

// New reads the keys that every provisioner has and
//   - script: uploaded and run as sudo would; default bootstrap.sh where the
//     suite has one;
//   - command: run instead, as the login user;
//   - arguments: of the script; each element of a list is one, a string is
//     appended as it is;
//   - data_path: a directory uploaded to ROOT/data; default data where the
//     suite has one.
func New(section config.Section, o base.Options) (*Provisioner, error) {
	set, err := base.Read(section, o, base.Defaults{RootPath: "/tmp/kitchen"})
	r := &config.Reader{Section: section}
	r.Add(err)
	p := &Provisioner{
		set: set, command: r.Text("command", ""),
		script: r.File("script", o.FindFile("bootstrap.sh")), data: r.File("data_path", o.FindDir("data")),
	}
	if p.arguments, err = section.String("arguments", ""); err != nil {
		list := r.List("arguments")
		for i, a := range list {
			list[i] = base.Quote(a)
		}
		p.arguments = strings.Join(list, " ")
	}
	return p, r.Err()
}

// Check implements [kitchen.Checker].
func (p *Provisioner) Check(context.Context, *kitchen.Step) []string {
	var out []string
	for _, path := range []string{p.script, p.data} {
		if path == "" || path == p.script && p.command != "" {
			continue
		}
		if _, err := os.Stat(path); err != nil {
			out = append(out, fmt.Sprintf("The shell provisioner needs %s, which cannot be read: %v.", path, err))
			continue
		}
		if path != p.script {
			continue
		}
		if data, err := os.ReadFile(path); err == nil {
			if _, changed := base.UnixScript(data); changed != "" {
				out = append(out, base.ScriptWarning(path, changed)+".")
			}
		}
	}
	return out
}

// Converge implements [kitchen.Provisioner].
func (p *Provisioner) Converge(ctx context.Context, step *kitchen.Step, conn kitchen.Conn) (err error) {
	if err := ctx.Err(); err != nil {
		return context.Cause(ctx)
	}
	tree, script, err := p.sandbox(step)
	if err != nil {
		return err
	}
	m := p.set.On(step, conn)
	defer m.Close()
	if err := m.SendUploads(ctx); err != nil {
		return err
	}
	step.Report.Info("Transferring files to <%s>", step.Instance.Name)
	// The data of an earlier run goes even when there is none any more.
	before := ""
	if p.command == "" && p.script != "" {
		before = m.SudoCode()
	}
	if !tree.Has("data") {
		before += m.RemoveCode(p.set.OnMachine("data"))
	}
	if err := m.Sync(ctx, tree, nil, before); err != nil {
		return err
	}
	what, code := p.run(script)
	if code == "" {
		return m.Finish(ctx, nil)
	}
	return m.Finish(ctx, m.RunRetrying(ctx, what, code))
}

// sandbox returns the files for the root path, and the script among them.
func (p *Provisioner) sandbox(step *kitchen.Step) (tree *base.Tree, script []byte, err error) {
	tree = &base.Tree{}
	step.Report.Info("Preparing files for transfer")
	if p.data != "" {
		step.Report.Info("Preparing data")
		if err := tree.AddDir("data", p.data, nil); err != nil {
			return nil, nil, fmt.Errorf("preparing data: %w", err)
		}
	}
	switch {
	case p.command != "":
	case p.script != "":
		step.Report.Info("Preparing script")
		if script, err = os.ReadFile(p.script); err != nil {
			return nil, nil, fmt.Errorf("preparing the script: %w", err)
		}
		var changed string
		script, changed = base.UnixScript(script)
		if changed != "" {
			step.Report.Warn("%s", base.ScriptWarning(p.script, changed))
		}
		// Made executable here, so that it need not be there.
		tree.AddBytes(filepath.Base(p.script), script, 0o755)
	default:
		step.Report.Info("No provisioner script file specified, skipping")
	}
	return tree, script, nil
}

// run is the shell code that does the work, "" for none, and its name.
func (p *Provisioner) run(script []byte) (what, code string) {
	if p.command != "" {
		return "the provisioner's command", p.command
	}
	if p.script == "" {
		return "", ""
	}
	name := filepath.Base(p.script)
	file := base.Quote(p.set.OnMachine(name))
	arguments := ""
	if p.arguments != "" {
		arguments = " " + p.arguments
	}
	var interpreter []string
	for _, word := range base.Interpreter(script) {
		interpreter = append(interpreter, base.Quote(word))
	}
	// A file system that is mounted noexec has nothing to execute, but scripts
	// can be read.
	code = "if [ -x " + file + " ]; then\n" + p.set.Sudo(file) + arguments +
		"\nelse\n" + p.set.Sudo(strings.Join(interpreter, " ")+" "+file) + arguments + "\nfi"
	return "the script " + name, code
}
