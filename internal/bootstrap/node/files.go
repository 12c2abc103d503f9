package node

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"

	"al.essio.dev/pkg/shellescape"
)

// layout is where a client has its files, and its name.
type layout struct {
	// etc and state are its directories, as /etc/chef and /var/chef.
	etc, state string
	// client is its path on the machine, title its name for people.
	client, title string
}

var (
	chefLayout = layout{etc: "/etc/chef", state: "/var/chef", client: "chef-client", title: "Chef Infra Client"}
	cincLayout = layout{etc: "/etc/cinc", state: "/var/cinc", client: "cinc-client", title: "Cinc Client"}
)

// layoutOf is the layout of the client at a path.
func layoutOf(client string) layout {
	l := chefLayout
	if strings.HasPrefix(path.Base(client), "cinc-") || strings.Contains(client, "/cinc/") {
		l = cincLayout
	}
	l.client = client
	return l
}

// quoted writes a string as Ruby reads it.
func quoted(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, `#`, `\#`).Replace(s) + `"`
}

// clientRB is the configuration of the client, in knife's order. Where own is
// true the directory is the one that the client looks in by itself.
func (s *Spec) clientRB(l layout, own bool) string {
	var b strings.Builder
	line := func(key, value string) { fmt.Fprintf(&b, "%-16s %s\n", key, value) }
	text := func(key, value string) {
		if value != "" {
			line(key, quoted(value))
		}
	}
	text("chef_server_url", s.ServerURL)
	text("validation_client_name", s.ValidationClient)
	text("chef_license", s.ChefLicense)
	if s.ConfigLogLevel != "" {
		line("log_level", ":"+s.ConfigLogLevel)
	}
	line("log_location", s.logLocation())
	text("node_name", s.Name)
	if !own {
		text("client_key", l.etc+"/client.pem")
		text("validation_key", l.etc+"/validation.pem")
	}
	if s.VerifyAPICert != nil {
		line("verify_api_cert", fmt.Sprint(*s.VerifyAPICert))
	}
	if s.SSLVerifyMode != "" {
		line("ssl_verify_mode", ":verify_"+s.SSLVerifyMode)
	}
	for _, protocol := range []string{"http", "https"} {
		text(protocol+"_proxy", s.Proxy)
		text(protocol+"_proxy_user", s.ProxyUser)
		text(protocol+"_proxy_pass", string(s.ProxyPassword))
	}
	text("no_proxy", s.NoProxy)
	if s.Secret != "" {
		text("encrypted_data_bag_secret", l.etc+"/encrypted_data_bag_secret")
	}
	if len(s.TrustedCerts) > 0 {
		text("trusted_certs_dir", l.etc+"/trusted_certs")
	}
	if s.FIPS {
		line("fips", "true")
	}
	text("file_cache_path", cmp.Or(s.FileCachePath, l.state+"/cache"))
	text("file_backup_path", cmp.Or(s.FileBackupPath, l.state+"/backup"))
	return b.String()
}

func (s *Spec) logLocation() string {
	switch s.LogLocation {
	case "", "STDOUT":
		return "STDOUT"
	case "STDERR":
		return "STDERR"
	case "syslog", ":syslog":
		return ":syslog"
	}
	return quoted(s.LogLocation)
}

// runList is what the node is to run: that of the Spec, else the one among the
// attributes, as the client takes it from first-boot.json.
func (s *Spec) runList() []string {
	if s.PolicyName != "" {
		return nil
	}
	list := s.RunList
	if len(list) == 0 {
		list = texts(s.Attributes["run_list"])
	}
	if list == nil {
		list = []string{}
	}
	return list
}

// texts is the strings of a JSON array, nil where it is something else.
func texts(v any) []string {
	switch v := v.(type) {
	case []string:
		return v
	case []any:
		var out []string
		for _, e := range v {
			if t, ok := e.(string); ok {
				out = append(out, t)
			}
		}
		return out
	}
	return nil
}

// tags are those of the Spec and those among its attributes, each once.
func (s *Spec) tags() []string {
	var out []string
	for _, t := range slices.Concat(texts(s.Attributes["tags"]), s.Tags) {
		if !slices.Contains(out, t) {
			out = append(out, t)
		}
	}
	return out
}

// firstBoot is the content of first-boot.json.
func (s *Spec) firstBoot() map[string]any {
	out := maps.Clone(s.Attributes)
	if out == nil {
		out = map[string]any{}
	}
	delete(out, "run_list")
	if s.PolicyName != "" {
		out["policy_name"], out["policy_group"] = s.PolicyName, s.PolicyGroup
	} else {
		out["run_list"] = s.runList()
	}
	if tags := s.tags(); tags != nil {
		out["tags"] = tags
	}
	return out
}

func indented(v any) (string, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	err := enc.Encode(v)
	return b.String(), err
}

// startCommand is the first run. E is the client's directory in shell
// code, as "$E" or /etc/chef.
func (s *Spec) startCommand(client, e string) string {
	words := []string{client, "-c", e + "/client.rb", "-j", e + "/first-boot.json"}
	if s.LogLevel != "" {
		words = append(words, "-l", shellescape.Quote(s.LogLevel))
	}
	if s.Environment != "" {
		words = append(words, "-E", shellescape.Quote(s.Environment))
	}
	if !s.Color {
		words = append(words, "--no-color")
	}
	return strings.Join(words, " ")
}

// file is one file to write on the machine.
type file struct {
	// name is its path below the client's directory.
	name    string
	content string
	private bool
}

// files are all that the client finds in its directory.
func (s *Spec) files(l layout, key string) ([]file, error) {
	var out []file
	add := func(name, content string, private bool) {
		if content != "" {
			out = append(out, file{name, content, private})
		}
	}
	add("client.pem", key, true)
	if key == "" {
		add("validation.pem", string(s.ValidationKey), true)
	}
	add("encrypted_data_bag_secret", string(s.Secret), true)
	for _, name := range slices.Sorted(maps.Keys(s.TrustedCerts)) {
		add("trusted_certs/"+name, string(s.TrustedCerts[name]), false)
	}
	for _, name := range slices.Sorted(maps.Keys(s.Hints)) {
		add("ohai/hints/"+name+".json", string(s.Hints[name]), false)
	}
	add("client.rb", s.clientRB(l, true), s.ProxyPassword != "" || strings.Contains(s.Proxy, "@"))
	boot, err := indented(s.firstBoot())
	if err != nil {
		return nil, &SpecError{Msg: fmt.Sprintf("the attributes of the node are no JSON: %v", err)}
	}
	// Attributes are a usual place for passwords.
	add("first-boot.json", boot, true)
	for _, name := range slices.Sorted(maps.Keys(s.ClientD)) {
		add("client.d/"+name, string(s.ClientD[name]), false)
	}
	for _, f := range out {
		if strings.ContainsRune(f.content, 0) {
			return nil, &SpecError{Msg: fmt.Sprintf("%s is not a text file", f.name), Advice: "client.d and trusted_certs hold text; take the file out of the workstation's directory"}
		}
	}
	return out, nil
}

// writing is shell code that writes files below the directory E, each replaced
// whole. Quoted here-documents carry the contents, which are therefore on no
// command line.
func writing(files []file, e string) string {
	var b strings.Builder
	b.WriteString("put() {\n\tt=$1.galley-new\n\trm -f \"$t\" && (umask \"$2\" && cat >\"$t\") && mv -f \"$t\" \"$1\" || exit 1\n}\numask 022\n")
	made := map[string]bool{}
	for _, f := range files {
		if dir := path.Dir(f.name); !made[dir] {
			made[dir] = true
			b.WriteString("mkdir -p " + e + "/" + quoteBelow(dir) + " || exit\n")
		}
	}
	for _, f := range files {
		mask := "022"
		if f.private {
			mask = "077"
		}
		b.WriteString("put " + e + "/" + quoteBelow(f.name) + " " + mask + " " + heredoc(f.content))
	}
	return b.String()
}

func quoteBelow(p string) string {
	if p == "." {
		return ""
	}
	return shellescape.Quote(p)
}

// heredoc is the redirection that gives a command a text, which gets a final
// line break if it has none.
func heredoc(content string) string {
	end := "GALLEY_END"
	for strings.Contains("\n"+content, "\n"+end) {
		end += "_"
	}
	if !strings.HasSuffix(content, "\n") {
		content += "\n"
	}
	return "<<'" + end + "'\n" + content + end + "\n"
}
