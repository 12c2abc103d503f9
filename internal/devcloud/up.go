package devcloud

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/gofrs/flock"

	"github.com/galleyhq/galley/internal/devcloud/guest"
	"github.com/galleyhq/galley/internal/retry"
)

// Up starts the daemon as a background process of this program and returns when
// it answers. It returns a client and whether the cloud was started now: one
// that runs already is left as it is, whatever the options say. o.Log and
// o.Executable do not reach the daemon, which logs to daemon.log in its state
// directory.
func Up(ctx context.Context, o Options) (c *Client, started bool, err error) {
	if o, err = remembered(o); err != nil {
		return nil, false, err
	}
	if o, err = o.complete(); err != nil {
		return nil, false, err
	}
	c, err = Connect(ctx, o.Dir)
	var down *NotRunningError
	if err == nil || !errors.As(err, &down) {
		return c, false, err
	}
	if err := privateDir(o.Dir); err != nil {
		return nil, false, err
	}
	data, err := json.MarshalIndent(o, "", "  ")
	if err != nil {
		return nil, false, err
	}
	if err := writeFile(o.Dir, optionsFile, append(data, '\n')); err != nil {
		return nil, false, err
	}
	self, err := os.Executable()
	if err != nil {
		return nil, false, err
	}
	log, err := os.OpenFile(filepath.Join(o.Dir, logFile), os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return nil, false, err
	}
	defer log.Close()                                                    // the daemon has its own
	cmd := exec.Command(self, "devcloud", DaemonCommand, "--dir", o.Dir) //nolint:noctx // it outlives the call
	cmd.Stdout, cmd.Stderr, cmd.Dir = log, log, o.Dir
	detach(cmd)
	if err := cmd.Start(); err != nil {
		return nil, false, fmt.Errorf("start the embedded cloud: %w", err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	c, err = awaitUp(ctx, o.Dir, ended)
	if err != nil {
		_ = cmd.Process.Kill() // it has ended, or is to
		return nil, false, err
	}
	return c, true, nil
}

// remembered fills in what o leaves open from the options of the last start
// with the same state directory.
func remembered(o Options) (Options, error) {
	dir, err := resolveDir(o.Dir)
	if err != nil {
		return o, err
	}
	given, err := json.Marshal(o)
	if err != nil {
		return o, err
	}
	last, err := os.ReadFile(filepath.Join(dir, optionsFile))
	if errors.Is(err, fs.ErrNotExist) {
		return o, nil
	}
	if err != nil {
		return o, err
	}
	all := Options{Dir: o.Dir, Executable: o.Executable, Log: o.Log, startGuest: o.startGuest}
	for _, data := range [][]byte{last, given} {
		if err := json.Unmarshal(data, &all); err != nil {
			return o, fmt.Errorf("%s: %w", filepath.Join(dir, optionsFile), err)
		}
	}
	return all, nil
}

// RunDir is the daemon's side of Up: it runs the cloud of a state directory
// with the options that Up has left there.
func RunDir(ctx context.Context, dir string, base Options) error {
	data, err := os.ReadFile(filepath.Join(dir, optionsFile))
	if err != nil {
		return err
	}
	if err := json.Unmarshal(data, &base); err != nil {
		return fmt.Errorf("%s: %w", filepath.Join(dir, optionsFile), err)
	}
	base.Dir = dir
	return Run(ctx, base, nil)
}

// poll is how often a starting or ending daemon is looked at; it has no channel
// to tell us by.
const poll = 20 * time.Millisecond

func awaitUp(ctx context.Context, dir string, ended <-chan error) (*Client, error) {
	for {
		c, err := Connect(ctx, dir)
		var down *NotRunningError
		if err == nil || !errors.As(err, &down) {
			return c, err
		}
		select {
		case err := <-ended:
			return nil, fmt.Errorf("the embedded cloud did not start (%w): %s", err, lastLine(filepath.Join(dir, logFile)))
		default:
		}
		if err := retry.Sleep(ctx, poll); err != nil {
			return nil, fmt.Errorf("the embedded cloud did not come up: %w; see %s", err, filepath.Join(dir, logFile))
		}
	}
}

func lastLine(path string) string {
	data, err := os.ReadFile(path)
	if err != nil {
		return err.Error()
	}
	lines := strings.Split(strings.TrimSpace(string(data)), "\n")
	return lines[len(lines)-1]
}

// Down ends the daemon with that state directory and whatever it started, and
// returns when it is gone. With wipe the state directory goes too. That no
// daemon runs is an error only without wipe.
func Down(ctx context.Context, dir string, wipe bool) error {
	dir, err := resolveDir(dir)
	if err != nil {
		return err
	}
	_, err = Connect(ctx, dir)
	var down *NotRunningError
	switch {
	case err == nil:
		info, err := readInfo(dir)
		if err != nil {
			return err
		}
		if err := terminate(info.PID); err != nil {
			return fmt.Errorf("end the embedded cloud (process %d): %w", info.PID, err)
		}
	case !errors.As(err, &down) || !wipe:
		return err
	}
	// Asking for the lock makes the file: look first whether this is a state
	// directory at all.
	if _, err := os.Stat(filepath.Join(dir, lockFile)); err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		return err
	}
	if err := awaitUnlocked(ctx, dir); err != nil {
		return err
	}
	if !wipe {
		return nil
	}
	return wipeDir(dir)
}

// awaitUnlocked returns when no daemon holds the state directory.
func awaitUnlocked(ctx context.Context, dir string) error {
	lock := flock.New(filepath.Join(dir, lockFile))
	for {
		switch got, err := lock.TryLock(); {
		case err != nil:
			return err
		case got:
			return lock.Unlock()
		}
		if err := retry.Sleep(ctx, poll); err != nil {
			return fmt.Errorf("the embedded cloud in %s has not ended: %w", dir, err)
		}
	}
}

// wipeDir removes a state directory: by name what a cloud puts there, and the
// directory if nothing else is in it.
func wipeDir(dir string) error {
	guests, err := os.ReadDir(filepath.Join(dir, guestDir))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	for _, g := range guests {
		if err := guest.Remove(filepath.Join(dir, guestDir, g.Name())); err != nil {
			return err
		}
	}
	for _, name := range []string{
		rootDir, objectDir, dbDir, imageDir, guestDir, optionsFile, daemonFile, logFile, RCFile, adminRCFile, cloudsFile, keyFile, publicFile, lockFile,
		"env.json", "admin-env.json", // of earlier versions
	} {
		if err := os.RemoveAll(filepath.Join(dir, name)); err != nil {
			return err
		}
	}
	if err := os.Remove(dir); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("the state is gone, but the directory holds something else: %w", err)
	}
	return nil
}
