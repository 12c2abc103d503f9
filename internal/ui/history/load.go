package history

import (
	"errors"
	"os"

	"github.com/galleyhq/galley/internal/ui/runlog"
)

// LoadAll adds what the logs of the sources hold: of each its current session
// by its state, or else the latest in which there was more than a destroy;
// only the session named, unless it is "", or with all every one. Sources
// without a log are passed over; if there is none, it is a
// *[runlog.NoLogError], and if none has the session named, a
// *[runlog.NoSessionError].
func (h *History) LoadAll(sources []runlog.Source, session string, all bool) error {
	var missing, known []string
	found := false
	for _, s := range sources {
		ix, err := runlog.ReadIndex(s.Path)
		if errors.Is(err, os.ErrNotExist) {
			missing = append(missing, s.Path)
			continue
		}
		if err != nil {
			return err
		}
		for _, s := range ix.Sessions {
			known = append(known, s.ID)
		}
		if session != "" && !ix.Has(session) {
			continue
		}
		found = true
		if err := h.load(s, ix, pick(s, ix, session, all)); err != nil {
			return err
		}
	}
	switch {
	case len(missing) == len(sources):
		return &runlog.NoLogError{Paths: missing}
	case !found:
		return &runlog.NoSessionError{Session: session, Known: known}
	}
	return nil
}

// pick returns the session to show of a source, "" for all.
func pick(s runlog.Source, ix *runlog.Index, session string, all bool) string {
	switch {
	case all || session != "":
		return session
	case ix.Has(s.Session):
		return s.Session
	}
	return ix.LatestWork()
}

func (h *History) load(s runlog.Source, ix *runlog.Index, session string) error {
	return runlog.Scan(s.Path, func(rec runlog.Record, _ []byte) {
		if rec.Instance == "" {
			rec.Instance = s.Instance // an old or a foreign record
		}
		if session == "" || ix.Owner(rec) == session {
			h.Add(rec)
		}
	})
}
