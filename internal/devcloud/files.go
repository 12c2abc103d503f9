package devcloud

import (
	"os"
	"path/filepath"

	"github.com/galleyhq/galley/internal/atomicfile"
)

// Files in the state directory.
const (
	// dbDir holds the cloud's state: snapshot and journal.
	dbDir = "state"
	// imageDir holds image data, guestDir a directory for each server.
	imageDir = "images"
	guestDir = "guests"
	// objectDir holds what the object store keeps.
	objectDir = "objects"
	// lockFile is held by the daemon while it runs.
	lockFile = "lock"
	// optionsFile is what `up` tells the daemon; daemonFile is what a running
	// daemon tells its clients.
	optionsFile = "options.json"
	daemonFile  = "daemon.json"
	// logFile is the background daemon's log.
	logFile = "daemon.log"
	// What a user sources or points tools at.
	rcFile      = "openrc.sh"
	adminRCFile = "admin-openrc.sh"
	cloudsFile  = "clouds.yaml"
	// The same variables for our own reading.
	envJSON      = "env.json"
	adminEnvJSON = "admin-env.json"
	keyFile      = "ssh_key"
	publicFile   = "ssh_key.pub"
)

// privateDir makes a directory that only its owner can look into.
func privateDir(path string) error {
	if err := os.MkdirAll(path, 0o700); err != nil {
		return err
	}
	return os.Chmod(path, 0o700) //nolint:gosec // a directory
}

func writeFile(dir, name string, data []byte) error {
	return atomicfile.Write(filepath.Join(dir, name), data, 0o600)
}

func envFile(admin bool) string {
	if admin {
		return adminEnvJSON
	}
	return envJSON
}
