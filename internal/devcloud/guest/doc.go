// Package guest runs the machines of the embedded cloud: a [Guest] answers
// real SSH and runs commands on a root file system and a network that are not
// the host's.
//
// On Linux a guest started by root is a set of namespaces (user, mount, pid,
// uts, ipc, cgroup, network) on a copy-on-write view of the host's file system
// or of an image's. Its root is an unprivileged user of the host. Started by an
// ordinary user it has one user ID. Where the host forbids namespaces the guest
// is a plain directory, and says so in its console log and by [Guest.Mode].
// The SSH server listens on a unix socket in the guest's directory, and the
// cloud passes TCP connections on to it.
//
// A guest is a process: the program that uses this package, started again
// under a hidden sub-command that calls [Main]. It dies with the process that
// started it, and everything that runs in it dies with it.
//
// # First boot
//
// User data is taken raw, compressed, or as MIME with several parts: #! scripts
// and #cloud-config with the keys users, ssh_authorized_keys, ssh_pwauth,
// password, disable_root, write_files, bootcmd, runcmd, packages,
// package_update, package_upgrade, hostname, fqdn, manage_etc_hosts and
// preserve_hostname. The console log names other keys and kinds of user data,
// and errors in lines with ERROR. An image with content
// that has its own cloud-init runs that one instead. As on an image, SSH
// answers before packages, runcmd and scripts have run: `cloud-init status
// --wait` waits.
//
// # Services
//
// Process 1 answers systemctl and runs services from their unit files or
// /etc/init.d: start, stop, reload, restart policies, enable, mask. Sockets,
// timers, D-Bus and the sandboxing options of units are not supported.
//
// # Limits
//
// SFTP and scp need the image's sftp-server. Of SSH there is no remote
// forwarding (ssh -R) and no keyboard-interactive authentication. The sudo of
// an image without one does not ask for passwords. Kernel settings outside the
// guest's network are read-only.
// In [ModeUserNamespace] all users have one ID, so that chown to another
// fails. In [ModeDirectory] commands run on the host's own file system as the
// user who started the cloud: it does not confine anything. Where the guest's
// directory cannot hold overlay layers (it is itself on an overlay, as in
// containers) they are in memory and are saved at an orderly end.
//
// Only internal/devcloud (and internal/cli, for [Main]) may import it.
package guest
