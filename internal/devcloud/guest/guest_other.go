//go:build !linux

package guest

import (
	"context"
	"fmt"
	"io"
	"os"
)

type process struct{}

func start(_ context.Context, spec Spec, _ limits) (*Guest, error) {
	return nil, fmt.Errorf("starting guest %s: %w", spec.ID, ErrUnsupported)
}

func (g *Guest) stop(context.Context) error   { return ErrUnsupported }
func (g *Guest) reboot(context.Context) error { return ErrUnsupported }

func guestMain([]string) int {
	fmt.Fprintln(os.Stderr, "galley: error: "+ErrUnsupported.Error())
	return 1
}

// SaveDisk and UnpackImage are for guests, which need Linux.
func SaveDisk(string, io.Writer) error { return ErrUnsupported }

// PackDirectory see SaveDisk.
func PackDirectory(string, io.Writer) error { return ErrUnsupported }

// UnpackImage see SaveDisk.
func UnpackImage(io.Reader, string) error { return ErrUnsupported }

func remove(dir string) error { return os.RemoveAll(dir) }
