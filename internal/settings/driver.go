package settings

import "slices"

// driverGroups are the settings of the drivers.
func driverGroups() []Group {
	return []Group{
		{Section: Driver, Settings: []Setting{
			key("name", Text, "dummy", "The driver's name."),
			old("require_chef_omnibus", Text, "", "Moved to the provisioner.", "provisioner.product_version"),
			key("http_proxy", Text, "", "Copied to provisioner and verifier, whose own wins."),
			key("https_proxy", Text, "", "Copied to provisioner and verifier, whose own wins."),
			old("pre_create_command", Text, "", "A local command before create.", "lifecycle.pre_create"),
			old("sudo", Flag, "", "Of the time when drivers did the SSH part.", "provisioner.sudo"),
			old("chef_omnibus_url", Text, "", "Of the time when drivers did the SSH part.", "provisioner.chef_omnibus_url"),
		}},
		{Section: Driver, Plugin: "openstack", Settings: slices.Concat(credentialSettings(), serverSettings(), legacySSHSettings())},
		{Section: Driver, Plugin: "openstack", Parent: "network_ref", Settings: nicKeys()},
		{Section: Driver, Plugin: "openstack", Parent: "ports", Settings: nicKeys()},
		{Section: Driver, Plugin: "openstack", Parent: "volumes", Settings: volumeKeys()},
		{Section: Driver, Plugin: "openstack", Parent: "block_device_mapping", Settings: volumeKeys()},
		{Section: Driver, Plugin: "proxy", Settings: []Setting{
			key("host", Text, "", "The host that exists; needed."),
			key("reset_command", Text, "", "A command run on it at create and destroy."),
			key("username", Text, "", "The SSH user."),
			key("password", Text, "", "The SSH password."),
			key("port", Text, "22", "The SSH port."),
			key("ssh_key", Text, "", "The SSH private key's file.").path(),
		}},
		{Section: Driver, Plugin: "dummy", Settings: []Setting{
			key("sleep", Decimal, "0", "Seconds that each action takes."),
			key("random_failure", Flag, "false", "Whether it fails now and then."),
			key("fail_create", Flag, "false", "Whether create fails."),
			key("fail_destroy", Flag, "false", "Whether destroy fails."),
		}},
	}
}

// nicKeys describe one network interface.
func nicKeys() []Setting {
	return []Setting{
		key("network", Text, "", "The network, by id, name or /regexp/."),
		key("uuid", Text, "", "The same."),
		key("port", Text, "", "A port that exists."),
		key("fixed_ip", Text, "", "The address."),
		key("fixed_ips", Text|List, "", "A list of fixed addresses."),
		key("subnet_id", Text|List, "", "Subnets to take addresses from."),
		key("name", Text, "", "The port's name."),
		key("mac_address", Text, "", "The port's MAC address."),
		key("security_groups", Text|List, "", "The port's security groups."),
	}
}

// volumeKeys describe one volume.
func volumeKeys() []Setting {
	return []Setting{
		key("make_volume", Flag, "false", "Whether a volume is made for the server."),
		key("volume_size", Whole, "", "Its size in GiB."),
		key("volume_id", Text, "", "A volume that exists."),
		key("snapshot_id", Text, "", "The snapshot it is made from."),
		key("imageRef", Text, "", "The image it is made from."),
		key("image_ref", Text, "", "The image it is made from."),
		key("source_volid", Text, "", "The volume it is a copy of."),
		key("volume_type", Text, "", "Its type."),
		key("availability_zone", Text, "", "Its availability zone."),
		key("device_name", Text, "", "The device's name on the server."),
		key("boot_index", Whole, "", "Its place in the boot order, -1 for none."),
		key("delete_on_termination", Flag, "false", "Whether it goes with the server."),
		key("creation_timeout", Decimal, "60", "Seconds for it to become available."),
		key("attach_timeout", Decimal, "0", "Seconds to sleep after that."),
		key("volume_device_name", Text, "", "The device's name on the server."),
	}
}

// credentialSettings say which cloud, who, and in which project.
func credentialSettings() []Setting {
	return []Setting{
		key("openstack_auth_url", Text, "(OS_AUTH_URL)", "`URL` of the identity service; every spelling is understood, with /v3, /v2.0, /tokens or none.").
			flag("openstack-api-endpoint", "", "openstack_auth_url").env("OS_AUTH_URL").alias("api-endpoint"),
		key("openstack_username", Text, "(OS_USERNAME)", "User `NAME` at the cloud.").
			flag("openstack-username", "A", "openstack_username").env("OS_USERNAME"),
		key("openstack_api_key", Text, "(OS_PASSWORD)", "`PASSWORD` of the user at the cloud.").
			flag("openstack-password", "K", "openstack_password", "openstack_api_key").env("OS_PASSWORD"),
		key("openstack_userid", Text, "(OS_USER_ID)", "ID of the user, in place of a name.").knife("openstack_userid").env("OS_USER_ID"),
		key("openstack_domain_id", Text, "(OS_DOMAIN_ID)", "Domain of user and project where neither is set by itself, by ID.").knife("openstack_domain_id"),
		key("openstack_domain_name", Text, "(OS_DOMAIN_NAME)", "Domain of user and project where neither is set by itself, by name.").knife("openstack_domain_name"),
		key("openstack_user_domain", Text, "(OS_USER_DOMAIN_NAME)", "Domain of the user, by name.").knife("openstack_user_domain"),
		key("openstack_user_domain_id", Text, "(OS_USER_DOMAIN_ID)", "Domain of the user, by ID.").knife("openstack_user_domain_id"),
		key("openstack_user_domain_name", Text, "(OS_USER_DOMAIN_NAME)", "Domain of the user, by name.").knife("openstack_user_domain_name"),
		key("openstack_project_domain", Text, "(OS_PROJECT_DOMAIN_NAME)", "Domain of the project, by name.").knife("openstack_project_domain"),
		key("openstack_project_domain_id", Text, "(OS_PROJECT_DOMAIN_ID)", "Domain of the project, by ID.").knife("openstack_project_domain_id"),
		key("openstack_project_domain_name", Text, "(OS_PROJECT_DOMAIN_NAME)", "Domain of the project, by name.").knife("openstack_project_domain_name"),
		key("openstack_project_name", Text, "(OS_PROJECT_NAME)", "`PROJECT` at the cloud, by name.").
			flag("openstack-tenant", "T", "openstack_project_name", "openstack_tenant").env("OS_PROJECT_NAME"),
		key("openstack_project_id", Text, "(OS_PROJECT_ID)", "Project, by ID.").knife("openstack_project_id"),
		old("openstack_tenant", Text, "(OS_TENANT_NAME)", "Project, by name, in the words of the second identity API.", "driver.openstack_project_name").knife("openstack_tenant"),
		old("openstack_tenant_id", Text, "(OS_TENANT_ID)", "Project, by ID, in the words of the second identity API.", "driver.openstack_project_id").knife("openstack_tenant_id"),
		key("openstack_identity_api_version", Text, "(discovered)", "Version of the identity API.").knife("openstack_identity_api_version"),
		key("openstack_auth_token", Text, "(OS_TOKEN)", "Token to use in place of a password.").knife("openstack_auth_token"),
		key("openstack_application_credential_id", Text, "(OS_APPLICATION_CREDENTIAL_ID)", "Application credential, by ID.").
			knife("openstack_application_credential_id"),
		key("openstack_application_credential_name", Text, "(OS_APPLICATION_CREDENTIAL_NAME)", "Application credential, by name, together with its user.").
			knife("openstack_application_credential_name"),
		key("openstack_application_credential_secret", Text, "(OS_APPLICATION_CREDENTIAL_SECRET)", "Secret of the application credential.").
			knife("openstack_application_credential_secret"),
		key("openstack_region", Text, "(OS_REGION_NAME)", "`REGION` whose endpoints are used.").
			flag("openstack-region", "", "openstack_region").env("OS_REGION_NAME"),
		key("openstack_endpoint_type", Text, "public", "`TYPE` of the endpoints: public, internal or admin, also with URL at the end.").
			flag("openstack-endpoint-type", "", "openstack_endpoint_type"),
		key("openstack_service_type", Text, "compute", "Type of the compute service in the catalog.").knife("openstack_service_type"),
		key("openstack_service_name", Text, "", "Name of the compute service in the catalog.").knife("openstack_service_name"),
		key("openstack_management_url", Text, "(from the catalog)", "URL of the compute service, in place of the one in the catalog.").knife("openstack_management_url"),
		idle("openstack_identity_endpoint", Text, "Identity endpoint that fog used after the login.", "the endpoints come with the token"),
		idle("openstack_cache_ttl", Decimal, "How long fog cached answers.", "a run has one token and looks everything up once"),
		key("openstack_cloud", Text, "(OS_CLOUD)", "Name of an entry of clouds.yaml."),
		key("clouds_yaml_path", Text, "(searched)", "File that has the entry.").path(),
		key("openstack_cacert", Text, "(OS_CACERT)", "File of certificate authorities to trust.").knife("openstack_cacert").path(),
		key("disable_ssl_validation", Flag, "false", "Do not verify the certificates of the cloud.").
			flag("insecure", "", "openstack_insecure").env("OS_INSECURE"),
		key("connect_timeout", Decimal, "60", "Seconds to connect to an API of the cloud."),
		key("read_timeout", Decimal, "60", "Seconds to wait for an answer of an API.").env("OS_API_TIMEOUT"),
		key("write_timeout", Decimal, "60", "Seconds to send a request to an API."),
	}
}

// serverSettings say which server is made.
func serverSettings() []Setting {
	return []Setting{
		key("server_name", Text, "(generated)", "Name of the server."),
		key("server_name_prefix", Text, "", "Beginning of a generated name."),
		key("image_ref", Text, "", "`IMAGE` to boot, by ID, name or regular expression; required unless image_id is set or a volume boots.").
			flag("image", "I", "image").help("", "`IMAGE` to boot: an ID, a name, or a regular expression that its name matches"),
		key("image_id", Text, "", "Image to boot, by ID, without a lookup."),
		key("flavor_ref", Text, "", "`FLAVOR` of the server, by ID, name or regular expression; required unless flavor_id is set.").
			flag("flavor", "f", "flavor").help("", "`FLAVOR`: an ID or a name"),
		key("flavor_id", Text, "", "Flavor of the server, by ID, without a lookup."),
		key("network_ref", Text|List|Map|Maps, "(chosen by the cloud)", "`NETWORKS` of the server in order, by ID, name or regular expression, or as mappings.").
			flag("network-ids", "", "network_ids").help("", "`NETWORKS` to attach, by ID or name"),
		key("network_id", Text|List, "", "Networks of the server, by ID, without a lookup."),
		key("openstack_network_name", Text, "", "Network whose address SSH uses, by `NAME`.").
			flag("bootstrap-network", "", "bootstrap_network").help("", "bootstrap over the address in the network of this `NAME` (default: the floating IP, else the network called public, else the most reachable address)"),
		key("ports", Text|List|Map|Maps, "", "Ports that exist, by ID or name, or mappings of ports to create."),
		key("fixed_ip", Text, "", "Address in the first network."),
		key("key_name", Text, "(created for the server)", "`KEY` pair to put on the server.").
			flag("openstack-ssh-key-id", "S", "openstack_ssh_key_id").help("", "`KEY` pair to put on the server (default: a new one)"),
		key("security_groups", Text|List, "(the project's default)", "Security `GROUPS`, by name or ID.").
			flag("openstack-groups", "", "openstack_security_groups", "openstack_groups", "security_groups").help("", "security `GROUPS` (default: the project's default group)"),
		key("availability_zone", Text, "(chosen by the cloud)", "Availability `ZONE`.").
			flag("availability-zone", "Z", "availability_zone"),
		key("user_data", Text, "", "`FILE` to hand to cloud-init.").flag("user-data", "", "user_data").help("", "`FILE` with user data for cloud-init").path(),
		key("cloud_config", Map, "", "User data as a #cloud-config mapping; excludes user_data."),
		key("config_drive", Flag, "false", "Give the server a config drive."),
		key("metadata", Map, "{}", "Metadata of the server.").flag("metadata", "M", "metadata").help("", "`KEY=VALUE` of the server's metadata; repeatable"),
		key("tags", Text|List, "[]", "Tags of the server."),
		key("description", Text, "", "Description of the server."),
		key("scheduler_hints", Map, "{}", "Hints for the scheduler, such as group.").flag("scheduler-hints", "", "scheduler_hints").help("", "`HINT` for the scheduler: KEY=VALUE, a JSON object, or a server group"),
		key("server_group", Text, "", "Server group, by name or ID."),
		key("floating_ip", Text, "", "Existing floating IP to attach.").
			flag("openstack-floating-ip", "a", "openstack_floating_ip", "floating_ip").help("", "give it a floating IP: this `IP`, taken from its holder, or without a value a free one of the project, allocated if there is none"),
		key("floating_ip_pool", Text|List, "", "External `NETWORKS` to take a floating IP from, by name or ID.").
			flag("floating-ip-pool", "", "floating_ip_pool", "openstack_floating_ip_pool").help("", "take the floating IP only from these external `NETWORKS`"),
		key("allocate_floating_ip", Flag, "false", "Allocate a new floating IP, to be released on destroy, rather than take a free one."),
		key("public_ip_order", Whole, "0", "Which of the public addresses SSH uses, counted from 0."),
		key("private_ip_order", Whole, "0", "Which of the private addresses SSH uses where there is no public one, counted from 0."),
		key("use_ipv6", Flag, "false", "Use IPv6 addresses only, rather than IPv4 only."),
		key("glance_cache_wait_timeout", Decimal, "600", "`SECONDS` that the server may take to become ACTIVE.").
			flag("server-create-timeout", "", "server_create_timeout").help("600", "`SECONDS` until the server must be ACTIVE"),
		key("ttl", Text|Whole, "(GALLEY_TTL)", "How long the server may live, as in 4h or 2d; `galley reap` removes it afterwards."),
		key("image_cache", Flag, "false", "Keep the machine as an image once Chef or Cinc is installed on it, and boot later ones from that; `galley prune` removes it."),
		key("server_wait", Decimal, "0", "Seconds to sleep before SSH is tried."),
		key("block_device_mapping", Map|Maps, "", "Volume to boot from (a root disk of any size) or to attach, or a list of them."),
		key("volumes", Text|List|Map|Maps, "[]", "Existing `VOLUMES` to attach, by ID or name.").
			flag("openstack-volumes", "", "openstack_volumes").help("", "existing `VOLUMES` to attach as /dev/vdd, /dev/vde, …"),
		key("private_network_only", Flag, "false", "Use private addresses only.").deprecated("driver.openstack_network_name").
			flag("openstack-private-network", "", "openstack_private_network", "private_network").help("", "bootstrap over an address inside the cloud, of the network called private if there is one"),
	}
}

// legacySSHSettings are of the time when drivers reached the machine
// themselves.
func legacySSHSettings() []Setting {
	const why = "the transport waits until a session can run a command"
	return []Setting{
		idle("no_ssh_tcp_check", Flag, "Do not probe the SSH port.", why),
		idle("no_ssh_tcp_check_sleep", Decimal, "Seconds to sleep in place of the probe.", why),
		old("port", Text, "22", "SSH port.", "transport.port"),
		old("username", Text, "(root)", "SSH user.", "transport.username"),
		old("password", Text, "", "SSH password.", "transport.password"),
		old("private_key_path", Text, "", "File of the SSH private key.", "transport.ssh_key").path(),
		old("public_key_path", Text, "(private_key_path with .pub)", "File of the public key to put on the server where there is no key_name.", "driver.key_name").path(),
		old("ssh_key", Text, "", "File of the SSH private key.", "transport.ssh_key").path(),
		old("ssh_timeout", Decimal, "", "Seconds for an SSH connection.", "transport.connection_timeout"),
		old("ssh_retries", Whole, "", "Attempts to connect.", "transport.connection_retries"),
	}
}

// Credentials returns the keys of the openstack driver that say which cloud,
// who, and in which project.
func Credentials() []string {
	var out []string
	for _, s := range credentialSettings() {
		out = append(out, s.Name)
	}
	return out
}
