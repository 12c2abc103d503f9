package cli

import (
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/galleyhq/galley/internal/ui"
)

// testDeps are dependencies without a terminal, under a name of the program.
func testDeps(name string) *deps {
	return newDeps(name, &ui.Streams{In: strings.NewReader(""), Out: io.Discard, Err: io.Discard, Env: func(string) (string, bool) { return "", false }})
}

// eachVisible calls do for every command that help lists.
func eachVisible(cmd *cobra.Command, do func(*cobra.Command)) {
	if cmd.Hidden {
		return
	}
	do(cmd)
	for _, sub := range cmd.Commands() {
		eachVisible(sub, do)
	}
}

// longer are commands whose help is a small manual.
var longer = map[string]bool{
	"galley fetch": true, "galley provider": true, "galley report": true, "galley devcloud fault add": true, "galley deps push": true,
}

// exampleLines returns the command lines of a command's examples.
func exampleLines(cmd *cobra.Command) []string {
	var lines []string
	for line := range strings.SplitSeq(cmd.Example, "\n") {
		if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "#") {
			lines = append(lines, line)
		}
	}
	return lines
}

// Every command's help is one sentence, one paragraph or two, and two or three
// examples, and each example is a command line that the command accepts.
func TestHelp(t *testing.T) {
	d := testDeps(nameGalley)
	root := newRootCommand(d, nil)
	eachVisible(root, func(cmd *cobra.Command) {
		path := cmd.CommandPath()
		if cmd.Short == "" || strings.HasSuffix(cmd.Short, ".") || len(cmd.Short) > 90 {
			t.Errorf("%s: the short help is %q", path, cmd.Short)
		}
		if strings.Contains(cmd.Long+cmd.Example, "Exit codes:") && cmd.Name() != "deps" && cmd.Name() != "fetch" {
			t.Errorf("%s: exit codes belong in the topic exit-codes", path)
		}
		for line := range strings.SplitSeq(cmd.Long, "\n") {
			if len(line) > 88 {
				t.Errorf("%s: a line of %d columns: %s", path, len(line), line)
			}
		}
		if cmd == root || cmd.HasSubCommands() || !cmd.Runnable() {
			return
		}
		if cmd.Long == "" || strings.Count(cmd.Long, "\n\n") > 1 && !longer[path] {
			t.Errorf("%s: the long help is empty or more than two paragraphs", path)
		}
		if n := len(exampleLines(cmd)); n < 2 || n > 3 && !longer[path] {
			t.Errorf("%s: %d examples", path, n)
		}
	})
}

// Every example parses: its command exists, its flags do, and it takes the
// arguments.
func TestExamplesParse(t *testing.T) {
	var lines []string
	eachVisible(newRootCommand(testDeps(nameGalley), nil), func(cmd *cobra.Command) {
		lines = append(lines, exampleLines(cmd)...)
	})
	for _, line := range lines {
		at := strings.Index(line, "galley ")
		if at < 0 {
			t.Errorf("%q does not run galley", line)
			continue
		}
		args := shellWords(line[at+len("galley "):])
		root := newRootCommand(testDeps(nameGalley), args)
		cmd, rest, err := root.Find(normalise(root, args))
		if err != nil {
			t.Errorf("%s: %v", line, err)
			continue
		}
		if err := cmd.ParseFlags(rest); err != nil {
			t.Errorf("%s: %v", line, err)
		} else if err := cmd.ValidateArgs(cmd.Flags().Args()); err != nil {
			t.Errorf("%s: %v", line, err)
		}
	}
	if len(lines) < 60 {
		t.Errorf("only %d examples", len(lines))
	}
}

// shellWords splits a line as a shell does, with single quotes; what follows a
// redirection or pipe is left out.
func shellWords(line string) []string {
	var words []string
	var word strings.Builder
	quoted, started := false, false
	end := func() {
		if started {
			words = append(words, word.String())
		}
		word.Reset()
		started = false
	}
	for _, r := range line {
		switch {
		case r == '\'':
			quoted, started = !quoted, true
		case quoted:
			word.WriteRune(r)
		case r == '|' || r == '>' || r == '<' || r == ';' || r == ')':
			end()
			return words
		case r == ' ':
			end()
		case r == '"':
			started = true
		default:
			started = true
			word.WriteRune(r)
		}
	}
	end()
	return words
}

// bareTypes are what the flag library prints where the usage of a flag names no
// placeholder.
var bareTypes = []string{"int", "ints", "string", "strings", "duration", "float", "uint", "count", "bytes", "value", "stringArray", "stringToString"}

// Flags say what they are in one phrase, and those with a fixed set of values
// complete them.
func TestFlagHelp(t *testing.T) {
	for _, name := range []string{nameGalley, nameKitchen, nameKnife} {
		eachVisible(newRootCommand(testDeps(name), nil), func(cmd *cobra.Command) { checkFlagHelp(t, cmd) })
	}
}

func checkFlagHelp(t *testing.T, cmd *cobra.Command) {
	cmd.NonInheritedFlags().VisitAll(func(f *pflag.Flag) {
		if f.Hidden {
			return
		}
		kind, usage := pflag.UnquoteUsage(f)
		if slices.Contains(bareTypes, kind) {
			t.Errorf("%s --%s: the placeholder %q names a type, not the value", cmd.CommandPath(), f.Name, kind)
		}
		if usage == "" || strings.HasSuffix(usage, ".") {
			t.Errorf("%s --%s: %q", cmd.CommandPath(), f.Name, usage)
		}
		if f.Name == "format" {
			if _, ok := cmd.GetFlagCompletionFunc("format"); !ok {
				t.Errorf("%s --format completes nothing", cmd.CommandPath())
			}
		}
	})
}

// Under the names of the tools that it replaces, the program has their
// commands only.
func TestOtherNames(t *testing.T) {
	for name, want := range map[string]struct{ has, hasNot []string }{
		nameKnife:   {[]string{"server", "openstack server", "bootstrap", "node", "client", "version"}, []string{"list", "create", "converge", "destroy", "test", "status", "fetch", "devcloud", "config"}},
		nameKitchen: {[]string{"list", "create", "converge", "verify", "test", "login", "exec", "doctor", "init", "diagnose", "version"}, []string{"server", "node", "bootstrap", "fetch", "openstack"}},
	} {
		root := newRootCommand(testDeps(name), nil)
		for _, path := range want.has {
			if cmd, rest, err := root.Find(strings.Fields(path)); err != nil || len(rest) > 0 || cmd == root {
				t.Errorf("there is no %s %s", name, path)
			}
		}
		for _, path := range want.hasNot {
			if cmd, rest, _ := root.Find(strings.Fields(path)); cmd != root && len(rest) == 0 {
				t.Errorf("there is %s %s", name, path)
			}
		}
	}
}
