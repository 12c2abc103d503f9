package bootstrap

import (
	"archive/tar"
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/galleyhq/galley/internal/atomicfile"
	"github.com/galleyhq/galley/internal/bootstrap/limit"
	"github.com/galleyhq/galley/internal/bootstrap/posix"
	"github.com/galleyhq/galley/internal/text"
)

// TransferError says that files could not be moved from a machine, for
// a reason that lies there.
type TransferError struct {
	// Path is the remote path.
	Path, Addr string
	// Output is what the machine said.
	Output string
	Err    error
}

func (e *TransferError) Error() string {
	return fmt.Sprintf("download from %s on %s failed: %s", e.Path, e.Addr, e.Output)
}

func (e *TransferError) Unwrap() error { return e.Err }

// Exit statuses of our own remote scripts, outside of what tar and gzip use.
const (
	exitNoTar  = 71
	exitNoFile = 73
)

// quotePath quotes a remote path, leaving a leading ~/ to the shell.
func quotePath(p string) string {
	if p == "~" {
		return `"$HOME"`
	}
	if rest, ok := strings.CutPrefix(p, "~/"); ok {
		return `"$HOME"/` + posix.Quote(rest)
	}
	if strings.HasPrefix(p, "-") {
		p = "./" + p
	}
	return posix.Quote(p)
}

// localError is a failure to write the files here.
type localError struct{ err error }

func (e *localError) Error() string { return e.err.Error() }
func (e *localError) Unwrap() error { return e.err }

// Download copies the remote file or directory src to the local path dest. A
// file goes to dest itself, or into it where dest is a directory or ends in a
// slash; the content of a directory goes into the directory dest, which is
// made if needed. Modes survive; links that lead out of the tree are left out
// with a warning. More than MaxDownload bytes is a [limit.Error].
func (c *Client) Download(ctx context.Context, src, dest string) error {
	if strings.TrimSpace(src) == "" || dest == "" {
		return &ConfigError{Msg: "download of nothing: a path is empty"}
	}
	s := quotePath(src)
	// The first byte says what follows: a directory's content, or a file.
	body := fmt.Sprintf(`if [ -d %[1]s ]; then command -v tar >/dev/null 2>&1 || exit %[2]d; cd %[1]s && printf d && exec tar -cf - .; `+
		`elif [ -e %[1]s ]; then printf f && exec cat %[1]s; else exit %[3]d; fi`, s, exitNoTar, exitNoFile)
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	pr, pw := io.Pipe()
	done := make(chan error, 1)
	go func() {
		// What is written counts: an archive may hold less than its files.
		budget := limit.NewBudget(src+" on "+c.cfg.Addr(), c.cfg.MaxDownload)
		err := unpack(pr, path.Base(strings.TrimSuffix(src, "/")), dest, budget, c.cfg.Report)
		if err != nil {
			cancel(&localError{err})
		}
		// Whatever is left must not hold up the machine.
		_, _ = io.Copy(io.Discard, pr)
		done <- err
	}()
	said := &limit.Tail{Max: 1000}
	status, err := c.Run(ctx, Command{Line: posix.Script(body), Stdout: pw, Stderr: said})
	if err != nil {
		pw.CloseWithError(err)
	} else if status != 0 {
		pw.CloseWithError(io.ErrUnexpectedEOF)
	} else {
		pw.Close()
	}
	uerr := <-done
	fail := &TransferError{Path: src, Addr: c.cfg.Addr(), Output: text.Clean(said.String())}
	var local *localError
	switch {
	case status == exitNoFile:
		fail.Output, fail.Err = "there is no such file or directory", fs.ErrNotExist
		return fail
	case status == exitNoTar:
		fail.Output = "the machine has no tar, which a directory needs"
		return fail
	case errors.As(err, &local):
		return fmt.Errorf("download from %s on %s: %w", src, c.cfg.Addr(), local.err)
	case err != nil:
		return err
	case status != 0:
		fail.Output = cmp.Or(fail.Output, fmt.Sprintf("exit status %d", status))
		return fail
	case uerr != nil:
		return fmt.Errorf("download from %s on %s: %w", src, c.cfg.Addr(), uerr)
	}
	return nil
}

// unpack writes what Download's script sends.
func unpack(r io.Reader, base, dest string, budget *limit.Budget, report Reporter) error {
	br := bufio.NewReaderSize(r, 256<<10)
	kind, err := br.ReadByte()
	if err != nil {
		if errors.Is(err, io.EOF) {
			return io.ErrUnexpectedEOF
		}
		return err
	}
	switch kind {
	case 'f':
		if st, err := os.Stat(dest); (err == nil && st.IsDir()) || os.IsPathSeparator(dest[len(dest)-1]) {
			dest = filepath.Join(dest, base)
		}
		return writeFile(budget.Reader(br), dest)
	case 'd':
		return untar(br, dest, budget, report)
	}
	return fmt.Errorf("the machine sent something else than was asked for (%q)", kind)
}

// writeFile puts what r yields into the file at path, whole or not at all.
func writeFile(r io.Reader, path string) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	f, err := atomicfile.Create(path, 0o644) // as cp makes it
	if err != nil {
		return err
	}
	defer f.Discard()
	if _, err := io.Copy(f, r); err != nil {
		return err
	}
	return f.Commit()
}

// untar writes a tar stream below dest and nowhere else.
func untar(r io.Reader, dest string, budget *limit.Budget, report Reporter) error {
	if err := os.MkdirAll(dest, 0o755); err != nil {
		return err
	}
	root, err := os.OpenRoot(dest)
	if err != nil {
		return err
	}
	defer root.Close()
	type dir struct {
		name string
		mode fs.FileMode
	}
	var dirs []dir
	tr := tar.NewReader(r)
	for {
		hdr, err := tr.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		name := filepath.FromSlash(path.Clean(hdr.Name))
		if name == "." {
			continue
		}
		if !filepath.IsLocal(name) {
			return fmt.Errorf("the machine sent a file that leads out of the directory: %q", hdr.Name)
		}
		mode := fs.FileMode(hdr.Mode).Perm() //nolint:gosec // masked
		if parent := filepath.Dir(name); parent != "." {
			if err := root.MkdirAll(parent, 0o755); err != nil {
				return err
			}
		}
		switch hdr.Typeflag {
		case tar.TypeDir:
			if err := root.MkdirAll(name, 0o755); err != nil {
				return err
			}
			dirs = append(dirs, dir{name, mode})
		case tar.TypeReg:
			_ = root.Remove(name)
			f, err := root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, mode|0o200)
			if err != nil {
				return err
			}
			_, err = io.Copy(f, budget.Reader(tr))
			if cerr := f.Close(); err == nil {
				err = cerr
			}
			if err != nil {
				return err
			}
			if err := root.Chmod(name, mode); err != nil {
				return err
			}
			_ = root.Chtimes(name, hdr.ModTime, hdr.ModTime)
		case tar.TypeSymlink:
			if target := path.Join(path.Dir(hdr.Name), hdr.Linkname); path.IsAbs(hdr.Linkname) || !filepath.IsLocal(filepath.FromSlash(target)) {
				report.Warn("the link %s is left out: it leads out of the directory, to %s", text.CleanLine(hdr.Name), text.CleanLine(hdr.Linkname))
				continue
			}
			_ = root.Remove(name)
			if err := root.Symlink(hdr.Linkname, name); err != nil {
				return err
			}
		case tar.TypeLink:
			_ = root.Remove(name)
			if err := root.Link(filepath.FromSlash(path.Clean(hdr.Linkname)), name); err != nil {
				return err
			}
		default:
			report.Debug("%s is left out: neither file, directory nor link", text.CleanLine(hdr.Name))
		}
	}
	for i := len(dirs) - 1; i >= 0; i-- {
		if err := root.Chmod(dirs[i].name, dirs[i].mode); err != nil {
			return err
		}
	}
	return nil
}
