package bootstrap

import (
	"context"
	"io"
	"net"
	"os"
	"strings"
)

// dialAgent opens the agent's named pipe, or its socket.
func dialAgent(ctx context.Context, path string) (io.ReadWriteCloser, error) {
	if strings.HasPrefix(path, `\\.\pipe\`) {
		return os.OpenFile(path, os.O_RDWR, 0)
	}
	var d net.Dialer
	return d.DialContext(ctx, "unix", path)
}

// defaultAgent is the pipe of Windows' own OpenSSH agent.
const defaultAgent = `\\.\pipe\openssh-ssh-agent`
