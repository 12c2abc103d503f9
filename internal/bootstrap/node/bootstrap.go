package node

import (
	"context"
	"errors"
	"io"

	"github.com/galleyhq/galley/internal/bootstrap/chefserver"
)

// Bootstrap puts everything on the machine, installs the client where there is
// none and runs it. key is the node's, "" where the node registers itself with
// spec.ValidationKey. Lines of output go to out as they come.
func Bootstrap(ctx context.Context, m Machine, spec Spec, key chefserver.PrivateKey, out io.Writer, rep Reporter) error {
	return errors.New("not built yet")
}
