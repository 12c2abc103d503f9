package settings

// transportGroups are the settings of the transports.
func transportGroups() []Group {
	return []Group{
		{Section: Transport, Settings: []Setting{
			key("name", Text, "ssh", "The transport's name."),
		}},
		{Section: Transport, Plugin: "ssh", Settings: []Setting{
			key("username", Text, "root", "The user.").flag("connection-user", "U", "connection_user", "ssh_user").help("", "`USER` to log in as (default root)").alias("ssh-user"),
			key("password", Text, "", "The password; without one only keys are tried.").flag("connection-password", "P", "connection_password", "ssh_password").help("", "`PASSWORD` of that user").alias("ssh-password"),
			key("port", Whole, "22", "The port.").flag("connection-port", "p", "connection_port", "ssh_port").help("0", "SSH `PORT` of the machine (default 22)").alias("ssh-port"),
			key("ssh_key", Text|List, "", "Private keys' files.").path().flag("ssh-identity-file", "i", "ssh_identity_file", "identity_file").help("", "private key `FILE` to log in with").alias("identity-file"),
			key("ssh_key_only", Flag, "false", "Whether only public keys are tried, the agent's among them."),
			key("forward_agent", Flag, "false", "Whether the agent is forwarded.").flag("ssh-forward-agent", "A", "ssh_forward_agent", "forward_agent").help("", "forward the SSH agent to the machine").alias("forward-agent"),
			key("verbose", Text, "", "How much the SSH library tells."),
			key("keepalive", Flag, "true", "Whether the connection is kept alive."),
			key("keepalive_interval", Decimal, "60", "Seconds between signs of life."),
			key("keepalive_maxcount", Whole, "3", "How many may go unanswered."),
			key("connection_timeout", Decimal, "15", "Seconds for one attempt to connect.").flag("session-timeout", "", "session_timeout").help("60", "`SECONDS` that opening a connection may take"),
			key("connection_retries", Whole, "5", "Attempts to connect."),
			key("connection_retry_sleep", Decimal, "1", "Seconds between them."),
			key("max_wait_until_ready", Decimal, "600", "Seconds to wait for the machine's first session.").flag("max-wait", "W", "max_wait", "auth_timeout").help("0", "wait up to `SECONDS` until the machine accepts logins").alias("auth-timeout"),
			key("max_ssh_sessions", Whole, "9", "Parallel channels of an upload."),
			key("max_download_size", Whole, "2048", "How many MiB one download from the machine may have."),
			key("session_timeout", Decimal, "60", "Seconds that a connected machine may take to open a session, to start a command and to end it."),
			key("wait_for_cloud_init", Flag|Decimal, "", "How many seconds `create` waits for cloud-init, true for 600 or false; true where the driver has user data, else up to 60 seconds."),
			key("ssh_host", Text|Map, "", "The host[:port] to dial in place of the machine's address, as behind NAT; or a mapping of addresses or networks to such hosts."),
			old("hostname", Text, "", "The host to dial in place of the machine's address.", "transport.ssh_host"),
			key("compression", Text, "false", "zlib, none or false."),
			idle("compression_level", Whole, "The level of compression.", "uploads are always compressed, at a fixed level"),
			key("ssh_gateway", Text, "", "A bastion (jump host) to go through.").flag("ssh-gateway", "G", "ssh_gateway").help("", "`[USER@]HOST[:PORT]` to connect through, several separated by commas"),
			key("ssh_gateway_port", Whole, "22", "Its port."),
			key("ssh_gateway_username", Text, "", "The user there."),
			key("ssh_http_proxy", Text, "", "An HTTP proxy to go through."),
			key("ssh_http_proxy_port", Whole, "", "Its port."),
			key("ssh_http_proxy_user", Text, "", "The user there."),
			key("ssh_http_proxy_password", Text, "", "The password there."),
			key("ssh_proxy_command", Text, "", "A command whose input and output are the connection."),
			old("private_key_path", Text|List, "", "Private keys' files.", "transport.ssh_key").path(),
			old("ssh_timeout", Decimal, "", "Seconds for one attempt to connect.", "transport.connection_timeout"),
			old("ssh_retries", Whole, "", "Attempts to connect.", "transport.connection_retries"),
		}},
	}
}
