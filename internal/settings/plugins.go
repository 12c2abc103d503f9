package settings

import (
	"slices"
	"strings"
)

// plugin is one plug-in that Galley has.
type plugin struct {
	name string
	// aliases are other tools' plug-ins whose work it does.
	aliases []string
	// strict are those of which that is true only where none of their own keys is
	// set.
	strict []string
	// note says what an alias's users should know, "" for nothing.
	note string
}

// plugins are the plug-ins of a section; the first is the default.
func plugins(section string) []plugin {
	switch section {
	case Driver:
		return []plugin{{name: "openstack"}, {name: "proxy"}, {name: "dummy"}}
	case Provisioner:
		const resolves = "Galley resolves the Policyfile for every provisioner that runs Chef"
		return []plugin{
			{name: "chef_infra", aliases: []string{"policyfile_zero"}, note: resolves},
			{
				name: "chef_zero", aliases: []string{"nodes", "chef_github"}, strict: []string{"chef_github"},
				note: "node objects come from nodes_path, and the client from a package",
			},
			{name: "chef_solo"},
			{name: "chef_apply"},
			{name: "cinc_infra"},
			{name: "cinc_zero"},
			{name: "cinc_solo"},
			{name: "cinc_apply"},
			{name: "shell"},
			{name: "external"},
			{name: "dummy"},
		}
	case Transport:
		return []plugin{{
			name: "ssh", aliases: []string{"rsync", "sftp", "scp", "speedy_ssh", "ssh_tar", "ssh_tgz", "ssh_gzip"},
			note: "an upload sends only the files that have changed",
		}}
	case Verifier:
		return []plugin{{name: "busser"}, {name: "inspec", aliases: []string{"chef_auditor"}}, {name: "cinc_auditor"}, {name: "shell"}, {name: "dummy"}}
	}
	return nil
}

// Plugins returns the names of a section's plug-ins; the first is the
// default.
func Plugins(section string) []string {
	var out []string
	for _, p := range plugins(section) {
		out = append(out, p.name)
	}
	return out
}

// Canonical returns the plug-in that does the work of the named one: itself,
// or the one that it is an alias of. ok is false when there is none; note is
// what a user of an alias should know.
func Canonical(section, name string) (canonical, note string, ok bool) {
	for _, p := range plugins(section) {
		if p.name == name {
			return name, "", true
		}
		if slices.Contains(p.aliases, name) {
			return p.name, p.note, true
		}
	}
	return name, "", false
}

// Substitute returns the plug-in of Galley's that is nearest to one that it
// does not have, and why, "" for none.
func Substitute(section, name string) (plugin, why string) {
	has := func(parts ...string) bool {
		return slices.ContainsFunc(parts, func(p string) bool { return strings.Contains(name, p) })
	}
	switch section {
	case Driver:
		if has("exec", "localhost") {
			return "proxy", "an existing host that is reached over SSH, such as this one"
		}
		if has("ssh", "static", "host") {
			return "proxy", "an existing host"
		}
		return "openstack", ""
	case Transport:
		return "ssh", ""
	case Provisioner:
		if has("chef", "cinc", "dokken", "nodes", "policyfile", "berks", "target") {
			return "chef_infra", ""
		}
		return "shell", "a script that runs the tool"
	case Verifier:
		if has("inspec", "auditor", "awspec") {
			return "inspec", ""
		}
		return "shell", "a command that runs the tests, on the instance with remote_exec: true"
	}
	return "", ""
}

// SameKeys reports whether a name is an alias only for a section that has no
// key beside those of the plug-in that does its work.
func SameKeys(section, name string) bool {
	return slices.ContainsFunc(plugins(section), func(p plugin) bool { return slices.Contains(p.strict, name) })
}

// RunsChef reports whether a provisioner runs a Chef or Cinc client.
func RunsChef(name string) bool {
	return slices.Contains(strings.Fields(chefFamily), name)
}

// Reason says why Galley does not have a plug-in, "" where there is nothing to
// say.
func Reason(section, name string) string {
	switch {
	case section == Transport && name == "winrm":
		return "machines with Windows are not supported yet"
	case section == Provisioner && strings.HasSuffix(name, "_target"):
		return "target mode runs a client on the workstation, which Galley does not do"
	}
	return ""
}
