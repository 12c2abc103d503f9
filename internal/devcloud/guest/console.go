package guest

import (
	"fmt"
	"io"
	"sync"
	"time"
)

// console writes the console log of one boot.
type console struct {
	mu    sync.Mutex
	w     io.Writer
	start time.Time
	mid   bool // the last write ended in the middle of a line
}

// Write takes what programs print on the console.
func (c *console) Write(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(p) > 0 {
		c.mid = p[len(p)-1] != '\n'
	}
	return c.w.Write(p)
}

// line writes one whole line, after ending one that others left open.
func (c *console) line(s string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.mid {
		s = "\n" + s
	}
	c.mid = false
	_, _ = io.WriteString(c.w, s+"\n")
}

func (c *console) stamp() string {
	return fmt.Sprintf("[%12.6f]", time.Since(c.start).Seconds())
}

// kernel writes a line as the kernel does.
func (c *console) kernel(format string, args ...any) {
	c.line(c.stamp() + " " + fmt.Sprintf(format, args...))
}

// unit writes a line as systemd does on the console.
func (c *console) unit(format string, args ...any) {
	c.line("[  OK  ] " + fmt.Sprintf(format, args...))
}

// cloud writes a line of cloud-init's.
func (c *console) cloud(format string, args ...any) {
	c.line(c.stamp() + " cloud-init[1]: " + fmt.Sprintf(format, args...))
}
