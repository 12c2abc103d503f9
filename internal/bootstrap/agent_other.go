//go:build !windows

package bootstrap

import (
	"context"
	"io"
	"net"
)

// dialAgent opens the agent's socket.
func dialAgent(ctx context.Context, path string) (io.ReadWriteCloser, error) {
	var d net.Dialer
	return d.DialContext(ctx, "unix", path)
}

// defaultAgent is the agent where the environment names none.
const defaultAgent = ""
