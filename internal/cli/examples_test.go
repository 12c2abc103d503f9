package cli_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/galleyhq/galley/internal/cli"
)

// notRunExamples are the examples that no test can run, by how they begin.
var notRunExamples = map[string]string{
	"galley bootstrap ":                     "its hosts do not exist",
	"galley client delete web1":             "bootstrap and node.txtar delete clients: there is none of that name here",
	"galley client show":                    "there is no client of that name",
	"galley node delete":                    "there is no node of that name",
	"galley node show":                      "there is no node of that name",
	"galley deps push":                      "the Chef Server of the tests has no policies",
	"galley deps tree --format dot":         "needs Graphviz",
	"galley config keys | less":             "needs a terminal",
	"galley devcloud up":                    "TestDemo does so; two clouds at once would share a port",
	"galley devcloud down":                  "TestDemo does so",
	"debootstrap ":                          "needs the network",
	"skopeo ":                               "needs the network",
	"galley exec default-debian-12 -c":      "a guest has no nginx",
	"galley exec debian -- cat":             "a guest has no such file",
	"galley fetch --service object-store":   "fetch-object.txtar does so, with an object that exists",
	"galley floating-ip associate":          "the address depends on the cloud",
	"galley floating-ip disassociate":       "the address depends on the cloud",
	"galley floating-ip release 203":        "the address depends on the cloud",
	"galley keypair delete web":             "asks for confirmation",
	"galley lint":                           "needs cookstyle",
	"galley node list --environment":        "the Chef Server of the tests has no environments",
	"galley logs -f":                        "goes on until it is interrupted",
	"galley watch":                          "goes on until it is interrupted",
	"galley login default-debian-12":        "needs a terminal",
	"galley deps outdated Berksfile":        "the example of deps install locks without a group",
	"galley network delete net1":            "the network is in use",
	"galley network create net1":            "the network exists",
	"galley prune web-converged":            "there is no image of that name",
	"galley provider chef_solo":             "needs a request of Test Kitchen's",
	"galley reap --older-than":              "would remove what other examples use",
	"galley report --merge":                 "needs the logs of two runners",
	"galley server create -N web1":          "server-create.txtar does so, with a Chef Server that has the role",
	"galley server create -N db1":           "there is no key pair of that name",
	"galley server delete web1 db1":         "asks for confirmation",
	"galley server show":                    "there is no server of that name",
	"galley test default-debian-12 --reuse": "reset.txtar does so",
}

// beforeExamples are shell lines that the examples of a command need.
var beforeExamples = map[string]string{
	"converge": "galley create", "setup": "galley create", "verify": "galley create", "login": "galley create debian", "exec": "galley create",
	"logs": "galley create", "report": "galley create", "destroy": "galley create",
	"deps": "galley deps install Policyfile.rb && galley deps install Berksfile", "keypair": "mkdir -p ~/.ssh && ssh-keygen -q -t ed25519 -N '' -f ~/.ssh/id_ed25519",
	"init": "rm kitchen.yml", "devcloud": "galley devcloud up --guests none", "provider": "", "trust": "", "reset": "galley create", "snapshot": "galley create",
}

const exampleKitchen = `---
driver:
  name: openstack
  flavor_ref: m1.small
  network_ref: net1
  floating_ip_pool: public
transport:
  port: <%= ENV['GALLEY_DEVCLOUD_SSH_PORT'] || 22 %>
provisioner: {name: dummy}
verifier: {name: dummy}
platforms:
  - {name: debian-12, driver: {image_ref: debian-12}, transport: {username: debian}}
  - {name: ubuntu-22.04, driver: {image_ref: ubuntu-22.04}, transport: {username: ubuntu}}
suites:
  - name: default
`

// exampleFiles are the other files of the examples' project.
var exampleFiles = map[string]string{
	"global.yml":             "{}\n",
	"kitchen.yml":            exampleKitchen,
	"Policyfile.rb":          "name 'demo'\nrun_list 'apt', 'ntp'\ncookbook 'apt', path: 'apt'\ncookbook 'ntp', path: 'ntp'\n",
	"Berksfile":              "source 'https://api.example.org'\ncookbook 'apt', path: 'apt'\ncookbook 'ntp', path: 'ntp', group: :integration\n",
	"apt/recipes/default.rb": "",
	"ntp/recipes/default.rb": "",
	"apt/metadata.rb":        "name 'apt'\nversion '1.0.0'\n",
	"ntp/metadata.rb":        "name 'ntp'\nversion '1.0.0'\n",
}

// Every example in the help of a command runs as it is printed, in a project
// with the embedded cloud, or is in the table of those that cannot.
func TestExamplesRun(t *testing.T) {
	t.Parallel()
	used := map[string]bool{}
	for top, lines := range cli.CommandExamples() {
		var run []string
		for _, line := range lines {
			if why := notRunReason(line, used); why == "" {
				run = append(run, line)
			}
		}
		if len(run) == 0 {
			continue
		}
		t.Run(top, func(t *testing.T) {
			t.Parallel()
			c := newCheckout(t)
			c.env = append(c.env, "KITCHEN_GLOBAL_YAML="+filepath.Join(c.dir, "global.yml"))
			for name, text := range exampleFiles {
				file := filepath.Join(c.dir, name)
				if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(file, []byte(strings.ReplaceAll(text, "https://api.example.org", c.api)), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			if before := beforeExamples[top]; before != "" {
				if out, err := c.shell(t, before); err != nil {
					t.Fatalf("%s: %v\n%s", before, err, out)
				}
			}
			for _, line := range run {
				script := strings.NewReplacer("fetch URL", "fetch "+c.api+"/v2/items", "https://api.github.com", c.api, "https://example.org", c.api).Replace(line)
				if out, err := c.shell(t, script); err != nil {
					t.Errorf("%s: %v\n%s", line, err, out)
				}
			}
		})
	}
	for begin := range notRunExamples {
		if !used[begin] {
			t.Errorf("no example begins with %q", begin)
		}
	}
}

func notRunReason(line string, used map[string]bool) string {
	for begin, why := range notRunExamples {
		if strings.HasPrefix(line, begin) {
			used[begin] = true
			return why
		}
	}
	return ""
}
