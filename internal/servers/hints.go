package servers

import (
	"github.com/galleyhq/galley/internal/openstack/session"
)

// flagNames are the flags of the settings that advice refers to.
var flagNames = map[session.Setting]string{
	session.SettingImage:              "--image",
	session.SettingFlavor:             "--flavor",
	session.SettingNetwork:            "--network-ids",
	session.SettingNetworkName:        "--bootstrap-network",
	session.SettingKeyName:            "--openstack-ssh-key-id",
	session.SettingAvailabilityZone:   "--availability-zone",
	session.SettingFloatingIPPool:     "--openstack-floating-ip without an address",
	session.SettingAllocateFloatingIP: "--openstack-floating-ip without an address",
	session.SettingVolumes:            "--openstack-volumes",
	session.SettingActiveTimeout:      "--server-create-timeout",
	session.SettingUsername:           "knife[:openstack_username] (or -A, OS_USERNAME)",
	session.SettingPassword:           "knife[:openstack_password] (or -K, OS_PASSWORD)",
	session.WordOwner:                 "server",
	session.WordDestroy:               "delete the server",
}

// inFlags gives err's advice in the words of the command line.
func inFlags(err error) error {
	return session.Spelled(err, func(s session.Setting) string { return flagNames[s] })
}
