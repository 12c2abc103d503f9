package clouds

import (
	"regexp"
	"slices"
	"strings"
)

// authVariables are the keys of auth; each may stand outside of it, too.
var authVariables = map[string]string{
	"auth_url":                      "OS_AUTH_URL",
	"username":                      "OS_USERNAME",
	"user_id":                       "OS_USER_ID",
	"password":                      "OS_PASSWORD",
	"passcode":                      "OS_PASSCODE",
	"token":                         "OS_TOKEN",
	"project_name":                  "OS_PROJECT_NAME",
	"project_id":                    "OS_PROJECT_ID",
	"tenant_name":                   "OS_TENANT_NAME",
	"tenant_id":                     "OS_TENANT_ID",
	"user_domain_name":              "OS_USER_DOMAIN_NAME",
	"user_domain_id":                "OS_USER_DOMAIN_ID",
	"project_domain_name":           "OS_PROJECT_DOMAIN_NAME",
	"project_domain_id":             "OS_PROJECT_DOMAIN_ID",
	"domain_name":                   "OS_DOMAIN_NAME",
	"domain_id":                     "OS_DOMAIN_ID",
	"default_domain_id":             "OS_DEFAULT_DOMAIN_ID",
	"default_domain_name":           "OS_DEFAULT_DOMAIN_NAME",
	"default_domain":                "OS_DEFAULT_DOMAIN",
	"system_scope":                  "OS_SYSTEM_SCOPE",
	"trust_id":                      "OS_TRUST_ID",
	"application_credential_id":     "OS_APPLICATION_CREDENTIAL_ID",
	"application_credential_name":   "OS_APPLICATION_CREDENTIAL_NAME",
	"application_credential_secret": "OS_APPLICATION_CREDENTIAL_SECRET",
}

// plainVariables are the keys beside auth.
var plainVariables = map[string]string{
	"auth_type":            "OS_AUTH_TYPE",
	"region_name":          "OS_REGION_NAME",
	"interface":            "OS_INTERFACE",
	"identity_api_version": "OS_IDENTITY_API_VERSION",
}

// pathVariables are keys that name a file.
var pathVariables = map[string]string{
	"cacert": "OS_CACERT",
	"cert":   "OS_CERT",
	"key":    "OS_KEY",
}

// repair turns old spellings into today's and puts everything where it
// belongs (openstacksdk: magic_fixes).
func repair(entry object) {
	auth := object{}
	for k, v := range mapping(entry["auth"]) {
		auth[k] = v
	}
	entry["auth"] = auth
	// The last of several spellings that has a value wins, and what stands
	// in auth wins over what stands beside it.
	move := func(to string, from ...string) {
		value := ""
		for _, k := range from {
			for _, m := range []object{entry, auth} {
				if s := scalar(m[k]); s != "" {
					value = s
				}
				delete(m, k)
			}
		}
		if value != "" {
			auth[to] = value
		}
	}
	for k := range authVariables {
		if !strings.HasPrefix(k, "tenant_") && !strings.HasPrefix(k, "project_n") && k != "project_id" && k != "token" {
			move(k, k)
		}
	}
	move("token", "auth_token", "token")
	if t := scalar(entry["auth_type"]); t == "v2password" || t == "v2token" {
		move("tenant_id", "project_id", "tenant_id")
		move("tenant_name", "project_name", "tenant_name")
	} else {
		move("project_id", "tenant_id", "project_id")
		move("project_name", "tenant_name", "project_name")
	}
	if old := scalar(entry["auth_plugin"]); old != "" && scalar(entry["auth_type"]) == "" {
		entry["auth_type"] = old
	}
	if old := scalar(entry["endpoint_type"]); old != "" {
		entry["interface"] = old
	}
	// A domain beside a project is short for the user's and the project's.
	if scalar(auth["project_id"]) != "" || scalar(auth["project_name"]) != "" || scalar(auth["tenant_id"]) != "" || scalar(auth["tenant_name"]) != "" {
		for _, kind := range []string{"_id", "_name"} {
			if d := scalar(auth["domain"+kind]); d != "" {
				for _, whose := range []string{"user_domain", "project_domain"} {
					if scalar(auth[whose+kind]) == "" {
						auth[whose+kind] = d
					}
				}
			}
			delete(auth, "domain"+kind)
		}
	}
	if url := scalar(auth["auth_url"]); url != "" {
		auth["auth_url"] = fill(url, entry)
	}
}

var placeholder = regexp.MustCompile(`\{([a-z_]+)\}`)

// fill replaces {region_name} and its like by the entry's values.
func fill(s string, entry object) string {
	return placeholder.ReplaceAllStringFunc(s, func(p string) string {
		if v := scalar(entry[p[1:len(p)-1]]); v != "" {
			return v
		}
		return p
	})
}

func (o Options) variables(entry object, env map[string]string) {
	put := func(name string, v any) {
		if s := scalar(v); s != "" {
			env[name] = s
		}
	}
	auth := mapping(entry["auth"])
	for key, name := range authVariables {
		put(name, auth[key])
	}
	for key, name := range plainVariables {
		if s := scalar(entry[key]); s != "" {
			put(name, fill(s, entry))
		}
	}
	if list, ok := entry["interface"].([]any); ok && len(list) > 0 {
		put("OS_INTERFACE", list[0])
	}
	for key, name := range pathVariables {
		if s := scalar(entry[key]); s != "" {
			env[name] = o.expand(s)
		}
	}
	if no(entry["verify"]) || yes(entry["insecure"]) {
		env["OS_INSECURE"] = "true"
	}
	// A service whose endpoint the catalogue has wrong.
	for key, v := range entry {
		if service, ok := strings.CutSuffix(key, "_endpoint_override"); ok && scalar(v) != "" {
			put("OS_"+strings.ToUpper(service)+"_ENDPOINT_OVERRIDE", fill(scalar(v), entry))
		}
	}
	// A password that is in neither file may be in the environment, as it is
	// for openstackclient; the entry would be of no use without it.
	user := env["OS_USERNAME"] != "" || env["OS_USER_ID"] != ""
	if user && env["OS_PASSWORD"] == "" && env["OS_TOKEN"] == "" && env["OS_APPLICATION_CREDENTIAL_SECRET"] == "" {
		put("OS_PASSWORD", o.env("OS_PASSWORD"))
	}
}

// yes and no read a boolean, also one in quotes.
func yes(v any) bool { return slices.Contains([]string{"true", "yes", "on", "1"}, word(v)) }
func no(v any) bool  { return slices.Contains([]string{"false", "no", "off", "0"}, word(v)) }

func word(v any) string { return strings.ToLower(strings.TrimSpace(scalar(v))) }
