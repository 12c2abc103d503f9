package chef

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"math/big"
	"slices"
	"strconv"
	"strings"

	"github.com/galleyhq/galley/internal/config"
)

// setting is one line of client.rb.
type setting struct {
	key   string
	value any
}

// configRB is the client's configuration: the defaults and, over them, what
// the user says in client_rb or solo_rb.
func (p *Provisioner) configRB() string {
	at := p.set.OnMachine
	lines := []setting{
		{"node_name", p.set.Instance},
		{"checksum_path", at("checksums")},
		{"file_cache_path", at("cache")},
		{"file_backup_path", at("backup")},
		{"cookbook_path", []any{at("cookbooks"), at("site-cookbooks")}},
		{"data_bag_path", at("data_bags")},
		{"environment_path", at("environments")},
		{"node_path", at("nodes")},
		{"role_path", at("roles")},
		{"client_path", at("clients")},
		{"user_path", at("users")},
		{"validation_key", at("validation.pem")},
		{"client_key", at("client.pem")},
		{"chef_server_url", "http://127.0.0.1:8889"},
		{"encrypted_data_bag_secret", at("encrypted_data_bag_secret")},
		{"treat_deprecation_warnings_as_errors", p.chef.deprecation},
	}
	if p.chef.license != "" {
		lines = append(lines, setting{"chef_license", p.chef.license})
	}
	own, _ := p.chef.client.Data().(map[string]any)
	for _, key := range p.chef.client.Keys() {
		value := own[key]
		i := slices.IndexFunc(lines, func(s setting) bool { return s.key == key })
		if i < 0 {
			lines = append(lines, setting{key, value})
		} else {
			lines[i].value = value
		}
	}
	if p.chef.namedList != "" {
		lines = append(lines, setting{"named_run_list", p.chef.namedList})
	}
	var b strings.Builder
	for _, l := range lines {
		b.WriteString(l.key + " " + rubyValue(l.value) + "\n")
	}
	return b.String()
}

// rubyValue writes a setting's value as Ruby. A string that begins with a
// colon is a symbol (Test Kitchen: format_value).
func rubyValue(v any) string {
	if s, ok := v.(string); ok && strings.HasPrefix(s, ":") {
		return s
	}
	if list, ok := v.([]any); ok {
		parts := make([]string, len(list))
		for i, e := range list {
			parts[i] = rubyValue(e)
		}
		return "[" + strings.Join(parts, ", ") + "]"
	}
	return inspect(v)
}

// inspect writes a value as Ruby's inspect does for what a kitchen file holds,
// where the keys of mappings are symbols. Interpolation in strings stays
// alive, since Test Kitchen lets it.
func inspect(v any) string {
	switch v := v.(type) {
	case nil:
		return "nil"
	case string:
		return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`, "\r", `\r`).Replace(v) + `"`
	case config.Symbol:
		return symbol(string(v))
	case bool:
		return strconv.FormatBool(v)
	case int64:
		return strconv.FormatInt(v, 10)
	case float64:
		s := strconv.FormatFloat(v, 'g', -1, 64)
		if !strings.ContainsAny(s, ".e") {
			s += ".0"
		}
		return s
	case *big.Int:
		return v.String()
	case []any:
		parts := make([]string, len(v))
		for i, e := range v {
			parts[i] = inspect(e)
		}
		return "[" + strings.Join(parts, ", ") + "]"
	case map[string]any:
		var parts []string
		for _, k := range slices.Sorted(maps.Keys(v)) {
			parts = append(parts, symbol(strings.TrimPrefix(k, ":"))+"=>"+inspect(v[k]))
		}
		// In parentheses, because it follows a method's name.
		return "({" + strings.Join(parts, ", ") + "})"
	}
	return fmt.Sprint(v)
}

func symbol(s string) string {
	for i, c := range s {
		if c != '_' && (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (i == 0 || c < '0' || c > '9') {
			return ":" + strconv.Quote(s)
		}
	}
	if s == "" {
		return `:""`
	}
	return ":" + s
}

// dna is dna.json: the attributes and the run list, or the policy.
func (p *Provisioner) dna(policy string) ([]byte, error) {
	attributes, _ := p.chef.attributes.(map[string]any)
	data := map[string]any{}
	maps.Copy(data, attributes)
	if policy != "" {
		data["policy_name"], data["policy_group"] = policy, cmp.Or(p.chef.policyGroup, "local")
	} else {
		data["run_list"] = append([]string{}, p.chef.runList...)
	}
	var b strings.Builder
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(data); err != nil {
		return nil, fmt.Errorf("writing the attributes as JSON: %w", err)
	}
	return []byte(strings.TrimSuffix(b.String(), "\n")), nil
}

// idempotenceRB is the configuration of the run that must change nothing: the
// usual one, with a handler that ends the client with another status.
func (p *Provisioner) idempotenceRB() string {
	return p.configRB() + "require " + inspect(p.set.OnMachine(handlerFile)) + "\nreport_handlers << GalleyUpdatedResources.new\n"
}

const (
	handlerFile     = "chef-client-fail-if-update-handler.rb"
	idempotenceFile = "client_no_updated_resources.rb"
	// notIdempotent is the status with which the handler ends the client.
	notIdempotent = 203
)

// handlerRB lists what the last run changed, and ends the client: an exception
// in a handler would be swallowed.
const handlerRB = `require "chef/handler"

class GalleyUpdatedResources < ::Chef::Handler
  def report
    changed = updated_resources || []
    return if changed.empty?
    puts "The earlier run should have reached a converged state."
    puts "Resources updated in this one:"
    changed.each { |resource| puts "- #{resource}" }
    $stdout.flush
    exit!(203)
  end
end
`
