package openrc

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/galleyhq/galley/internal/text"

	"mvdan.cc/sh/v3/syntax"
)

// Bounds on what a file may do. Real files come nowhere near them.
const (
	maxFile  = 64 << 10
	maxValue = 64 << 10
	// maxTotal bounds all variables together.
	maxTotal = 4 << 20
	maxSteps = 10_000
	// maxDepth bounds the files that are sourced, and the evals.
	maxDepth = 64
	// maxCalls bounds the calls of functions, whose scopes are nested.
	maxCalls = 500
	// maxMemory bounds what a file makes the process hold.
	maxMemory = 128 << 20
	// maxAnswer bounds an answer.
	maxAnswer = 4 << 10
	// maxTime bounds the work, not counting what a person takes to answer.
	maxTime = 5 * time.Second
	// maxPrinted bounds the lines kept of what a file prints.
	maxPrinted = 50
)

// Options say what a file may lean on.
type Options struct {
	// Env is the environment that a shell would have: the file may read it,
	// and its variables are exported already.
	Env map[string]string
	// Prompt answers what the file asks on the terminal; nil when there is
	// none. With OS_PASSWORD and the like in Env nothing is asked.
	Prompt Prompter
}

// Prompter asks the user at the terminal.
type Prompter interface {
	// Prompt shows question and returns the line typed, without its end.
	// With echo false the line is not shown.
	Prompt(ctx context.Context, question string, echo bool) (string, error)
}

// Result is what sourcing the file would change in the environment.
type Result struct {
	// Vars are the exported variables that the file gives a value.
	Vars map[string]string
	// Unset are variables of Env that the file takes away, sorted.
	Unset []string
	// Where names the file and line of each variable in Vars, as "rc.sh:12".
	Where map[string]string
	// Warnings tell of what a shell would complain about and go on, as a
	// sourced file that is not there, and about probable mistakes.
	Warnings []string
	// Printed are the lines that the file prints, without those that were
	// part of a question.
	Printed []string
}

// Error tells what in a file cannot be read, and where.
type Error struct {
	File      string
	Line, Col int
	Msg       string
	Advice    string
}

func (e *Error) Error() string { return text.Place(e.File, e.Line, e.Col) + e.Msg }

// Hint tells the way round.
func (e *Error) Hint() string { return e.Advice }

const sourceIt = "source the file in a shell (`. FILE`) and run galley from there"

// Read reads the RC file at path. Errors in it are *[Error].
func Read(ctx context.Context, path string, o Options) (Result, error) {
	data, err := readFile(path)
	if err != nil {
		return Result{}, fmt.Errorf("reading the RC file: %w", err)
	}
	return ReadString(ctx, data, path, o)
}

// ReadString reads the text of an RC file; name is its name in errors, and files
// that it sources are looked for in its folder.
func ReadString(ctx context.Context, text, name string, o Options) (Result, error) {
	if len(text) > maxFile {
		return Result{}, &Error{File: name, Msg: fmt.Sprintf("it is %d bytes long, more than any RC file", len(text))}
	}
	r := newReader(ctx, name, o)
	text = strings.ReplaceAll(strings.TrimPrefix(text, "\ufeff"), "\r\n", "\n")
	if err := r.run(text, name); err != nil {
		return Result{}, err
	}
	return r.result(), nil
}

// readFile reads a regular file. A missing one is fs.ErrNotExist.
func readFile(path string) (string, error) {
	info, err := os.Stat(path)
	if err != nil {
		return "", err
	}
	if !info.Mode().IsRegular() {
		// Opening a pipe could wait for ever.
		return "", fmt.Errorf("%s is not a regular file", path)
	}
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return "", err
	}
	if len(data) > maxFile {
		return "", fmt.Errorf("%s is longer than any RC file", path)
	}
	return string(data), nil
}

// parse reads a file's syntax. A byte order mark and Windows' line ends, which
// a dashboard's download may have, are not part of it.
func parse(text, name string) (*syntax.File, error) {
	text = strings.ReplaceAll(strings.TrimPrefix(text, "\ufeff"), "\r\n", "\n")
	if err := foreign(text, name); err != nil {
		return nil, err
	}
	f, err := syntax.NewParser(syntax.Variant(syntax.LangBash)).Parse(strings.NewReader(text), name)
	var (
		perr syntax.ParseError
		lerr syntax.LangError
	)
	switch {
	case errors.As(err, &perr):
		return nil, malformed(text, name, perr.Pos, perr.Text)
	case errors.As(err, &lerr):
		return nil, malformed(text, name, lerr.Pos, lerr.Error())
	case err != nil:
		return nil, &Error{File: name, Msg: err.Error(), Advice: sourceIt}
	}
	return f, nil
}

// foreign recognises files that are something else altogether.
func foreign(text, name string) error {
	first, _, _ := strings.Cut(strings.TrimLeft(text, " \t\n"), "\n")
	switch strings.ToLower(filepath.Ext(name)) {
	case ".ps1", ".bat", ".cmd":
		return &Error{
			File: name, Msg: "it is a script of Windows' own shells, which Galley does not run",
			Advice: "run it in its shell and start galley from there, or use the RC file or clouds.yaml that the dashboard gives for download",
		}
	}
	switch {
	case strings.HasPrefix(first, "$ANSIBLE_VAULT;"):
		return &Error{File: name, Line: 1, Col: 1, Msg: "it is encrypted by ansible-vault", Advice: "decrypt it first: ansible-vault view FILE"}
	case strings.IndexByte(text, 0) >= 0:
		return &Error{File: name, Msg: "it is not text", Advice: "name the RC file that the dashboard gives for download"}
	case strings.HasPrefix(first, "clouds:"):
		return &Error{File: name, Line: 1, Col: 1, Msg: "it is a clouds.yaml, not an RC file", Advice: "use OS_CLIENT_CONFIG_FILE=FILE and --os-cloud NAME"}
	case strings.HasPrefix(first, "<!DOCTYPE"), strings.HasPrefix(first, "<html"):
		return &Error{File: name, Line: 1, Col: 1, Msg: "it is a web page, not an RC file", Advice: "log in to the dashboard and download the file again"}
	}
	return nil
}

// malformed makes the error of a file that is not a shell script.
func malformed(text, name string, pos syntax.Pos, what string) error {
	e := &Error{name, int(pos.Line()), int(pos.Col()), "it is not a shell script: " + what, "is it an RC file at all? If a shell reads it, " + sourceIt} //nolint:gosec // of a small file
	lines := strings.Split(text, "\n")
	if n := e.Line - 1; n >= 0 && n < len(lines) {
		for _, mark := range []string{"<%", "{{", "{%"} {
			if strings.Contains(lines[n], mark) {
				e.Msg = "it is a template that has not been filled in (" + mark + ")"
				e.Advice = "use the file that is made from it"
			}
		}
	}
	return e
}

func (r *reader) result() Result {
	res := Result{Vars: map[string]string{}, Where: map[string]string{}, Warnings: r.warnings, Printed: r.printed()}
	var local []string
	for name, v := range r.vars {
		old, had := r.opts.Env[name]
		_, written := r.where[name]
		if v.exported && v.set && (written || !had || old != v.value) {
			res.Vars[name] = v.value
			if w := r.where[name]; w != "" {
				res.Where[name] = w
			}
		}
		if v.set && !v.exported && written && strings.HasPrefix(name, "OS_") && !strings.HasSuffix(name, "_INPUT") {
			local = append(local, name)
		}
	}
	if len(local) > 0 {
		slices.Sort(local)
		res.Warnings = append(res.Warnings, fmt.Sprintf("%s: set but not exported, so without effect: %s; write `export` before it", filepath.Base(r.first), strings.Join(local, ", ")))
	}
	for _, name := range slices.Sorted(maps.Keys(r.opts.Env)) {
		if v, ok := r.vars[name]; !ok || !v.set || !v.exported {
			res.Unset = append(res.Unset, name)
		}
	}
	return res
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}
