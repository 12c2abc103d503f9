package guest

import (
	"errors"
	"os"
	"os/signal"
	"runtime"
	"sync"
	"syscall"
)

// children starts processes and buries them, its own and, as process 1, those
// that others have left. Package os/exec would wait for its children itself
// and lose the race, so nothing in the guest's process uses it.
type children struct {
	mu   sync.Mutex
	done map[int]chan syscall.WaitStatus
	jobs chan func()
}

// child is a running process.
type child struct {
	pid  int
	exit <-chan syscall.WaitStatus // one value
}

// newChildren starts the two goroutines behind it. They live as long as the
// process.
func newChildren(fs *rootfs) *children {
	c := &children{done: map[int]chan syscall.WaitStatus{}, jobs: make(chan func())}
	go func() {
		// A child has the credentials of the thread that makes it, and it is
		// killed when that thread ends where Pdeathsig says so. Hence one
		// thread for all.
		runtime.LockOSThread()
		prepareThread(fs)
		for job := range c.jobs {
			job()
		}
	}()
	dead := make(chan os.Signal, 1)
	signal.Notify(dead, syscall.SIGCHLD)
	go func() {
		for range dead {
			c.reap()
		}
	}()
	return c
}

// start makes a process. The program is a path; the PATH is not searched.
func (c *children) start(path string, argv []string, attr *syscall.ProcAttr) (*child, error) {
	type made struct {
		ch  *child
		err error
	}
	back := make(chan made, 1)
	c.jobs <- func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		pid, err := syscall.ForkExec(path, argv, attr)
		if err != nil {
			back <- made{err: err}
			return
		}
		exit := make(chan syscall.WaitStatus, 1)
		c.done[pid] = exit
		back <- made{ch: &child{pid: pid, exit: exit}}
	}
	m := <-back
	return m.ch, m.err
}

func (c *children) reap() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for {
		var st syscall.WaitStatus
		pid, err := syscall.Wait4(-1, &st, syscall.WNOHANG, nil)
		if errors.Is(err, syscall.EINTR) {
			continue
		}
		if err != nil || pid <= 0 {
			return
		}
		if exit, ok := c.done[pid]; ok {
			exit <- st
			delete(c.done, pid)
		}
	}
}
