package openstack

import (
	"cmp"
	"fmt"
	"strings"

	"github.com/galleyhq/galley/internal/openstack/session"
)

// Forget drops a record without asking the cloud, and names what may still
// exist.
func Forget(j Journal, rep Reporter) error {
	rec, err := j.Read()
	if err != nil {
		return err
	}
	if rec != nil {
		for _, r := range rec.Resources {
			if !r.Borrowed {
				rep.Warn("forgotten, and not removed: the %s in %s", r, rec.Where())
			}
		}
	}
	return j.Remove()
}

// Where says where the resources of the record are.
func (r *Record) Where() string {
	if r == nil {
		return "no cloud"
	}
	where := "the project " + cmp.Or(r.ProjectName, r.ProjectID) + " at " + r.AuthURL
	if r.Region != "" {
		where += ", region " + r.Region
	}
	return where
}

// ForgetNetwork drops the record of a network, known by its name or ID, as
// [Forget] does. The records are in the files at paths.
func ForgetNetwork(paths []string, ref string, rep Reporter) error {
	what := fmt.Sprintf("forget the network %q", ref)
	var found FileJournal
	var where []string
	for _, p := range paths {
		rec, err := FileJournal(p).Read()
		if err != nil {
			return err
		}
		if rec == nil {
			continue
		}
		if n := rec.find(KindNetwork, ""); rec.Name == ref || n != nil && n.ID == ref {
			found = FileJournal(p)
			where = append(where, fmt.Sprintf("%s (%s)", p, rec.Where()))
		}
	}
	switch len(where) {
	case 0:
		return session.Fail(session.NotFound, what, "there is no record of it", "")
	case 1:
		return Forget(found, rep)
	}
	return session.Fail(session.Ambiguous, what, "there are several records: "+strings.Join(where, ", "), "remove the file of the one that is meant")
}
