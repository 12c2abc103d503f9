package bootstrap

import (
	"archive/tar"
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"time"

	"github.com/klauspost/compress/gzip"
	"golang.org/x/sync/errgroup"

	"github.com/galleyhq/galley/internal/atomicfile"
	"github.com/galleyhq/galley/internal/bootstrap/limit"
	"github.com/galleyhq/galley/internal/bootstrap/posix"
	"github.com/galleyhq/galley/internal/text"
)

// TransferError says that files could not be moved to or from a machine, for
// a reason that lies there.
type TransferError struct {
	// Op is "upload" or "download", Path the remote path.
	Op, Path, Addr string
	// Output is what the machine said.
	Output string
	Err    error
}

func (e *TransferError) Error() string {
	prep := "to"
	if e.Op == "download" {
		prep = "from"
	}
	s := fmt.Sprintf("%s %s %s on %s failed", e.Op, prep, e.Path, e.Addr)
	if e.Output != "" {
		s += ": " + e.Output
	} else if e.Err != nil {
		s += ": " + e.Err.Error()
	}
	return s
}

func (e *TransferError) Unwrap() error { return e.Err }

// Hint says what the machine's complaint asks for, or "".
func (e *TransferError) Hint() string {
	switch {
	case strings.Contains(e.Output, "No space left"), strings.Contains(e.Output, "disk quota"):
		return "free some space on the machine, or choose a flavor with a larger disk"
	case strings.Contains(e.Output, "Permission denied"), strings.Contains(e.Output, "Read-only file system"):
		return "the login user may not write there; choose another directory (root_path)"
	}
	return ""
}

// Exit statuses of our own remote scripts, outside of what tar and gzip use.
const (
	exitNoTar  = 71
	exitNoGzip = 72
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

// Upload puts the tree of src below the remote directory dest, which is made
// if needed; ~/ is the login user's home. Modes, times and symbolic links
// survive, owners become the login user. Existing files are overwritten
// or kept, never removed. The tree goes as one compressed tar stream; a
// machine without tar gets it file by file, which is slow and said so.
func (c *Client) Upload(ctx context.Context, src fs.FS, dest string) error {
	if strings.TrimSpace(dest) == "" {
		return &ConfigError{Msg: "upload to no directory: the remote path is empty"}
	}
	for {
		c.mu.Lock()
		noTar, noGzip := c.noTar, c.noGzip
		c.mu.Unlock()
		if noTar {
			return c.uploadPlain(ctx, src, dest)
		}
		status, err := c.uploadTar(ctx, src, dest, !noGzip)
		switch {
		case status == exitNoTar:
			c.cfg.Report.Warn("%s has no tar: files are sent one by one, which is slow", c.cfg.Addr())
			c.mu.Lock()
			c.noTar = true
			c.mu.Unlock()
		case status == exitNoGzip && !noGzip:
			c.cfg.Report.Debug("%s has no gzip: files are sent uncompressed", c.cfg.Addr())
			c.mu.Lock()
			c.noGzip = true
			c.mu.Unlock()
		default:
			return err
		}
	}
}

// localError is a failure to read the files to send.
type localError struct{ err error }

func (e *localError) Error() string { return e.err.Error() }
func (e *localError) Unwrap() error { return e.err }

func (c *Client) uploadTar(ctx context.Context, src fs.FS, dest string, zip bool) (int, error) {
	d := quotePath(dest)
	// -o: not the owners of the archive; -p: its modes, whatever the umask.
	body := fmt.Sprintf("command -v tar >/dev/null 2>&1 || exit %d; ", exitNoTar)
	flags := "-xpof"
	if zip {
		body += fmt.Sprintf("command -v gzip >/dev/null 2>&1 || exit %d; ", exitNoGzip)
		flags = "-xzpof"
	}
	body += fmt.Sprintf("mkdir -p %s && cd %s && exec tar %s -", d, d, flags)

	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	pr, pw := io.Pipe()
	packed := make(chan struct{})
	go func() {
		defer close(packed)
		err := pack(ctx, src, pw, zip)
		if err != nil && !errors.Is(err, io.ErrClosedPipe) {
			// A stream that just ends could pass for a whole one.
			cancel(&localError{err})
		}
		pw.CloseWithError(err)
	}()
	said := &tail{max: 1000}
	status, err := c.Run(ctx, Command{Line: posix.Script(body), Stdin: pr, Stdout: said, Stderr: said})
	pr.CloseWithError(io.ErrClosedPipe)
	<-packed
	if err != nil {
		var local *localError
		if errors.As(err, &local) {
			return 0, fmt.Errorf("upload to %s on %s: %w", dest, c.cfg.Addr(), local.err)
		}
		return 0, err
	}
	if status != 0 {
		return status, &TransferError{Op: "upload", Path: dest, Addr: c.cfg.Addr(), Output: orStatus(said.String(), status)}
	}
	if s := said.String(); s != "" {
		c.cfg.Report.Debug("upload to %s: %s", dest, s)
	}
	return 0, nil
}

func orStatus(said string, status int) string {
	if said != "" {
		return said
	}
	return fmt.Sprintf("exit status %d", status)
}

// pack writes the tree of src as a tar stream.
func pack(ctx context.Context, src fs.FS, w io.Writer, zip bool) error {
	buf := bufio.NewWriterSize(w, 256<<10)
	var out io.Writer = buf
	var zw *gzip.Writer
	if zip {
		var err error
		if zw, err = gzip.NewWriterLevel(buf, gzip.BestSpeed); err != nil {
			return err
		}
		out = zw
	}
	tw := tar.NewWriter(out)
	err := walk(ctx, src, func(e entry) error {
		// The GNU form: busybox passes over the headers of the other one.
		hdr := &tar.Header{Name: e.name, Mode: int64(unixMode(e.info.Mode())), ModTime: e.info.ModTime().Truncate(time.Second), Format: tar.FormatGNU}
		switch {
		case e.link != "":
			hdr.Typeflag, hdr.Linkname, hdr.Mode = tar.TypeSymlink, e.link, 0o777
			return tw.WriteHeader(hdr)
		case e.info.IsDir():
			hdr.Typeflag, hdr.Name = tar.TypeDir, e.name+"/"
			return tw.WriteHeader(hdr)
		}
		f, err := src.Open(e.name)
		if err != nil {
			return err
		}
		defer f.Close()
		hdr.Typeflag, hdr.Size = tar.TypeReg, e.info.Size()
		if err := tw.WriteHeader(hdr); err != nil {
			return err
		}
		n, err := io.Copy(tw, io.LimitReader(f, hdr.Size))
		if err == nil && n < hdr.Size {
			err = fmt.Errorf("%s: shrank from %d to %d bytes while it was read", e.name, hdr.Size, n)
		}
		return err
	})
	if err != nil {
		return err
	}
	if err := tw.Close(); err != nil {
		return err
	}
	if zw != nil {
		if err := zw.Close(); err != nil {
			return err
		}
	}
	return buf.Flush()
}

// unixMode gives the mode bits as tar and chmod count them.
func unixMode(m fs.FileMode) uint32 {
	u := uint32(m.Perm())
	if m&fs.ModeSetuid != 0 {
		u |= 0o4000
	}
	if m&fs.ModeSetgid != 0 {
		u |= 0o2000
	}
	if m&fs.ModeSticky != 0 {
		u |= 0o1000
	}
	return u
}

// entry is a file, directory or symbolic link of a tree, the top left out.
type entry struct {
	name string
	info fs.FileInfo
	// link is where a symbolic link points.
	link string
}

// walk visits a tree in lexical order. Devices, sockets and pipes are left
// out.
func walk(ctx context.Context, src fs.FS, visit func(entry) error) error {
	return fs.WalkDir(src, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if err := ctx.Err(); err != nil {
			return context.Cause(ctx)
		}
		if name == "." {
			return nil
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		e := entry{name: name, info: info}
		switch t := d.Type(); {
		case t&fs.ModeSymlink != 0:
			if rl, ok := src.(fs.ReadLinkFS); ok {
				if e.link, err = rl.ReadLink(name); err != nil {
					return err
				}
				e.link = filepath.ToSlash(e.link)
				return visit(e)
			}
			// A file system that shows links but cannot read them.
			if e.info, err = fs.Stat(src, name); err != nil || !e.info.Mode().IsRegular() {
				return err
			}
			return visit(e)
		case t.IsDir(), t.IsRegular():
			return visit(e)
		}
		return nil
	})
}

// uploadPlain sends a tree with nothing but sh, cat, chmod and ln there.
func (c *Client) uploadPlain(ctx context.Context, src fs.FS, dest string) error {
	d := quotePath(dest)
	sh := func(ctx context.Context, body string, in io.Reader) error {
		said := &tail{max: 1000}
		status, err := c.Run(ctx, Command{Line: posix.Script(body), Stdin: in, Stdout: said, Stderr: said})
		if err == nil && status != 0 {
			err = &TransferError{Op: "upload", Path: dest, Addr: c.cfg.Addr(), Output: orStatus(said.String(), status)}
		}
		return err
	}
	if err := sh(ctx, "mkdir -p "+d, nil); err != nil {
		return err
	}
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(c.cfg.MaxSessions)
	var modes []string
	err := walk(ctx, src, func(e entry) error {
		p := d + "/" + posix.Quote(e.name)
		switch {
		case e.link != "":
			g.Go(func() error {
				return sh(gctx, fmt.Sprintf("rm -f %s && ln -s %s %s", p, posix.Quote(e.link), p), nil)
			})
			return nil
		case e.info.IsDir():
			modes = append(modes, fmt.Sprintf("chmod %o %s", unixMode(e.info.Mode()), p))
			return sh(ctx, "mkdir -p "+p, nil)
		}
		g.Go(func() error {
			f, err := src.Open(e.name)
			if err != nil {
				return fmt.Errorf("upload to %s on %s: %w", dest, c.cfg.Addr(), err)
			}
			defer f.Close()
			return sh(gctx, fmt.Sprintf("rm -f %s; cat > %s && chmod %o %s", p, p, unixMode(e.info.Mode()), p), f)
		})
		return gctx.Err()
	})
	if werr := g.Wait(); werr != nil {
		return werr
	}
	if err != nil {
		return fmt.Errorf("upload to %s on %s: %w", dest, c.cfg.Addr(), err)
	}
	// From the bottom up, since a directory may forbid to write in it. In
	// batches, since a command line has an end.
	for i := len(modes); i > 0; {
		n := max(0, i-100)
		var batch []string
		for j := i - 1; j >= n; j-- {
			batch = append(batch, modes[j])
		}
		if err := sh(ctx, strings.Join(batch, " && "), nil); err != nil {
			return err
		}
		i = n
	}
	return nil
}

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
	said := &tail{max: 1000}
	status, err := c.Run(ctx, Command{Line: posix.Script(body), Stdout: pw, Stderr: said})
	if err != nil {
		pw.CloseWithError(err)
	} else if status != 0 {
		pw.CloseWithError(io.ErrUnexpectedEOF)
	} else {
		pw.Close()
	}
	uerr := <-done
	fail := &TransferError{Op: "download", Path: src, Addr: c.cfg.Addr(), Output: said.String()}
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
		fail.Output = orStatus(fail.Output, status)
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
