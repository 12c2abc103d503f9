package session

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Setting identifies something that a user can set, independently of where it
// is set. Errors name settings by identity, and each front end spells them: as
// a key of kitchen.yml, a key of knife.rb, a flag or a variable. The value is
// the key of kitchen-openstack.
type Setting string

// The settings of a server that advice refers to.
const (
	SettingImage              Setting = "image_ref"
	SettingFlavor             Setting = "flavor_ref"
	SettingNetwork            Setting = "network_ref"
	SettingNetworkName        Setting = "openstack_network_name"
	SettingKeyName            Setting = "key_name"
	SettingAvailabilityZone   Setting = "availability_zone"
	SettingFloatingIPPool     Setting = "floating_ip_pool"
	SettingAllocateFloatingIP Setting = "allocate_floating_ip"
	SettingVolumes            Setting = "block_device_mapping"
	SettingPublicIPOrder      Setting = "public_ip_order"
	SettingPrivateIPOrder     Setting = "private_ip_order"
	SettingUseIPv6            Setting = "use_ipv6"
	SettingActiveTimeout      Setting = "glance_cache_wait_timeout"
)

// The settings of a connection that advice refers to.
const (
	SettingAuthURL       Setting = "openstack_auth_url"
	SettingUsername      Setting = "openstack_username"
	SettingPassword      Setting = "openstack_api_key"
	SettingProject       Setting = "openstack_project_name"
	SettingAppCredSecret Setting = "openstack_application_credential_secret"
	SettingAppCredUser   Setting = "user of openstack_application_credential_name"
	SettingRegion        Setting = "openstack_region"
	SettingInterface     Setting = "openstack_endpoint_type"
	SettingCACert        Setting = "openstack_cacert"
	SettingClientCert    Setting = "client certificate"
	SettingInsecure      Setting = "disable_ssl_validation"
	SettingReadTimeout   Setting = "read_timeout"
)

// Two things that advice calls by the word of the front end.
const (
	// WordOwner is what the server is to its user: "instance" or "server".
	WordOwner Setting = "word: owner"
	// WordDestroy is how it is removed: "destroy the instance".
	WordDestroy Setting = "word: destroy"
)

// Spelling returns how a front end spells a setting, "" to leave it to the
// default: variables for credentials, keys of kitchen.yml for servers.
type Spelling func(Setting) string

// SpellEnv spells the settings of a connection as the variables of an RC file.
func SpellEnv(s Setting) string {
	switch s {
	case SettingAuthURL:
		return "OS_AUTH_URL"
	case SettingUsername, SettingAppCredUser:
		return "OS_USERNAME (or OS_USER_ID)"
	case SettingPassword:
		return "OS_PASSWORD"
	case SettingProject:
		return "OS_PROJECT_NAME (or OS_PROJECT_ID)"
	case SettingAppCredSecret:
		return "OS_APPLICATION_CREDENTIAL_SECRET"
	case SettingRegion:
		return "OS_REGION_NAME"
	case SettingInterface:
		return "OS_INTERFACE"
	case SettingCACert:
		return "OS_CACERT"
	case SettingClientCert:
		return "OS_CERT and OS_KEY"
	case SettingInsecure:
		return "OS_INSECURE=true"
	}
	return ""
}

func (spell Spelling) of(s Setting) string {
	if spell != nil {
		if word := spell(s); word != "" {
			return word
		}
	}
	if word := SpellEnv(s); word != "" {
		return word
	}
	switch s {
	case WordOwner:
		return "instance"
	case WordDestroy:
		return "destroy the instance"
	case SettingAllocateFloatingIP:
		return "allocate_floating_ip: true"
	case SettingUseIPv6:
		return "use_ipv6: true"
	}
	return string(s)
}

// advice is a sentence in which settings are named by identity.
type advice struct {
	format string
	args   []any
}

// plain is advice that names no setting.
func plain(text string) advice { return advice{"%s", []any{text}} }

func (a advice) in(spell Spelling) string {
	if a.format == "" {
		return ""
	}
	args := slices.Clone(a.args)
	for i, x := range args {
		if s, ok := x.(Setting); ok {
			args[i] = spell.of(s)
		}
	}
	return fmt.Sprintf(a.format, args...)
}

// hinter is an error with advice; speller one whose advice names settings.
type (
	hinter  interface{ Hint() string }
	speller interface{ HintIn(spell Spelling) string }
)

// spelled is an error whose advice is in the words of a front end.
type spelled struct {
	error
	spell Spelling
}

// Spelled returns err with the settings in its advice spelled by a front end.
// It is nil for nil.
func Spelled(err error, spell Spelling) error {
	if err == nil {
		return nil
	}
	return &spelled{err, spell}
}

// Unwrap returns the error itself.
func (e *spelled) Unwrap() error { return e.error }

// Hint implements the advice of an error.
func (e *spelled) Hint() string { return hintOf(e.error, e.spell) }

// hintOf returns the advice of the first error in the chain that has any.
func hintOf(err error, spell Spelling) string {
	var s speller
	if errors.As(err, &s) {
		return s.HintIn(spell)
	}
	var h hinter
	if errors.As(err, &h) {
		return h.Hint()
	}
	return ""
}

// Errors are independent failures that are reported together.
type Errors []error

// Error implements error: one failure to a line.
func (s Errors) Error() string {
	lines := make([]string, len(s))
	for i, err := range s {
		lines[i] = err.Error()
	}
	return strings.Join(lines, "\n")
}

// Unwrap returns the failures.
func (s Errors) Unwrap() []error { return s }

// Hint returns the hints of all that have one, each once.
func (s Errors) Hint() string { return s.HintIn(nil) }

// HintIn is [Errors.Hint] in the words of a front end.
func (s Errors) HintIn(spell Spelling) string {
	var lines []string
	for _, err := range s {
		if h := hintOf(err, spell); h != "" && !slices.Contains(lines, h) {
			lines = append(lines, h)
		}
	}
	return strings.Join(lines, "\n")
}

// Join makes one error of those that are not nil: that one, or [Errors]. Of
// none it is nil.
func Join(errs ...error) error {
	var out Errors
	for _, err := range errs {
		if more, ok := err.(Errors); ok {
			out = append(out, more...)
		} else if err != nil {
			out = append(out, err)
		}
	}
	switch len(out) {
	case 0:
		return nil
	case 1:
		return out[0]
	}
	return out
}
