// Package galley_test holds properties of the whole module.
package galley_test

import (
	"os/exec"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/galleyhq/galley/"

// arrows says which of our packages a package may import, by the longest
// prefix that fits; "std" means the standard library alone. A package that
// fits none is a mistake: everything has its place.
var arrows = map[string][]string{
	"cmd/galley": {"internal/cli", "internal/ui"},

	"internal/cli": {"kitchen", "internal/"},

	"kitchen":             {"std"},
	"kitchen/kitchentest": {"kitchen"},

	"internal/driver":    {"kitchen", "internal/openstack", "internal/bootstrap", "internal/config"},
	"internal/transport": {"kitchen", "internal/bootstrap", "internal/config"},

	// Provisioners and verifiers share how a command is run on an instance.
	"internal/provisioner": {"kitchen", "internal/bootstrap", "internal/config", "internal/cookbooks", "internal/ruby", "internal/provisioner/base"},
	"internal/verifier":    {"kitchen", "internal/bootstrap", "internal/config", "internal/provisioner/base"},

	"internal/watch": {""}, // its library only

	// The Chef provisioner behind Test Kitchen's protocol for other hosts.
	"internal/provider": {"kitchen", "internal/provisioner", "internal/transport", "internal/bootstrap", "internal/config", "internal/state"},

	"internal/testing":              {"internal/testing", "internal/bootstrap"},
	"internal/testing/providertest": {"internal/provisioner/external"},

	"internal/secret":     {"std"},
	"internal/retry":      {"std"},
	"internal/env":        {"std"},
	"internal/atomicfile": {"std"},
	"internal/jsonorder":  {"std"},
	"internal/netrc":      {"internal/secret"},
	// What users can set, and how each front end spells it.
	"internal/settings": {"std"},
	// Which cloud, who and in which project, however it is set.
	"internal/credentials": {"internal/secret", "internal/settings", "internal/text"},
	"internal/text":        {""}, // its library only

	"internal/openstack": {"internal/openstack/"},
	"internal/bootstrap": {"internal/bootstrap/", "kitchen"},
	// From a connection to a node: it runs commands over a connection.
	"internal/bootstrap/node": {"internal/bootstrap"},
	"internal/config":         {"internal/config/", "internal/ruby"},
	// The Ruby that kitchen files, knife.rb, metadata.rb, Berksfiles and
	// Policyfiles are written in; config and cookbooks read through it.
	"internal/ruby": {"internal/ruby", "internal/config/yaml11", "internal/jsonorder"},
	// Cookbooks and their dependencies; requests to a Chef Server are signed
	// by the caller.
	"internal/cookbooks": {"internal/cookbooks", "internal/ruby", "internal/jsonorder"},
	"internal/fetch":     {"internal/fetch", "internal/fetch/"},
	"internal/devcloud":  {"internal/devcloud/"},
	"internal/state":     {"kitchen"},
	"internal/ui":        {"kitchen"},

	// What is made of events, each on the one before it.
	"internal/ui/ansi":    {"std"},
	"internal/ui/runlog":  {"kitchen", "internal/ui", "internal/ui/ansi"},
	"internal/ui/history": {"kitchen", "internal/ui/runlog"},
	"internal/ui/junit":   {"kitchen", "internal/ui/ansi", "internal/ui/history"},
	"internal/ui/report":  {"kitchen", "internal/ui/ansi", "internal/ui/history"},
	"internal/ui/summary": {"kitchen", "internal/ui", "internal/ui/history"},

	// Servers that are nodes: the cloud's part and the Chef Server's, joined.
	"internal/servers": {"kitchen", "internal/openstack", "internal/bootstrap", "internal/state"},
}

// shared are the small packages that every package but the engine may import.
var shared = []string{"internal/secret", "internal/retry", "internal/text", "internal/env", "internal/settings", "internal/credentials", "internal/atomicfile", "internal/netrc"}

func TestDependenciesPointOneWay(t *testing.T) {
	cmd := exec.CommandContext(t.Context(), "go", "list", "-f", `{{.ImportPath}}{{range .Imports}} {{.}}{{end}}`, "./...")
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	seen := 0
	for line := range strings.Lines(string(out)) {
		fields := strings.Fields(line)
		pkg, ours := strings.CutPrefix(fields[0], module)
		if !ours {
			continue // the module's root holds this test only
		}
		seen++
		allowed, ok := allowedFor(pkg)
		if !ok {
			t.Errorf("%s has no place in the house: add its arrows, or put it where it belongs", pkg)
			continue
		}
		for _, imp := range fields[1:] {
			if !permitted(pkg, imp, allowed) {
				t.Errorf("%s imports %s, against the arrows", pkg, strings.TrimPrefix(imp, module))
			}
		}
	}
	if seen < 10 {
		t.Errorf("only %d packages looked at", seen)
	}
}

func allowedFor(pkg string) ([]string, bool) {
	best, found := "", false
	for prefix := range arrows {
		fits := pkg == strings.TrimSuffix(prefix, "/") || strings.HasPrefix(pkg, strings.TrimSuffix(prefix, "/")+"/")
		if fits && len(prefix) >= len(best) {
			best, found = prefix, true
		}
	}
	return arrows[best], found
}

func permitted(pkg, imp string, allowed []string) bool {
	ours, isOurs := strings.CutPrefix(imp, module)
	if !isOurs {
		third := strings.Contains(strings.SplitN(imp, "/", 2)[0], ".")
		return !third || allowed[0] != "std"
	}
	if slices.Contains(shared, ours) {
		return allowed[0] != "std"
	}
	for _, a := range allowed {
		if ours == a || strings.HasPrefix(ours, strings.TrimSuffix(a, "/")+"/") {
			return true
		}
	}
	return false
}
