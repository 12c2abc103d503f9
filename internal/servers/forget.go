package servers

import (
	"context"
	"fmt"
	"os"
	"strings"

	"github.com/galleyhq/galley/internal/openstack"
	"github.com/galleyhq/galley/internal/openstack/session"
	"github.com/galleyhq/galley/internal/state"
	"github.com/galleyhq/galley/kitchen"
)

// Forget drops the record of a server, known by its name or ID, without asking
// the cloud or the Chef Server: for one whose cloud, project or region is out
// of reach for good. It names what may still exist.
func Forget(ctx context.Context, files state.Servers, ref string, report *kitchen.Reporter) error {
	what := fmt.Sprintf("forget the server %q", ref)
	paths, err := files.AllRecords()
	if err != nil {
		return err
	}
	var found, where []string
	for _, p := range paths {
		j, err := openJournal(p, "")
		if err != nil {
			return err
		}
		if j.rec.Name != ref && j.rec.Cloud.ServerID() != ref {
			continue
		}
		found = append(found, p)
		where = append(where, fmt.Sprintf("%s (%s)", p, j.rec.Cloud.Where()))
	}
	switch len(found) {
	case 0:
		return session.Fail(session.NotFound, what, "there is no record of it", "")
	case 1:
	default:
		return session.Fail(session.Ambiguous, what, "there are several records: "+strings.Join(where, ", "), "remove the file of the one that is meant")
	}
	unlock, err := state.Lock(ctx, files.LockOf(found[0]), `the server "`+ref+`"`, nil)
	if err != nil {
		return err
	}
	defer func() { _ = unlock() }()
	j, err := openJournal(found[0], ref)
	if err != nil {
		return err
	}
	if c := j.rec.Chef; !j.rec.Complete && !c.empty() {
		report.Warn("forgotten, and not removed: the node and client %s on %s", c.Node, c.URL)
	}
	j.rec.Chef = nil
	key := ""
	if j.rec.Cloud != nil {
		key = j.rec.Cloud.KeyFile
	}
	if err := openstack.Forget(j, report); err != nil {
		return err
	}
	if key != "" {
		_ = os.Remove(key) // A key of nothing harms nobody.
	}
	return j.forget()
}
