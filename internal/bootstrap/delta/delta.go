package delta

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"strings"
	"sync"

	"github.com/galleyhq/galley/internal/bootstrap/limit"
	"github.com/galleyhq/galley/internal/bootstrap/posix"
)

// Runner runs shell code by the machine's sh, without a terminal, and returns
// its exit status. A non-zero status is not an error.
type Runner func(ctx context.Context, code string, stdin io.Reader, stdout, stderr io.Writer) (status int, err error)

// Options refine a [Sync]. The zero value makes every directory at the top of
// the tree on the machine equal to the one in the source.
type Options struct {
	// Keep says of a name at the top of the tree whether what the machine has
	// below it and the source lacks stays there. Nil keeps nothing. What stands
	// at the top beside the source's names is never touched.
	Keep func(top string) bool
	// Prepare is shell code that the machine runs before anything else, as to
	// get write access to dest; "" for none. It has no standard input.
	Prepare string
	// Transient leaves nothing on the machine but the files: no record by
	// which the next Sync recognises an unchanged tree at once. It is for
	// directories that are not Galley's own.
	Transient bool
	// Plain sends without compression, which costs both ends more than it
	// saves where they are on one host.
	Plain bool
	// Remove deletes paths below dest that the login user may not delete. Nil
	// leaves it at the failure.
	Remove func(ctx context.Context, code string) error
	// Progress is called now and then with how many of the bytes to send have
	// been sent.
	Progress func(sent, total int64)
}

// Stats tell what a [Sync] did.
type Stats struct {
	// Files and Bytes are what the source holds, SentFiles and SentBytes what
	// of it was sent (bytes before compression), Deleted how many files and
	// directories were removed.
	Files, SentFiles, Deleted int
	Bytes, SentBytes          int64
}

// stamp is the file below dest by which an unchanged tree is recognised.
const stamp = ".galley-stamp"

// arrived is the last file of every stream. A stream that broke off where tar
// sees nothing wrong (before its first block) lacks it.
const arrived = ".galley-arrived"

// Sync makes the directory dest of the machine hold the tree src: contents,
// modes and symbolic links. Dest is made if needed. What was there before and
// is equal is not sent.
//
// A failure leaves a part of the tree changed; the next Sync mends it. What
// the machine says of a failed step is a *[RemoteError].
func Sync(ctx context.Context, run Runner, src fs.FS, dest string, o Options) (Stats, error) {
	s := &syncer{run: run, src: src, dest: dest, o: o}
	if err := s.look(ctx); err != nil {
		return Stats{}, err
	}
	st := Stats{Bytes: s.tree.bytes}
	for _, e := range s.tree.entries {
		if e.mode.IsRegular() {
			st.Files++
		}
	}
	if s.state == "same" || len(s.tree.entries) == 0 {
		return st, nil
	}
	if !s.has["tar"] {
		return st, &RemoteError{Doing: "uploading to " + dest, Output: "the machine has no tar", Advice: "install tar on the machine or use an image that has it"}
	}
	send, remove := s.tree.entries, []string(nil)
	if s.state == "present" && s.has["sha256sum"] {
		var err error
		if send, remove, err = s.compare(ctx); err != nil {
			return st, err
		}
	}
	if err := s.remove(ctx, remove); err != nil {
		return st, err
	}
	st.Deleted = len(remove)
	for _, e := range send {
		if e.mode.IsRegular() {
			st.SentFiles++
			st.SentBytes += e.size
		}
	}
	return st, s.apply(ctx, send, st.SentBytes)
}

// RemoteError tells that a step of an upload failed on the machine.
type RemoteError struct {
	// Doing names the attempt, as "uploading to /tmp/kitchen".
	Doing string
	// Status is the exit status, 0 when no command failed.
	Status int
	// Output is the end of what the machine wrote to it.
	Output string
	// Advice is what to do next, may be empty.
	Advice string
}

func (e *RemoteError) Error() string {
	what := e.Output
	if what == "" {
		what = fmt.Sprintf("exit status %d", e.Status)
	}
	return e.Doing + ": " + what
}

// Hint returns the advice, or one that is known for what the machine said.
func (e *RemoteError) Hint() string {
	switch {
	case e.Advice != "":
		return e.Advice
	case strings.Contains(e.Output, "No space left on device"):
		return "the machine's disk is full: free space on it, or use a bigger flavor or volume"
	case strings.Contains(e.Output, "Read-only file system"):
		return "choose another root_path, on a file system that can be written"
	case strings.Contains(e.Output, "Permission denied"), strings.Contains(e.Output, "can't cd"):
		return "the login user may not write there: choose another root_path, or remove what another user left"
	}
	return ""
}

type syncer struct {
	run  Runner
	src  fs.FS
	dest string
	o    Options

	tops  []string // the names at the top of the tree
	tree  *tree
	has   map[string]bool
	state string // "absent", "present" or "same"
}

// zip says whether the stream is compressed.
func (s *syncer) zip() bool { return s.has["gzip"] && !s.o.Plain }

// keep says whether extras below a top-level name stay.
func (s *syncer) keep(top string) bool { return s.o.Keep != nil && s.o.Keep(top) }

// listing is the shell code that prints a digest over what can be seen of the
// tree without reading it: any change of a file's content changes its inode's
// times. Only GNU find can print them as finely as that needs.
func (s *syncer) listing() string {
	var names strings.Builder
	for _, n := range s.tops {
		names.WriteString(" " + posix.Quote("./"+n))
	}
	return "find" + names.String() + ` -printf '%p %y %m %s %T@ %C@ %i %l\n' 2>&1 | sha256sum`
}

// look scans the source and, at the same time, finds out what the machine has
// and can do.
func (s *syncer) look(ctx context.Context) error {
	top, err := fs.ReadDir(s.src, ".")
	if err != nil {
		return fmt.Errorf("reading the files to upload: %w", err)
	}
	for _, d := range top {
		s.tops = append(s.tops, d.Name())
	}
	var (
		wg      sync.WaitGroup
		scanErr error
	)
	wg.Go(func() { s.tree, scanErr = scan(s.src) })
	code := "for t in tar gzip sha256sum; do command -v $t >/dev/null 2>&1 && echo has $t; done\n" +
		"find / -maxdepth 0 -printf '' >/dev/null 2>&1 && echo has printf\n" +
		"[ -d " + posix.Quote(s.dest) + " ] || galley_new=yes\n" + s.o.Prepare + "\n" +
		"[ -z \"${galley_new:-}\" ] || { echo absent; exit 0; }\n" +
		"cd " + posix.Quote(s.dest) + " || exit 1\n" +
		"echo present\n"
	if !s.o.Transient && len(s.tops) > 0 {
		code += "if [ -f ./" + stamp + " ]; then cat ./" + stamp + "; l=$(" + s.listing() + "); echo now ${l%% *}; fi\n"
	}
	out, err := s.remote(ctx, "preparing "+s.dest, code+"exit 0", nil)
	wg.Wait()
	if err := cmp.Or(err, scanErr); err != nil {
		return err
	}
	s.has = map[string]bool{}
	recorded := ""
	for line := range strings.Lines(out) {
		switch f := strings.Fields(line); {
		case len(f) == 2 && f[0] == "has":
			s.has[f[1]] = true
		case len(f) == 1:
			s.state = f[0]
		case len(f) == 3 && f[0] == "tree" && f[1] == s.tree.digest:
			recorded = f[2]
		case len(f) == 2 && f[0] == "now" && f[1] == recorded:
			s.state = "same"
		}
	}
	if s.state == "" {
		return &RemoteError{Doing: "preparing " + s.dest, Output: "the machine's shell gave no answer: " + strings.TrimSpace(out)}
	}
	return nil
}

// compare asks the machine for its files and returns those to send and those
// to remove.
func (s *syncer) compare(ctx context.Context) (send []*entry, remove []string, err error) {
	var names bytes.Buffer
	for _, e := range s.tree.entries {
		names.WriteString("./" + e.path + "\x00")
	}
	var exact strings.Builder
	for _, n := range s.tops {
		if !s.keep(n) {
			exact.WriteString(" " + posix.Quote("./"+n))
		}
	}
	code := "cd " + posix.Quote(s.dest) + " || exit 1\n" +
		`xargs -0 sh -c 'stat -c "s %f %n" -- "$@" 2>/dev/null; sha256sum -- "$@" 2>/dev/null; ` +
		`for f do if [ -L "$f" ]; then echo "l $f"; readlink -- "$f"; fi; done; exit 0' sh` + "\n" +
		"echo end\n"
	if exact.Len() > 0 {
		code += "find" + exact.String() + " -print0 2>/dev/null\n"
	}
	code += "exit 0"
	out, err := s.remote(ctx, "comparing "+s.dest, code, &names)
	if err != nil {
		return nil, nil, err
	}
	have, there, err := parseListing(out)
	if err != nil {
		return nil, nil, &RemoteError{Doing: "comparing " + s.dest, Output: err.Error()}
	}
	send, remove = plan(s.tree, have, there)
	return send, remove, nil
}

// found is what the machine has at a path.
type found struct {
	mode        uint32 // of stat(2)
	sum, target string
}

// The file types of stat(2).
const (
	typeMask = 0o170000
	typeDir  = 0o040000
	typeFile = 0o100000
	typeLink = 0o120000
)

// parseListing reads the answer of compare. A name that holds a newline does
// not survive the line-based part: such a file counts as missing and is sent.
func parseListing(out string) (have map[string]*found, there []string, err error) {
	head, tail, ok := strings.Cut(out, "\nend\n")
	if !ok {
		if tail, ok = strings.CutPrefix(out, "end\n"); !ok {
			return nil, nil, errors.New("the listing of the files has no end")
		}
		head = ""
	}
	have = map[string]*found{}
	at := func(name string) *found {
		name = strings.TrimPrefix(name, "./")
		if have[name] == nil {
			have[name] = &found{}
		}
		return have[name]
	}
	lines := strings.Split(head, "\n")
	for i := 0; i < len(lines); i++ {
		line := lines[i]
		switch {
		case strings.HasPrefix(line, "s "):
			f := strings.SplitN(line, " ", 3)
			var mode uint32
			if len(f) == 3 {
				if _, err := fmt.Sscanf(f[1], "%x", &mode); err == nil {
					at(f[2]).mode = mode
				}
			}
		case strings.HasPrefix(line, "l ") && i+1 < len(lines):
			at(line[2:]).target = lines[i+1]
			i++
		case len(line) > 66 && line[64] == ' ':
			at(line[66:]).sum = line[:64]
		}
	}
	for name := range strings.SplitSeq(tail, "\x00") {
		if name = strings.TrimPrefix(name, "./"); name != "" {
			there = append(there, name)
		}
	}
	return have, there, nil
}

// plan decides what to send and what to remove first: files that the source lacks,
// and those of another kind there than here.
func plan(t *tree, have map[string]*found, there []string) (send []*entry, remove []string) {
	want := make(map[string]bool, len(t.entries))
	var gone []string // removed paths whose children need no removing
	under := func(p string) bool {
		for _, g := range gone {
			if p == g || strings.HasPrefix(p, g+"/") {
				return true
			}
		}
		return false
	}
	for _, e := range t.entries {
		want[e.path] = true
		f := have[e.path]
		if f == nil || f.mode == 0 || under(e.path) {
			send = append(send, e)
			continue
		}
		kind := f.mode & typeMask
		switch {
		case e.mode.IsDir() && kind == typeDir, e.mode.IsRegular() && kind == typeFile, e.mode&fs.ModeSymlink != 0 && kind == typeLink:
		default:
			gone = append(gone, e.path)
			remove = append(remove, e.path)
			send = append(send, e)
			continue
		}
		switch {
		case kind == typeLink && f.target == e.target:
		case kind == typeFile && f.sum == e.hex() && f.mode&0o7777 == e.bits():
		case kind == typeDir && f.mode&0o7777 == e.bits():
		default:
			send = append(send, e)
		}
	}
	extra := map[string]bool{}
	for _, p := range there {
		// A parent that goes takes its children along.
		if want[p] || extra[path.Dir(p)] || under(p) {
			extra[p] = extra[path.Dir(p)]
			continue
		}
		extra[p] = true
		remove = append(remove, p)
	}
	return send, remove
}

// removeCode deletes the paths listed in a file.
const removeCode = "xargs -0 rm -rf --"

func (s *syncer) remove(ctx context.Context, paths []string) error {
	if len(paths) == 0 {
		return nil
	}
	var names bytes.Buffer
	for _, p := range paths {
		names.WriteString("./" + p + "\x00")
	}
	const list = "./.galley-remove"
	cd := "cd " + posix.Quote(s.dest)
	_, err := s.remote(ctx, "removing files from "+s.dest, cd+" && rm -f ./"+stamp+" && cat >"+list+" && "+removeCode+" <"+list+" && rm -f "+list, &names)
	var refused *RemoteError
	if err != nil && s.o.Remove != nil && errors.As(err, &refused) {
		err = s.o.Remove(ctx, cd+" && "+removeCode+" <"+list+" && rm -f "+list)
	}
	return err
}

// apply sends the entries and, when all is in place, leaves the record.
func (s *syncer) apply(ctx context.Context, send []*entry, total int64) error {
	dest := posix.Quote(s.dest)
	unpack := "tar -xpomf -"
	if s.zip() {
		unpack = "gzip -dc | " + unpack
	}
	code := "mkdir -p " + dest + " && cd " + dest + " || exit 1\n" +
		"rm -f ./" + stamp + "\n"
	var stream io.Reader
	if len(send) > 0 {
		code += "rm -f ./" + arrived + "; " + unpack + " || exit 1\n" +
			"rm ./" + arrived + " 2>/dev/null || { echo 'the stream of files broke off' >&2; exit 1; }\n"
		pr, pw := io.Pipe()
		var wg sync.WaitGroup
		defer wg.Wait()
		defer pr.Close()
		wg.Go(func() { pw.CloseWithError(s.write(pw, send, total)) })
		stream = pr
	}
	if s.has["printf"] && s.has["sha256sum"] && !s.o.Transient {
		code += "l=$(" + s.listing() + ") && echo tree " + s.tree.digest + " ${l%% *} >./" + stamp + " || rm -f ./" + stamp + "\n"
	}
	_, err := s.remote(ctx, "uploading to "+s.dest, code+"exit 0", stream)
	return err
}

// maxAnswer bounds what the machine may answer, in bytes: the names of some
// hundred thousand files.
const maxAnswer = 16 << 20

// remote runs code and returns its output. A non-zero status is a
// *[RemoteError] with the end of its error output.
func (s *syncer) remote(ctx context.Context, doing, code string, stdin io.Reader) (string, error) {
	out := limit.NewBuffer("what the machine answers while "+doing, maxAnswer)
	errs := &limit.Tail{Max: 2 << 10}
	watched := &watchedReader{r: stdin}
	if stdin != nil {
		stdin = watched
	}
	status, err := s.run(ctx, "LC_ALL=C; export LC_ALL\n"+code, stdin, out, errs)
	// A source that cannot be read explains whatever the machine made of it.
	if werr := watched.failed(); werr != nil {
		return "", fmt.Errorf("%s: %w", doing, werr)
	}
	if err != nil {
		return "", fmt.Errorf("%s: %w", doing, err)
	}
	if status != 0 {
		return "", &RemoteError{Doing: doing, Status: status, Output: errs.String()}
	}
	return out.String(), nil
}

// watchedReader remembers why reading ended.
type watchedReader struct {
	r   io.Reader
	mu  sync.Mutex
	err error
}

func (w *watchedReader) Read(p []byte) (int, error) {
	n, err := w.r.Read(p)
	if err != nil && err != io.EOF && !errors.Is(err, io.ErrClosedPipe) {
		w.mu.Lock()
		w.err = err
		w.mu.Unlock()
	}
	return n, err
}

func (w *watchedReader) failed() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.err
}
