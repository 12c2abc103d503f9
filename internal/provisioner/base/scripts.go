package base

import (
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"path"
	"strings"
)

// UnixScript returns a script as a Unix machine can run it: without a byte
// order mark, which hides the #! line, and with line feeds alone at the ends of
// its lines. changed says what had to be changed, "" for nothing.
func UnixScript(script []byte) (fixed []byte, changed string) {
	var what []string
	mark := []byte("\xef\xbb\xbf")
	if bytes.HasPrefix(script, mark) {
		script = script[len(mark):]
		what = append(what, "a byte order mark (BOM)")
	}
	first, _, _ := bytes.Cut(script, []byte("\n"))
	if bytes.HasSuffix(first, []byte("\r")) && !bytes.Contains(script, []byte{0}) {
		script = bytes.ReplaceAll(script, []byte("\r\n"), []byte("\n"))
		what = append(what, "Windows line ends (CRLF)")
	}
	return script, strings.Join(what, " and ")
}

// Interpreter returns the program that a script's first line names, with its
// options, or sh.
func Interpreter(script []byte) []string {
	first, _, _ := bytes.Cut(script, []byte("\n"))
	if line, ok := strings.CutPrefix(string(first), "#!"); ok {
		if words := strings.Fields(line); len(words) > 0 {
			return words
		}
	}
	return []string{"sh"}
}

// ScriptWarning is the warning about a script that [UnixScript] has changed.
func ScriptWarning(name, changed string) string {
	return fmt.Sprintf("%s has %s, which a Unix machine cannot run: it is sent without; save it so to get rid of this warning", name, changed)
}

// FixScripts applies [UnixScript] to the files below a directory of the tree
// for which want says yes, and calls warn for each that was changed.
func (t *Tree) FixScripts(dir string, want func(name string) bool, warn func(name, changed string)) error {
	return fs.WalkDir(t, dir, func(p string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() || !want(p) {
			return err
		}
		n := t.lookup(p)
		if n.disk == "" {
			return nil
		}
		data, err := os.ReadFile(n.disk)
		if err != nil {
			return err
		}
		fixed, changed := UnixScript(data)
		if changed == "" {
			return nil
		}
		warn(path.Base(p), changed)
		n.disk, n.data, n.size = "", fixed, int64(len(fixed))
		return nil
	})
}
