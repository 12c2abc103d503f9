package guest

import (
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
	exit, made := make(chan syscall.WaitStatus, 1), make(chan struct{})
	ch := &child{exit: exit}
	var err error
	c.jobs <- func() {
		defer close(made)
		c.mu.Lock()
		defer c.mu.Unlock()
		if ch.pid, err = syscall.ForkExec(path, argv, attr); err == nil {
			c.done[ch.pid] = exit
		}
	}
	<-made
	return ch, err
}

func (c *children) reap() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for {
		var st syscall.WaitStatus
		pid, err := syscall.Wait4(-1, &st, syscall.WNOHANG, nil)
		if err != nil || pid <= 0 {
			return
		}
		if exit, ok := c.done[pid]; ok {
			exit <- st
			delete(c.done, pid)
		}
	}
}
