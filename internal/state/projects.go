package state

import (
	"os"
	"path/filepath"
	"strings"
)

// Projects remembers where the kitchens of the user are, by the mark that
// their resources on the cloud carry.
type Projects struct{ Base string }

// Projects returns the record of the user's kitchens.
func (u User) Projects() Projects { return Projects{filepath.Join(u.Root, "projects")} }

func (p Projects) file(mark string) string { return filepath.Join(p.Base, fileName(mark, mark)) }

// Remember notes the directory of a kitchen.
func (p Projects) Remember(mark, root string) error {
	if p.Root(mark) == root {
		return nil
	}
	return WriteFile(p.file(mark), []byte(root+"\n"))
}

// Root returns the directory of the kitchen with a mark, "" when it is not
// known.
func (p Projects) Root(mark string) string {
	data, err := os.ReadFile(p.file(mark))
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(data))
}
