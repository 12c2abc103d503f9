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
// # First boot
//
// User data is taken raw, in base64, compressed, as MIME with several parts or
// as a cloud-config archive: #! scripts, boothooks, and of #cloud-config the
// keys users, user, groups, ssh_authorized_keys, ssh_keys, ssh_pwauth,
// password, chpasswd, disable_root, write_files, bootcmd, runcmd, hostname,
// fqdn, manage_etc_hosts, preserve_hostname, timezone, final_message and
// power_state. The console log tells what else was asked for, packages among
// it, and what went wrong, in lines with ERROR. As on an image, SSH answers
// before runcmd and scripts have run: `cloud-init status --wait` waits.
//
// # What a guest lacks
//
// It has no network of its own (ports it listens on are the host's), no
// systemd (systemctl knows reboot and poweroff), no sftp, and its root may not
// touch what is the whole host's: network, clock, modules, kernel settings.
// In [ModeUserNamespace] all users have one ID, so that chown to another fails;
// in [ModeDirectory] commands have the host's own file system before them.
// Where the guest's directory cannot hold overlay layers (it is itself on an
// overlay, as in containers) they live in memory and are saved at an orderly
// end.
//
// A guest keeps one developer's cookbooks from treading on the host. It is no
// security boundary: what runs in it is trusted as the developer's own shell.
//
// Only internal/devcloud (and internal/cli, for [Main]) may import it.
package guest
