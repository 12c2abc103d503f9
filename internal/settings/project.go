package settings

// projectGroups are the settings of the top level, platforms, suites, hooks and the section kitchen.
func projectGroups() []Group {
	return []Group{
		{Settings: []Setting{
			key("driver", Text|Map, "dummy", "What makes the machines: a name, or a mapping with name and the driver's keys."),
			key("provisioner", Text|Map, "chef_infra", "What configures them."),
			key("transport", Text|Map, "ssh", "How they are reached."),
			key("verifier", Text|Map, "busser", "What checks them."),
			key("platforms", Maps, "[]", "The kinds of machine; each is combined with each suite."),
			key("suites", Maps, "[]", "What is run and checked on them."),
			key("lifecycle", Map, "{}", "Commands before and after the actions."),
			key("kitchen", Map, "{}", "Settings of the tool itself that are put into every plug-in's data."),
			old("driver_plugin", Text, "", "The driver's name, in files of 2013.", "driver.name"),
			old("driver_config", Map, "", "The driver's keys, in files of 2013.", "driver"),
			old("busser", Text|Map, "", "The verifier of old: a version or a mapping.", "verifier"),
		}},
		{Section: "kitchen", Settings: []Setting{
			key("kitchen_root", Text, "(the current directory)", "The project's directory that paths are relative to.").path(),
			key("test_base_path", Text, "test/integration", "Where the suites' tests lie.").path(),
			key("log_level", Text, "info", "The least severe messages to print.", "debug", "info", "warn", "error", "fatal"),
			key("debug", Flag, "false", "Whether provisioner and verifier tell details."),
		}},
		{Section: "platform", Settings: append([]Setting{
			key("name", Text, "", "The platform's name, a part of its instances' names; needed."),
			key("os_type", Text, "(by name)", "unix, or windows when the name begins with win.", "unix", "windows"),
			key("shell_type", Text, "(by name)", "bourne, or powershell when the name begins with win.", "bourne", "powershell"),
		}, layerKeys()...)},
		{Section: "suite", Settings: append(append([]Setting{
			key("name", Text, "", "The suite's name, a part of its instances' names; needed."),
			key("includes", Text|List, "[]", "Only these platforms: names or /regexps/."),
			key("excludes", Text|List, "[]", "Not these platforms; not looked at when there are includes."),
		}, layerKeys()...),
			old("data_path", Text, "", "See the provisioner's key.", "provisioner.data_path").path(),
			old("data_bags_path", Text, "", "See the provisioner's key.", "provisioner.data_bags_path").path(),
			old("encrypted_data_bag_secret_key_path", Text, "", "See the provisioner's key.", "provisioner.encrypted_data_bag_secret_key_path").path(),
			old("environments_path", Text, "", "See the provisioner's key.", "provisioner.environments_path").path(),
			old("nodes_path", Text, "", "See the provisioner's key.", "provisioner.nodes_path").path(),
			old("roles_path", Text, "", "See the provisioner's key.", "provisioner.roles_path").path(),
		)},
		{Section: Lifecycle, Settings: lifecycleKeys()},
		{Section: Lifecycle, Parent: "*", Settings: []Setting{
			key("local", Text, "", "A command for this machine."),
			key("remote", Text, "", "A command for the instance."),
			key("includes", Text|List, "[]", "Only on these platforms: names or /regexps/."),
			key("excludes", Text|List, "[]", "Not on these platforms."),
			key("environment", Map, "{}", "Variables for a local command."),
			key("cwd", Text, "(the project)", "A local command's directory."),
			key("user", Text, "", "The local user that a local command runs as."),
			key("skippable", Flag, "false", "Whether a remote command is skipped while there is no machine, and its exit status ignored."),
		}},
	}
}

// layerKeys stand on platforms and suites alike.
func layerKeys() []Setting {
	return []Setting{
		key("driver", Text|Map, "", "What is different in the driver's data."),
		key("provisioner", Text|Map, "", "What is different in the provisioner's data."),
		key("transport", Text|Map, "", "What is different in the transport's data."),
		key("verifier", Text|Map, "", "What is different in the verifier's data."),
		key("lifecycle", Map, "", "Further commands before and after the actions."),
		key("run_list", Text|List, "[]", "What is run: the platform's first, then the suite's."),
		key("attributes", Map, "{}", "The node's attributes: the suite's over the platform's."),
		key("named_run_list", Text, "", "A run list that the Policyfile names."),
		key("policy_group", Text, "", "The policy group."),
		old("driver_plugin", Text, "", "The driver's name, in files of 2013.", "driver.name"),
		old("driver_config", Map, "", "The driver's keys, in files of 2013.", "driver"),
		old("busser", Text|Map, "", "The verifier of old.", "verifier"),
	}
}

// lifecycleKeys are the phases of every action.
func lifecycleKeys() []Setting {
	var out []Setting
	for _, action := range []string{"create", "converge", "setup", "verify", "destroy"} {
		for _, p := range []struct{ phase, doc string }{
			{"pre", "Before "}, {"post", "After "}, {"finally", "In the end, also after a failure, of "},
		} {
			out = append(out, key(p.phase+"_"+action, Text|List|Map|Maps, "[]", p.doc+action+": commands, or mappings with local or remote; those of the top level, the platform and the suite are joined."))
		}
	}
	return out
}
