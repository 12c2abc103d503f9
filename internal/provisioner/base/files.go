package base

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/galleyhq/galley/internal/bootstrap/delta"
	"github.com/galleyhq/galley/internal/bootstrap/limit"
	"github.com/galleyhq/galley/internal/bootstrap/posix"
	"github.com/galleyhq/galley/internal/text"
	"github.com/galleyhq/galley/kitchen"
)

// sharedDirs are directories that belong to the system: their owner is not
// changed, whatever root_path says.
var sharedDirs = []string{
	"/", "/bin", "/boot", "/dev", "/etc", "/home", "/lib", "/opt", "/root", "/run", "/sbin", "/srv", "/tmp", "/usr",
	"/usr/local", "/var", "/var/cache", "/var/lib", "/var/log", "/var/tmp",
}

// rootCode is shell code that gives the login user the root path to write to,
// made or taken over by sudo where the user alone may not.
func (s *Settings) rootCode() string {
	root := Quote(s.RootPath)
	if s.sudo == "" || slices.Contains(sharedDirs, path.Clean(s.RootPath)) {
		return "[ -d " + root + " ] || mkdir -p " + root + " || exit\n"
	}
	return `if [ -d ` + root + ` ]; then
if ! [ -w ` + root + ` ] || ! [ -x ` + root + ` ]; then
{ galley_sudo chown -R "$(id -u)" ` + root + ` && galley_sudo chmod u+rwx ` + root + `; } </dev/null || exit
fi
elif ! mkdir -p ` + root + ` 2>/dev/null; then
{ galley_sudo mkdir -p ` + root + ` && galley_sudo chown "$(id -u)" ` + root + `; } </dev/null || exit
fi
`
}

// RemoveCode is shell code that removes paths on the machine, by sudo where
// that is configured. Where none of them exists, nothing is run.
func (s *Settings) RemoveCode(paths ...string) string {
	if len(paths) == 0 {
		return ""
	}
	var words strings.Builder
	for _, p := range paths {
		words.WriteString(" " + Quote(p))
	}
	return "for galley_p in" + words.String() + "; do\n" +
		"if [ -e \"$galley_p\" ] || [ -L \"$galley_p\" ]; then " + s.Sudo("rm -rf"+words.String()) + " </dev/null || exit; break; fi\ndone\n"
}

// Put writes a file below the root path, readable by its owner alone if
// private.
func (m *Machine) Put(ctx context.Context, file string, content []byte, private bool) error {
	umask := "umask 022"
	if private {
		umask = "umask 077"
	}
	stderr := &limit.Tail{}
	code := m.rootCode() + umask + "; mkdir -p " + Quote(path.Dir(file)) + " && rm -f " + Quote(file) + " && cat >" + Quote(file)
	doing := "writing " + file + " on the machine"
	status, err := m.runner(ctx, code, bytes.NewReader(content), nil, stderr)
	if err != nil {
		return fmt.Errorf("%s: %w", doing, err)
	}
	if status != 0 {
		return withSudoAdvice(&delta.RemoteError{Doing: doing, Status: status, Output: strings.Join(stderr.Lines(tailLines), "\n")})
	}
	return nil
}

// withSudoAdvice completes an error that sudo caused.
func withSudoAdvice(err error) error {
	var e *delta.RemoteError
	if errors.As(err, &e) && e.Advice == "" {
		e.Advice = sudoAdvice(e.Output)
	}
	return err
}

// Sync makes the root path on the machine hold src. Keep says of which of its
// top directories the machine's own files stay; nil is none. before is shell
// code to run there first, "" for none, in the same round trip.
func (m *Machine) Sync(ctx context.Context, src fs.FS, keep func(string) bool, before string) error {
	return m.sync(ctx, src, m.RootPath, delta.Options{Keep: keep, Prepare: m.rootCode() + before})
}

func (m *Machine) sync(ctx context.Context, src fs.FS, dest string, o delta.Options) error {
	start := time.Now()
	o.Progress = func(sent, total int64) {
		// An upload that takes less than a second needs no notice.
		if time.Since(start) > time.Second {
			m.step.Report.Waiting("the upload to "+m.Instance, text.Size(sent)+" of "+text.Size(total), start)
		}
	}
	o.Remove = func(ctx context.Context, code string) error {
		return m.Run(ctx, "removing old files", m.Sudo("sh -c "+Quote(code)))
	}
	if n, ok := m.Conn().(kitchen.Neighbour); ok {
		o.Plain = n.Near()
	}
	st, err := delta.Sync(ctx, m.runner, src, dest, o)
	var refused *delta.RemoteError
	if errors.As(err, &refused) && posix.WantsTerminal(refused.Output) && o.Prepare != "" {
		// Files cannot be sent through a terminal, but sudo can be used.
		m.tty = true
		if err := m.Run(ctx, "preparing "+dest, o.Prepare); err != nil {
			return err
		}
		o.Prepare = ""
		st, err = delta.Sync(ctx, m.runner, src, dest, o)
	}
	if err != nil {
		return withSudoAdvice(err)
	}
	switch {
	case st.SentFiles == 0 && st.Deleted == 0:
		m.step.Report.Debug("%s has all %d files already", dest, st.Files)
	default:
		m.step.Report.Info("Sent %d of %d files (%s), removed %d", st.SentFiles, st.Files, text.Size(st.SentBytes), st.Deleted)
	}
	return nil
}

// SendUploads puts the configured uploads on the machine. Like cp, it puts
// them into a directory that exists there.
func (m *Machine) SendUploads(ctx context.Context) error {
	if len(m.Uploads) == 0 {
		return nil
	}
	m.step.Report.Info("Uploading files to %s", "<"+m.Instance+">")
	for _, u := range m.Uploads {
		info, err := os.Stat(u.From)
		if err != nil {
			return fmt.Errorf("uploads: %w", err)
		}
		dest, name := path.Dir(strings.TrimRight(u.To, "/")), path.Base(u.To)
		_, status, err := m.Ask(ctx, "uploads", "test -d "+Quote(u.To))
		if err != nil {
			return err
		}
		if status == 0 || strings.HasSuffix(u.To, "/") {
			dest, name = u.To, filepath.Base(u.From)
		}
		var t Tree
		if info.IsDir() {
			err = t.AddDir(name, u.From, nil)
		} else {
			err = t.AddFile(name, u.From)
		}
		if err != nil {
			return fmt.Errorf("uploads: %w", err)
		}
		err = m.sync(ctx, &t, dest, delta.Options{Transient: true, Keep: func(string) bool { return true }})
		if err != nil {
			return err
		}
	}
	return nil
}

// FetchDownloads fetches the configured downloads. Like cp, it puts them into
// a directory that exists here.
func (m *Machine) FetchDownloads(ctx context.Context) error {
	if len(m.Downloads) == 0 {
		return nil
	}
	m.step.Report.Info("Downloading files from <%s>", m.Instance)
	for _, d := range m.Downloads {
		to := d.To
		if strings.HasSuffix(to, "/") || IsDir(to) {
			to = filepath.Join(to, path.Base(d.From))
		}
		if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
			return fmt.Errorf("downloads: %w", err)
		}
		if err := m.Conn().Download(ctx, d.From, to); err != nil {
			return fmt.Errorf("downloading %s to %s: %w", d.From, to, err)
		}
	}
	return nil
}

// Finish fetches the downloads of a run that ended with err, also of one that
// failed (Test Kitchen 4.1): logs of a failure are what people want most.
func (m *Machine) Finish(ctx context.Context, err error) error {
	if err == nil {
		return m.FetchDownloads(ctx)
	}
	if ctx.Err() == nil {
		if derr := m.FetchDownloads(ctx); derr != nil {
			m.step.Report.Warn("%v", derr)
		}
	}
	return err
}
