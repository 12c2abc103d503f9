package settings

import "slices"

// commandGroups are the settings that only the commands in knife's style have.
func commandGroups() []Group {
	groups := []Group{{Section: Connection, Settings: connectionFlags()}, {Section: Node, Settings: nodeFlags()}, {Section: Server, Settings: serverFlags()}}
	for _, g := range groups {
		for i := range g.Settings {
			g.Settings[i].Section = g.Section
		}
	}
	return groups
}

// command makes the entry of a setting that only commands have: its flag with
// letter, default and help, and its keys of knife[...].
func command(flag, short string, t Type, def, usage string, knife ...string) Setting {
	return Setting{Name: flag, Type: t, FlagDefault: def, Usage: usage}.flag(flag, short, knife...)
}

// connectionFlags say how a machine is reached.
func connectionFlags() []Setting {
	return []Setting{
		command("connection-protocol", "o", Text, "ssh", "`PROTOCOL` to connect with: ssh", "connection_protocol", "bootstrap_protocol").alias("bootstrap-protocol"),
		command("ssh-verify-host-key", "", Text, "always", "`WHEN` to require a known host key: always, accept_new, accept_new_or_local_tunnel or never", "ssh_verify_host_key"),
		command("host-key-verify", "", Flag, "true", "require a known host key", "host_key_verify"),
		command("ssh-gateway-identity", "", Text, "", "private key `FILE` for the gateway", "ssh_gateway_identity"),
		command("sudo", "", Flag, "", "use sudo even as root (other users always use it)", "use_sudo", "sudo"),
		command("use-sudo-password", "", Flag, "", "answer sudo with the password of -P, or ask for it", "use_sudo_password"),
		command("sudo-preserve-home", "", Flag, "", "keep the login user's HOME under sudo", "preserve_home"),
		command("su-user", "", Text, "", "`USER` to become with su, instead of sudo", "su_user"),
		command("su-password", "", Text, "", "`PASSWORD` for su", "su_password"),
	}
}

// nodeFlags describe a node and the client on it.
func nodeFlags() []Setting {
	return []Setting{
		command("node-name", "N", Text, "", "`NAME` of the node and its client", "chef_node_name"),
		command("environment", "E", Text, "", "`ENVIRONMENT` of the node"),
		command("policy-name", "", Text, "", "`POLICY` to use, with --policy-group", "policy_name"),
		command("tags", "", Text, "", "`TAGS` of the node, separated by commas or spaces", "tags"),
		command("json-attributes", "j", Text, "", "`JSON` with attributes of the node").alias("json-attribs"),
		command("json-attribute-file", "", Text, "", "`FILE` with attributes of the node as JSON", "first_boot_attributes_from_file", "json_attribute_file"),
		command("secret", "", Text, "", "`SECRET` of encrypted data bags", "secret"),
		command("secret-file", "", Text, "", "`FILE` with the secret of encrypted data bags", "secret_file"),
		command("node-ssl-verify-mode", "", Text, "", "`MODE` for the node's own HTTPS requests: peer or none", "node_ssl_verify_mode", "ssl_verify_mode"),
		command("bootstrap-url", "", Text, "", "`URL` of your own installer script", "bootstrap_url"),
		command("bootstrap-install-command", "", Text, "", "`COMMANDS` that install the client", "bootstrap_install_command"),
		command("bootstrap-preinstall-command", "", Text, "", "`COMMANDS` to run before anything else", "bootstrap_preinstall_command"),
		command("bootstrap-template", "t", Text, "", "`TEMPLATE` of your own bootstrap script: an ERB file, or its name in .chef/bootstrap", "bootstrap_template", "template_file", "distro").alias("template-file", "distro"),
		command("bootstrap-proxy", "", Text, "", "`URL` of the node's proxy", "bootstrap_proxy"),
		command("bootstrap-proxy-user", "", Text, "", "`USER` at the node's proxy", "bootstrap_proxy_user"),
		command("bootstrap-proxy-pass", "", Text, "", "`PASSWORD` at the node's proxy", "bootstrap_proxy_pass"),
		command("bootstrap-no-proxy", "", Text, "", "`NAMES` that the node reaches without its proxy", "bootstrap_no_proxy"),
		command("bootstrap-curl-options", "", Text, "", "`OPTIONS` for curl when installing", "bootstrap_curl_options"),
		command("bootstrap-wget-options", "", Text, "", "`OPTIONS` for wget when installing", "bootstrap_wget_options"),
		command("fips", "", Flag, "", "run the node's client in FIPS mode"),
		command("prerelease", "", Flag, "", ""),
		command("hint", "", List, "", "`NAME[=FILE]` of an Ohai hint, {} without a file; repeatable"),
		command("node-verify-api-cert", "", Flag, "", "have the node verify the Chef Server's certificate, or not with =false", "node_verify_api_cert", "verify_api_cert"),
	}
}

// serverFlags describe a server beside the settings of the driver.
func serverFlags() []Setting {
	return []Setting{
		command("no-network", "", Flag, "", "bootstrap over any network, whatever knife.rb names"),
		command("delete-server-on-failure", "", Flag, "true", "remove everything when something fails", "delete_server_on_failure"),
		command("keep-on-failure", "", Flag, "", "keep what a failed create has created"),
		command("chef-node-name-prefix", "", Text, "openstack", "`PREFIX` of the node's name where -N is not given", "chef_node_name_prefix"),
		command("custom-attributes", "", Text, "", "more `ATTRIBUTES` of the request: \"key=value;key2=value2\"", "custom_attributes"),
		command("image-os-type", "", Text, "linux", "`TYPE` of the image's system: linux", "image_os_type"),
		command("ttl", "", Text, "", "`TIME` that the server may live, as in 4h or 2d; then galley reap removes it"),
	}
}

// ServerFlags returns the settings of "server create" that describe the
// server, by flag.
func ServerFlags() map[string]Setting { return flagsOf(serverSettings(), serverFlags()) }

// BootstrapFlags returns the settings of a bootstrap, by flag.
func BootstrapFlags() map[string]Setting {
	var shared []Setting
	for _, g := range slices.Concat(transportGroups(), provisionerGroups()) {
		if g.Parent == "" {
			shared = append(shared, g.Settings...)
		}
	}
	return flagsOf(shared, connectionFlags(), nodeFlags())
}

// CredentialFlags returns the settings of a login to the cloud that have a
// flag, by flag.
func CredentialFlags() map[string]Setting { return flagsOf(credentialSettings()) }

func flagsOf(lists ...[]Setting) map[string]Setting {
	out := map[string]Setting{}
	for _, list := range lists {
		for _, s := range list {
			if s.Flag != "" {
				out[s.Flag] = s
			}
		}
	}
	return out
}
