package servers

import (
	"errors"
	"strings"
)

// flagNames are the flags that say what a kitchen's keys say, which the
// advice of internal/openstack names.
var flagNames = strings.NewReplacer(
	"set allocate_floating_ip: true to have one made for the instance and released with it, or allocate one", "allocate one",
	"use floating_ip_pool for several", "give --openstack-floating-ip without an address",
	"block_device_mapping with make_volume", "a volume in --openstack-volumes",
	"glance_cache_wait_timeout", "--server-create-timeout",
	"floating_ip_pool", "--floating-ip-pool",
	"image_ref", "--image",
	"flavor_ref", "--flavor",
	"network_ref", "--network-ids",
	"key_name", "--openstack-ssh-key-id",
	"security_groups", "--openstack-groups",
	"scheduler_hints", "--scheduler-hints",
	"availability_zone", "--availability-zone",
	"openstack_username and openstack_api_key in the driver section", "knife[:openstack_username] and knife[:openstack_password] in knife.rb",
	"the instance again", "the server again",
	"destroy the instance", "delete the server",
	"each instance needs", "each server needs",
	"made for the instance", "made for the server",
)

// flagError is an error whose advice is in the words of the command line.
type flagError struct{ error }

// inFlags gives err's advice in the words of the command line.
func inFlags(err error) error {
	if err == nil {
		return nil
	}
	return &flagError{err}
}

// Unwrap returns the error itself.
func (e *flagError) Unwrap() error { return e.error }

// Hint is the advice, "" for none.
func (e *flagError) Hint() string {
	var h interface{ Hint() string }
	if !errors.As(e.error, &h) {
		return ""
	}
	return flagNames.Replace(h.Hint())
}
