package servers

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"strings"

	"github.com/galleyhq/galley/internal/openstack"
	"github.com/galleyhq/galley/internal/secret"
)

// SettingError is a setting of a server that cannot be right whatever the
// cloud says.
type SettingError struct {
	// Flag is the flag it was given by.
	Flag string
	// Reason is the fault, Advice the remedy.
	Reason, Advice string
}

// Error implements error.
func (e *SettingError) Error() string { return e.Flag + ": " + e.Reason }

// Hint returns the advice.
func (e *SettingError) Hint() string { return e.Advice }

// ReadMetadata reads metadata in the form KEY=VALUE; the value may hold an =
// (knife: --metadata).
func ReadMetadata(pairs []string) (map[string]string, error) {
	out := map[string]string{}
	for _, p := range pairs {
		key, value, ok := strings.Cut(p, "=")
		key = strings.TrimSpace(key)
		switch {
		case !ok || key == "":
			return nil, &SettingError{"--metadata", fmt.Sprintf("%q is not of the form KEY=VALUE", p), "give the flag once for each key: -M role=web -M owner=kim"}
		case strings.HasPrefix(key, "galley_"):
			return nil, &SettingError{"--metadata", fmt.Sprintf("the key %q is Galley's own", key), "choose a key that does not begin with galley_"}
		}
		out[key] = value
	}
	return out, nil
}

// groupHint is the scheduler hint that names a server group.
const groupHint = "group"

// ReadHints reads scheduler hints: KEY=VALUE, several of one key making a
// list; a JSON object; or the ID or name of a server group alone, as knife
// has it (knife: --scheduler-hints).
func ReadHints(hints []string) (map[string]any, error) {
	out := map[string]any{}
	for _, h := range hints {
		h = strings.TrimSpace(h)
		if strings.HasPrefix(h, "{") {
			var obj map[string]any
			if err := json.Unmarshal([]byte(h), &obj); err != nil {
				return nil, &SettingError{"--scheduler-hints", "the JSON object is not one: " + err.Error(), `as in {"group": "ID"}`}
			}
			for k, v := range obj {
				out[k] = v
			}
			continue
		}
		for part := range strings.SplitSeq(h, ",") {
			key, value, ok := strings.Cut(part, "=")
			key, value = strings.TrimSpace(key), strings.TrimSpace(value)
			if !ok {
				key, value = groupHint, key
			}
			if key == "" || value == "" {
				return nil, &SettingError{"--scheduler-hints", fmt.Sprintf("%q is not a hint", part), "as in group=ID or different_host=ID"}
			}
			switch old := out[key].(type) {
			case nil:
				out[key] = value
			case []any:
				out[key] = append(old, value)
			default:
				out[key] = []any{old, value}
			}
		}
	}
	return out, nil
}

// Volumes makes devices of existing volumes, from /dev/vdd on (knife:
// --openstack-volumes).
func Volumes(refs []string) ([]openstack.VolumeSpec, error) {
	const first, most = 'd', 'z' - 'd' + 1
	if len(refs) > most {
		return nil, &SettingError{"--openstack-volumes", fmt.Sprintf("%d volumes are more than the device names from vdd to vdz", len(refs)), ""}
	}
	var out []openstack.VolumeSpec
	for i, ref := range refs {
		other := -1
		out = append(out, openstack.VolumeSpec{VolumeID: ref, DeviceName: "vd" + string(rune(first+i)), BootIndex: &other})
	}
	return out, nil
}

const customFlag = "--custom-attributes"

// attribute sets one attribute of the request for a server.
type attribute func(s *openstack.ServerSpec, value string) error

// attributes are those that can be given as they are, by Nova's name without
// signs and capitals, which fits fog's names as well.
var attributes = map[string]attribute{
	"description":      func(s *openstack.ServerSpec, v string) error { s.Description = v; return nil },
	"hostname":         func(s *openstack.ServerSpec, v string) error { s.Hostname = v; return nil },
	"availabilityzone": func(s *openstack.ServerSpec, v string) error { s.AvailabilityZone = v; return nil },
	"keyname":          func(s *openstack.ServerSpec, v string) error { s.KeyName = v; return nil },
	"userdata":         func(s *openstack.ServerSpec, v string) error { s.UserData = []byte(v); return nil },
	"adminpass":        func(s *openstack.ServerSpec, v string) error { s.AdminPass = secret.Text(v); return nil },
	"accessipv4":       func(s *openstack.ServerSpec, v string) error { s.AccessIPv4 = v; return isAddress(v, 4) },
	"accessipv6":       func(s *openstack.ServerSpec, v string) error { s.AccessIPv6 = v; return isAddress(v, 6) },
	"configdrive":      setConfigDrive,
	"diskconfig":       setDiskConfig,
	"osdcfdiskconfig":  setDiskConfig,
}

// elsewhere are attributes that have separate flags.
var elsewhere = map[string]string{
	"name": "-N", "imageref": "--image", "image": "--image", "flavorref": "--flavor", "flavor": "--flavor", "nics": "--network-ids", "networks": "--network-ids",
	"securitygroups": "--openstack-groups", "metadata": "--metadata", "osschedulerhints": "--scheduler-hints", "schedulerhints": "--scheduler-hints",
	"blockdevicemapping": "--openstack-volumes", "blockdevicemappingv2": "--openstack-volumes", "tags": "--tags",
}

func isAddress(v string, version int) error {
	a, err := netip.ParseAddr(v)
	if err != nil || a.Is4() != (version == 4) {
		return fmt.Errorf("%q is no IPv%d address", v, version)
	}
	return nil
}

func setConfigDrive(s *openstack.ServerSpec, v string) error {
	switch strings.ToLower(v) {
	case "true", "1", "yes":
		s.ConfigDrive = true
	case "false", "0", "no":
		s.ConfigDrive = false
	default:
		return fmt.Errorf("%q is neither true nor false", v)
	}
	return nil
}

func setDiskConfig(s *openstack.ServerSpec, v string) error {
	if s.DiskConfig = strings.ToUpper(v); s.DiskConfig != "AUTO" && s.DiskConfig != "MANUAL" {
		return fmt.Errorf("%q is neither AUTO nor MANUAL", v)
	}
	return nil
}

// SetCustom puts attributes in the form "key=value;key2=value2" into the
// request for a server (knife: --custom-attributes). The names are Nova's or
// fog's. Others are refused by name.
func SetCustom(s *openstack.ServerSpec, text string) error {
	for part := range strings.SplitSeq(text, ";") {
		if strings.TrimSpace(part) == "" {
			continue
		}
		key, value, ok := strings.Cut(part, "=")
		key, value = strings.TrimSpace(key), strings.TrimSpace(value)
		if !ok || key == "" {
			return &SettingError{customFlag, fmt.Sprintf("%q is not of the form key=value", strings.TrimSpace(part)), `as in "description=web server;config_drive=true"`}
		}
		plain := strings.ToLower(strings.NewReplacer("_", "", "-", "", ":", "").Replace(key))
		set, ok := attributes[plain]
		if !ok {
			if flag := elsewhere[plain]; flag != "" {
				return &SettingError{customFlag, fmt.Sprintf("the attribute %q has a flag of its own", key), "give it with " + flag}
			}
			return &SettingError{
				customFlag, fmt.Sprintf("the attribute %q cannot be given", key),
				"these can: accessIPv4, accessIPv6, adminPass, availability_zone, config_drive, description, hostname, key_name, OS-DCF:diskConfig, user_data",
			}
		}
		if err := set(s, value); err != nil {
			return &SettingError{customFlag, key + ": " + err.Error(), ""}
		}
	}
	return nil
}
