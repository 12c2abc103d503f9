// Package guest runs the machines of the embedded cloud: a [Guest] answers
// real SSH and runs commands in a world of its own.
//
// On Linux that world is a set of namespaces (mount, pid, uts, ipc) with a
// copy-on-write view of the host's file system, its own /etc, users, host
// name, /tmp, /home, /root, /run and /proc. The network is the host's: the SSH
// server listens on a unix socket in the guest's directory, and the cloud
// passes TCP connections on to it. Where the host forbids namespaces the guest
// is a plain directory, and says so in its console log and by [Guest.Mode].
//
// A guest is a process: the program that uses this package, started again
// under a hidden sub-command that calls [Main]. It dies with the process that
// started it, and everything that runs in it dies with it.
//
// A guest keeps one developer's cookbooks from treading on the host. It is no
// security boundary: what runs in it is trusted as the developer's own shell.
//
// Only internal/devcloud (and internal/cli, for [Main]) may import it.
package guest
