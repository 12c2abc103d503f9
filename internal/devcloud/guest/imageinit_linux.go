package guest

import (
	"bytes"
	"path"
)

// imageCloudInit runs the cloud-init that an image with content brings. It
// reads keys, names and user data from a config drive, which is a directory
// here, and finds the network set up.
type imageCloudInit struct{ m *machine }

// hasCloudInit reports whether the image has its own cloud-init: the program is
// there, and is not the tool of a snapshotted guest.
func (m *machine) hasCloudInit() bool {
	if m.o.Spec.RootFS == "" {
		return false
	}
	program, err := m.fs.read("/usr/bin/cloud-init")
	return err == nil && !bytes.HasPrefix(program, []byte(toolHead+toolDir))
}

// early runs what a machine runs before sshd.
func (ci imageCloudInit) early() {
	fail := func(what string, err error) {
		if err != nil {
			ci.m.console.cloud("ERROR: %s: %v", what, err)
		}
	}
	fail("the config drive", ci.m.configDrive(path.Join(cloudDir, "seed/config_drive")))
	for name, text := range map[string]string{
		// As ds-identify writes them, which systemd would have run.
		"/run/cloud-init/cloud.cfg": "datasource_list: [ConfigDrive, None]\nnetwork: {config: disabled}\n",
		"/run/cloud-init/enabled":   "",
	} {
		fail(name, ci.m.fs.write(name, []byte(text), 0o644))
	}
	ci.stage("cloud-init-local", "init", "--local")
	ci.stage("cloud-init", "init")
	if _, err := loadHostKeys(ci.m.fs.tree); err != nil { // no ssh-keygen, or cc_ssh is switched off
		fail("making SSH host keys", makeHostKeys(ci.m.fs.tree, ci.m.shortName()))
	}
}

func (ci imageCloudInit) final() {
	ci.stage("cloud-config", "modules", "--mode=config")
	ci.stage("cloud-final", "modules", "--mode=final")
}

// stage runs one of cloud-init's passes. `cloud-init status` asks systemd for
// the unit that does so on a machine.
func (ci imageCloudInit) stage(unit string, args ...string) {
	status, err := ci.m.run(append([]string{"/usr/bin/cloud-init"}, args...), nil, ci.m.console)
	state := unitExited
	if err != nil || status != 0 {
		state = unitFailed
		ci.m.console.cloud("ERROR: cloud-init %s ended with exit status %d (error: %v)", args, status, err)
	}
	if ci.m.units != nil {
		ci.m.units.service(unit + ".service").set(state)
	}
}
