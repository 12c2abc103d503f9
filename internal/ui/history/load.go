package history

import "github.com/galleyhq/galley/internal/ui/runlog"

// Load adds the records of one instance's log to the history: those of the
// session that pick chooses from the log's index, or all if it returns "".
func (h *History) Load(path string, pick func(*runlog.Index) string) error {
	ix, err := runlog.ReadIndex(path)
	if err != nil {
		return err
	}
	session := pick(ix)
	return runlog.Scan(path, func(rec runlog.Record, _ []byte) {
		if session == "" || ix.Owner(rec) == session {
			h.Add(rec)
		}
	})
}
