package knife

import (
	"errors"
	"fmt"
	"strings"
	"sync"

	"github.com/galleyhq/galley/internal/ruby"
	shared "github.com/galleyhq/galley/internal/text"
)

// known are the settings that chef-config 19 declares, without those of its
// contexts. Files may set others; a name read that is neither known nor set
// is most likely misspelt.
var known = sync.OnceValue(func() map[string]bool {
	return setOf(`
		acl_path allowed_automatic_attributes allowed_default_attributes allowed_normal_attributes
		allowed_override_attributes always_dump_stacktrace api_client_key api_client_name auth_key_registry_type
		authentication_protocol_version automatic_attribute_blacklist automatic_attribute_whitelist
		blocked_automatic_attributes blocked_default_attributes blocked_normal_attributes
		blocked_override_attributes cache_options cache_path cache_type checksum_path chef_guid chef_guid_path
		chef_license chef_repo_path chef_server_root chef_server_url clear_gem_sources client_d_dir client_fork
		client_key client_key_contents client_key_path client_path client_registration_retries color config_d_dir
		config_dir config_file container_path cookbook_artifact_path cookbook_copyright cookbook_email
		cookbook_license cookbook_path cookbook_sync_threads count_log_resource_updates credentials daemonize
		data_bag_decrypt_minimum_version data_bag_encrypt_version data_bag_path deployment_group diff_disabled
		diff_filesize_threshold diff_output_threshold disable_event_loggers download_progress_interval
		enable_reporting enable_reporting_url_fatals enable_selinux_file_permission_fixup
		encrypted_data_bag_secret enforce_default_paths enforce_path_sanity environment environment_path
		event_handlers exception_handlers ez fatal_windows_admin_check file_atomic_update file_backup_path
		file_cache_path file_staging_uses_destdir fips follow_client_key_symlink force_formatter force_logger
		formatter formatters ftp_proxy ftp_proxy_pass ftp_proxy_user group group_path group_valid_regex
		http_disable_auth_on_redirect http_proxy http_proxy_pass http_proxy_user http_retry_count
		http_retry_delay https_proxy https_proxy_pass https_proxy_user internal_locale interval json_attribs
		listen local_key_generation local_mode lockfile log_level log_location migrate_key_to_keystore
		minimal_ohai named_run_list no_lazy_load no_proxy node_name node_path ohai_segment_plugin_path once
		pid_file policy_document_native_api policy_group policy_group_path policy_name policy_path
		policy_persist_run_list profile recipe_url repo_mode report_handlers resource_unified_mode_default
		rest_timeout role_path ruby_encoding rubygems_cache_enabled rubygems_url run_lock_timeout script_path
		show_download_progress silence_deprecation_warnings solo solo_d_dir solo_legacy_mode splay
		ssh_agent_signing ssl_ca_file ssl_ca_path ssl_client_cert ssl_client_key ssl_verify_mode start_handlers
		stream_execute_output syntax_check_cache_path target treat_deprecation_warnings_as_errors
		trusted_certs_dir umask unix_bootstrap_file_backup_path unix_bootstrap_file_cache_path user user_home
		user_path user_valid_regex validation_client_name validation_key validation_key_contents
		verbose_logging verbosity verify_api_cert versioned_cookbooks why_run
		windows_bootstrap_file_backup_path windows_bootstrap_file_cache_path zypper_check_gpg`)
})

// setOf is the set of the words of a text.
func setOf(words string) map[string]bool {
	m := map[string]bool{}
	for _, n := range strings.Fields(words) {
		m[n] = true
	}
	return m
}

// contexts are the settings that hold further settings.
var contexts = map[string]bool{
	"knife": true, "chef_zero": true, "target_mode": true, "windows_service": true, "chefdk": true, "chefcli": true,
	"data_collector": true,
}

// expanded are the settings whose relative paths are made absolute when they
// are set, starting from the current directory.
var expanded = sync.OnceValue(func() map[string]bool {
	return setOf(`cookbook_path chef_repo_path acl_path client_path client_key_path container_path
		cookbook_artifact_path data_bag_path environment_path group_path node_path policy_path policy_group_path
		role_path user_path file_cache_path syntax_check_cache_path`)
})

// serverURL is what chef-config takes for a server (is_valid_url?).
var serverURL = shared.Lazy(`^(https?://|chefzero:)`)

// written is what a setting becomes when it is set (chef-config: writes_value).
func (l *loader) written(name string, v ruby.Value) (ruby.Value, error) {
	switch {
	case name == "chef_server_url":
		s, _ := text(ruby.ToGo(v))
		s = strings.TrimSpace(s)
		if !serverURL().MatchString(s) {
			return nil, &Error{
				Msg:    fmt.Sprintf("chef_server_url %q is not the address of a server", s),
				Advice: "it begins with http:// or https://, as in https://chef.example.com/organizations/NAME",
			}
		}
		return ruby.NewString(s), nil
	case name == "ssl_verify_mode":
		s, _ := text(ruby.ToGo(v))
		switch s = strings.TrimPrefix(s, ":"); s {
		case "verify_peer", "verify_none":
			return ruby.Symbol(s), nil
		}
		return nil, &Error{Msg: fmt.Sprintf("ssl_verify_mode is %s %q, not :verify_peer or :verify_none", kindOf(ruby.ToGo(v)), s)}
	case expanded()[name]:
		return l.expand(v), nil
	}
	return v, nil
}

// expand makes a path, or each of a list, absolute.
func (l *loader) expand(v ruby.Value) ruby.Value {
	switch x := v.(type) {
	case *ruby.String:
		return ruby.NewString(l.places.abs(x.String()))
	case *ruby.Array:
		out := make([]ruby.Value, x.Len())
		for i := range out {
			out[i] = l.expand(x.At(i))
		}
		return ruby.NewArray(out...)
	}
	return v
}

// set stores a setting; e's value may change on the way.
func (l *loader) set(name string, e entry) error {
	v, err := l.written(name, e.value)
	if err != nil {
		var own *Error
		if errors.As(err, &own) {
			own.File, own.Line = e.file, e.line
		}
		return err
	}
	e.value = v
	l.settings.set(name, e)
	return nil
}

// get is the value of a setting, else chef-config's default for it, as far as
// a file may lean on it; nil otherwise.
func (l *loader) get(name string) ruby.Value {
	if e, ok := l.settings.get(name); ok {
		return e.value
	}
	p := func(s string) ruby.Value {
		if s == "" {
			return nil
		}
		return ruby.NewString(s)
	}
	switch name {
	case "config_file":
		return p(l.file)
	case "config_dir":
		return p(l.configDir())
	case "user_home":
		return p(l.places.chefHome)
	case "log_level":
		return ruby.Symbol("auto")
	case "ssl_verify_mode":
		return ruby.Symbol("verify_peer")
	case "chef_server_url":
		return ruby.NewString("https://localhost:443")
	case "validation_client_name":
		return ruby.NewString(l.validationClient())
	case "trusted_certs_dir", "client_d_dir", "config_d_dir":
		return p(l.beside(map[string]string{"trusted_certs_dir": "trusted_certs", "client_d_dir": "client.d", "config_d_dir": "config.d"}[name]))
	case "client_key":
		return ruby.NewString("/etc/chef/client.pem")
	case "validation_key":
		return ruby.NewString("/etc/chef/validation.pem")
	case "local_mode", "fips", "listen", "solo", "color", "why_run":
		return false
	case "cache_options":
		h := ruby.NewHash()
		h.Set(ruby.Symbol("path"), p(l.beside("syntaxcache")))
		return h
	case "formatters", "report_handlers", "event_handlers", "exception_handlers", "start_handlers", "script_path", "silence_deprecation_warnings":
		// A default that a file may add to is kept, as mixlib-config keeps it.
		v := ruby.NewArray()
		l.settings.set(name, entry{value: v})
		return v
	}
	return nil
}

// validationClient is chef-config's default, which is made of the server's
// organization.
func (l *loader) validationClient() string {
	url, _ := text(ruby.ToGo(l.get("chef_server_url")))
	if _, org, ok := strings.Cut(url, "/organizations/"); ok && org != "" {
		return org + "-validator"
	}
	return "chef-validator"
}
