package openstack

import "slices"

// Key describes one key of the driver section, for validation, schemas and
// documentation.
type Key struct {
	Name string
	// Type is "string", "integer", "seconds", "boolean", "path", "mapping",
	// "list", or several joined with "|".
	Type string
	// Default is the value that is used when the key is not set, "" for none.
	Default string
	// Doc says what it does, in one line.
	Doc string
	// Idle is set for a key that is understood and has no effect here; it says
	// why.
	Idle string
}

// Keys returns every key that the driver understands: those of
// kitchen-openstack, today's and the 1.x generation's, and those that only
// Galley has.
func Keys() []Key { return slices.Clone(keys) }

var keys = []Key{
	// Credentials.
	{Name: "openstack_auth_url", Type: "string", Doc: "the identity service, with or without version and path"},
	{Name: "openstack_username", Type: "string", Doc: "user name"},
	{Name: "openstack_userid", Type: "string", Doc: "user ID in place of the name"},
	{Name: "openstack_api_key", Type: "string", Doc: "password"},
	{Name: "openstack_auth_token", Type: "string", Doc: "a ready token in place of user and password"},
	{Name: "openstack_application_credential_id", Type: "string", Doc: "application credential"},
	{Name: "openstack_application_credential_name", Type: "string", Doc: "application credential by name, with the user"},
	{Name: "openstack_application_credential_secret", Type: "string", Doc: "secret of the application credential"},
	{Name: "openstack_project_name", Type: "string", Doc: "project"},
	{Name: "openstack_project_id", Type: "string", Doc: "project by ID"},
	{Name: "openstack_tenant", Type: "string", Doc: "project, in the words of Keystone v2"},
	{Name: "openstack_tenant_id", Type: "string", Doc: "project by ID, in the words of Keystone v2"},
	{Name: "openstack_domain_id", Type: "string", Doc: "domain of user and project"},
	{Name: "openstack_domain_name", Type: "string", Doc: "domain of user and project by name"},
	{Name: "openstack_user_domain", Type: "string", Doc: "domain of the user by name"},
	{Name: "openstack_user_domain_name", Type: "string", Doc: "domain of the user by name"},
	{Name: "openstack_user_domain_id", Type: "string", Doc: "domain of the user"},
	{Name: "openstack_project_domain", Type: "string", Doc: "domain of the project by name"},
	{Name: "openstack_project_domain_name", Type: "string", Doc: "domain of the project by name"},
	{Name: "openstack_project_domain_id", Type: "string", Doc: "domain of the project"},
	{Name: "openstack_identity_api_version", Type: "string", Doc: "identity version to prefer, 2 or 3"},
	{Name: "openstack_cloud", Type: "string", Doc: "entry of clouds.yaml to use"},
	{Name: "clouds_yaml_path", Type: "path", Doc: "clouds.yaml to read in place of the standard places"},
	{Name: "openstack_region", Type: "string", Doc: "region"},
	{Name: "openstack_endpoint_type", Type: "string", Default: "public", Doc: "interface of the catalogue: public, internal or admin"},
	{Name: "openstack_service_type", Type: "string", Default: "compute", Doc: "catalogue type of the compute service"},
	{Name: "openstack_service_name", Type: "string", Doc: "catalogue name of the compute service"},
	{Name: "openstack_management_url", Type: "string", Doc: "compute endpoint in place of the catalogue's"},
	{Name: "openstack_identity_endpoint", Type: "string", Idle: "the catalogue is asked for with the token"},
	{Name: "openstack_cache_ttl", Type: "integer", Idle: "a run has one token and asks each thing once"},
	{Name: "disable_ssl_validation", Type: "boolean", Default: "false", Doc: "do not check certificates"},
	{Name: "openstack_cacert", Type: "path", Doc: "certificate authorities to trust besides the system's"},
	{Name: "connect_timeout", Type: "seconds", Default: "60", Doc: "of the HTTP client"},
	{Name: "read_timeout", Type: "seconds", Default: "60", Doc: "of the HTTP client"},
	{Name: "write_timeout", Type: "seconds", Default: "60", Doc: "of the HTTP client"},

	// The server.
	{Name: "server_name", Type: "string", Doc: "name of the server; generated when not set"},
	{Name: "server_name_prefix", Type: "string", Doc: "beginning of the generated name"},
	{Name: "image_ref", Type: "string", Doc: "image: ID, name or /regexp/"},
	{Name: "image_id", Type: "string", Doc: "image by ID, without a lookup"},
	{Name: "flavor_ref", Type: "string", Doc: "flavor: ID, name or /regexp/"},
	{Name: "flavor_id", Type: "string", Doc: "flavor by ID, without a lookup"},
	{Name: "network_ref", Type: "string|list", Doc: "networks: ID, name or /regexp/, or mappings with network, fixed_ip or port"},
	{Name: "network_id", Type: "string|list", Doc: "networks by ID, without a lookup"},
	{Name: "ports", Type: "string|list", Doc: "existing ports by ID or name, or mappings of ports to make"},
	{Name: "key_name", Type: "string", Doc: "key pair; one is made for the instance when not set"},
	{Name: "security_groups", Type: "string|list", Doc: "names of security groups"},
	{Name: "availability_zone", Type: "string", Doc: "availability zone of the server"},
	{Name: "user_data", Type: "path", Doc: "file handed to the server as user data"},
	{Name: "cloud_config", Type: "mapping", Doc: "cloud-config handed to the server as user data"},
	{Name: "config_drive", Type: "boolean", Default: "false", Doc: "give the server a config drive"},
	{Name: "metadata", Type: "mapping", Doc: "metadata of the server"},
	{Name: "tags", Type: "string|list", Doc: "tags of the server"},
	{Name: "server_description", Type: "string", Doc: "description of the server"},
	{Name: "scheduler_hints", Type: "mapping", Doc: "scheduler hints; group may be a server group's name"},
	{Name: "server_group", Type: "string", Doc: "server group by ID or name, the scheduler hint group"},
	{Name: "block_device_mapping", Type: "mapping|list", Doc: "volumes to make, attach and boot from"},
	{Name: "glance_cache_wait_timeout", Type: "seconds", Default: "600", Doc: "how long the server may take to become ACTIVE"},
	{Name: "server_wait", Type: "seconds", Doc: "pause after the server is there"},

	// Addresses.
	{Name: "floating_ip", Type: "string", Doc: "floating IP of the project to attach"},
	{Name: "floating_ip_pool", Type: "string", Doc: "external network, by name or ID, to have a floating IP of"},
	{Name: "allocate_floating_ip", Type: "boolean", Default: "false", Doc: "allocate a new floating IP and release it with the server"},
	{Name: "openstack_network_name", Type: "string", Doc: "network whose address is used to reach the server"},
	{Name: "public_ip_order", Type: "integer", Default: "0", Doc: "which of the public addresses is used"},
	{Name: "private_ip_order", Type: "integer", Default: "0", Doc: "which of the private addresses is used"},
	{Name: "use_ipv6", Type: "boolean", Default: "false", Doc: "use an IPv6 address"},
	{Name: "private_network_only", Type: "boolean", Default: "false", Doc: "use a private address (a pre-release of 2.0 had it)"},

	// Of the 1.x generation, when the driver did the SSH part: they are the
	// transport's defaults.
	{Name: "username", Type: "string", Default: "root", Doc: "transport.username"},
	{Name: "password", Type: "string", Doc: "transport.password"},
	{Name: "port", Type: "integer", Default: "22", Doc: "transport.port"},
	{Name: "private_key_path", Type: "path", Doc: "transport.ssh_key"},
	{Name: "ssh_key", Type: "path", Doc: "transport.ssh_key"},
	{Name: "public_key_path", Type: "path", Doc: "public key to upload as the instance's key pair when there is no key_name"},
	{Name: "ssh_timeout", Type: "seconds", Doc: "transport.connection_timeout"},
	{Name: "ssh_retries", Type: "integer", Doc: "transport.connection_retries"},
	{Name: "no_ssh_tcp_check", Type: "boolean", Default: "false", Idle: "the transport waits until a session can be opened, which is what it was for"},
	{Name: "no_ssh_tcp_check_sleep", Type: "seconds", Idle: "the transport waits until a session can be opened, which is what it was for"},
}

// elsewhere are keys of the section that others read: the engine, the
// provisioner, the hooks.
var elsewhere = []string{
	"name", "kitchen_root", "test_base_path", "log_level", "debug", "dry_run", "http_proxy", "https_proxy", "ftp_proxy", "no_proxy",
	"require_chef_omnibus", "chef_omnibus_url", "chef_omnibus_install_options", "pre_create_command", "sudo", "sudo_command",
	"instance_name", "suite_name", "platform_name", "customize", "box",
}

func known(name string) bool {
	return slices.ContainsFunc(keys, func(k Key) bool { return k.Name == name }) || slices.Contains(elsewhere, name)
}
