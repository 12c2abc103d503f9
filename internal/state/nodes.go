package state

import (
	"path/filepath"
	"strings"
)

// Nodes names the files of the nodes that are being made of machines that
// exist. Base is the folder of all of them; see [User.Nodes].
type Nodes struct{ Base string }

// Nodes returns the names of the files of nodes.
func (u User) Nodes() Nodes { return Nodes{filepath.Join(u.Root, "nodes")} }

// Record returns the record of a node of that name at a Chef Server.
func (n Nodes) Record(server, node string) string {
	return filepath.Join(n.Base, fileName(node, server, node)+recordExt)
}

// Lock returns the lock file that whoever makes that node holds.
func (n Nodes) Lock(server, node string) string {
	return strings.TrimSuffix(n.Record(server, node), recordExt) + ".lock"
}
