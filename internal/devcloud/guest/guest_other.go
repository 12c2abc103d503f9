//go:build !linux

package guest

import (
	"context"
	"fmt"
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

func remove(dir string) error { return os.RemoveAll(dir) }
