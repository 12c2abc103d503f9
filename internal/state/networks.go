package state

import "path/filepath"

// Networks names the files of the networks that are made without a kitchen
// file. Base is the folder of all of them; see [User.Networks].
type Networks struct{ Base string }

// Networks returns the names of the files of networks.
func (u User) Networks() Networks { return Networks{filepath.Join(u.Root, "networks")} }

// Record returns the record of a network of that name in a project of a
// cloud.
func (n Networks) Record(cloud, project, network string) string {
	return filepath.Join(n.Base, fileName(network, cloud, project, network)+recordExt)
}

// Records returns the records there are.
func (n Networks) Records() ([]string, error) { return records(n.Base) }

// Lock returns the lock file that whoever makes or removes a network holds:
// one for all, since they share routers.
func (n Networks) Lock() string { return filepath.Join(n.Base, "lock") }
