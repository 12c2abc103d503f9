package ssh

import (
	"context"
	"io"
	"io/fs"

	"github.com/galleyhq/galley/internal/bootstrap/delta"
	"github.com/galleyhq/galley/internal/bootstrap/posix"
	"github.com/galleyhq/galley/kitchen"
)

func (c *conn) Upload(ctx context.Context, src fs.FS, dest string) error {
	client, err := c.client(ctx)
	if err != nil {
		return failed(err)
	}
	run := func(ctx context.Context, code string, stdin io.Reader, stdout, stderr io.Writer) (int, error) {
		return client.Run(ctx, kitchen.Command{Line: posix.Script(code), Stdin: stdin, Stdout: stdout, Stderr: stderr})
	}
	_, err = delta.Sync(ctx, run, src, dest, delta.Options{
		Transient: true, Plain: client.Near(), Keep: func(string) bool { return true },
	})
	return failed(err)
}

func (c *conn) Download(ctx context.Context, src, dest string) error {
	client, err := c.client(ctx)
	if err != nil {
		return failed(err)
	}
	return failed(client.Download(ctx, src, dest))
}
