package openstack

// idle are keys of the section that are understood and have no effect, each
// with the reason. What is known of all keys else is in internal/config's
// table.
var idle = map[string]string{
	"openstack_identity_endpoint": "the endpoints come with the token",
	"openstack_cache_ttl":         "a run has one token and asks for each thing once",
	"no_ssh_tcp_check":            "the transport waits until a session can be opened, which is what the check was for",
	"no_ssh_tcp_check_sleep":      "the transport waits until a session can be opened, which is what the pause was for",
}
