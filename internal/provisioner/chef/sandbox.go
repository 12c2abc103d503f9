package chef

import (
	"context"
	_ "embed"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/galleyhq/galley/internal/cookbooks/cookbook"
	"github.com/galleyhq/galley/internal/provisioner/base"
	"github.com/galleyhq/galley/kitchen"
)

// validationKey opens nothing: a client without a server still wants a file of
// that kind before it makes its own key.
//
//go:embed validation.pem
var validationKey []byte

// MissingCookbookError tells that the run list names a cookbook that would not
// be on the machine.
type MissingCookbookError struct {
	// Cookbook is the name, Entry the run list's entry.
	Cookbook, Entry string
	// Have are the cookbooks that would be there, Near the one most like it.
	Have []string
	Near string
}

func (e *MissingCookbookError) Error() string {
	return fmt.Sprintf("the run list has %s, and there is no cookbook %s among those to send (%s)", e.Entry, e.Cookbook, strings.Join(e.Have, ", "))
}

// Hint names the likely cause.
func (e *MissingCookbookError) Hint() string {
	if e.Near != "" {
		return "is " + e.Near + " meant?"
	}
	return "cookbooks come from a Policyfile, a Berksfile, the directory cookbooks, or the project itself where it has a metadata.rb"
}

// sandbox returns the files for the machine's root path.
func (p *Provisioner) sandbox(ctx context.Context, step *kitchen.Step) (*base.Tree, error) {
	step.Report.Info("Preparing files for transfer")
	tree := &base.Tree{}
	if p.chef.kind == apply {
		return tree, p.addDirs(step, tree)
	}
	policy, err := p.addCookbooks(ctx, step, tree)
	if err != nil {
		return nil, err
	}
	step.Report.Info("Preparing dna.json")
	dna, err := p.dna(policy)
	if err != nil {
		return nil, err
	}
	// Attributes may hold secrets.
	tree.AddBytes("dna.json", dna, 0o600)
	if err := p.addDirs(step, tree); err != nil {
		return nil, err
	}
	if p.chef.secret != "" {
		step.Report.Info("Preparing encrypted data bag secret")
		secret, err := os.ReadFile(p.chef.secret)
		if err != nil {
			return nil, fmt.Errorf("preparing the encrypted data bag secret: %w", err)
		}
		tree.AddBytes("encrypted_data_bag_secret", secret, 0o600)
	}
	if p.chef.kind == infra {
		step.Report.Info("Preparing validation.pem")
		tree.AddBytes("validation.pem", validationKey, 0o600)
	}
	step.Report.Info("Preparing %s", p.configName())
	tree.AddBytes(p.configName(), []byte(p.configRB()), 0o644)
	if p.chef.idempotent {
		tree.AddBytes(handlerFile, []byte(handlerRB), 0o644)
		tree.AddBytes(idempotenceFile, []byte(p.idempotenceRB()), 0o644)
	}
	if policy == "" {
		if err := p.checkRunList(tree); err != nil {
			return nil, err
		}
	}
	return tree, nil
}

// configName is the name of the client's configuration.
func (p *Provisioner) configName() string {
	if p.chef.kind == solo {
		return "solo.rb"
	}
	return "client.rb"
}

// addDirs adds the directories that are sent as they are.
func (p *Provisioner) addDirs(step *kitchen.Step, tree *base.Tree) error {
	for _, d := range p.chef.dirs {
		step.Report.Info("Preparing %s", d[0])
		step.Report.Debug("Using %s from %s", d[0], d[1])
		if err := tree.AddDir(d[0], d[1], nil); err != nil {
			return fmt.Errorf("preparing %s: %w", d[0], err)
		}
	}
	return nil
}

// addCookbooks adds the cookbooks by the first way that applies, and returns
// the policy's name where that is a Policyfile.
func (p *Provisioner) addCookbooks(ctx context.Context, step *kitchen.Step, tree *base.Tree) (policy string, err error) {
	root, set := p.set.Root, p.chef
	cookbooks := filepath.Join(root, "cookbooks")
	switch {
	case base.IsFile(set.policyfile):
		if set.kind == solo {
			return "", &base.UnsupportedError{What: set.policyfile, Why: "chef_solo cannot use a Policyfile", Advice: "chef_infra can: write `provisioner: {name: chef_infra}`"}
		}
		resolve := p.nativePolicy
		if set.peer {
			resolve = func(ctx context.Context, step *kitchen.Step) (string, string, error) {
				return p.resolver.policy(ctx, step, p.set.Options, set.policyfile, set.policyGroup, set.update)
			}
		}
		dir, name, err := resolve(ctx, step)
		if err != nil {
			return "", err
		}
		return name, tree.AddDir(".", dir, nil)
	case base.IsFile(set.berksfile):
		return "", p.addBerks(ctx, step, tree)
	case base.IsDir(cookbooks):
		step.Report.Info("Preparing cookbooks from project directory")
		for _, dir := range []string{cookbooks, filepath.Join(root, "site-cookbooks")} {
			if base.IsDir(dir) {
				if err := p.addAll(tree, dir); err != nil {
					return "", err
				}
			}
		}
		if cookbook.Is(root) {
			return "", p.addSelf(ctx, step, tree)
		}
		return "", nil
	case cookbook.Is(root):
		return "", p.addSelf(ctx, step, tree)
	}
	name := filepath.Base(root)
	step.Report.Warn("Policyfile, Berksfile, cookbooks/, or metadata.rb not found so the client will run, but do nothing. Is this intended?")
	tree.AddBytes(path.Join("cookbooks", name, "metadata.rb"), fmt.Appendf(nil, "name %s\n", inspect(name)), 0o644)
	return "", nil
}

// addBerks adds what a Berksfile asks for.
func (p *Provisioner) addBerks(ctx context.Context, step *kitchen.Step, tree *base.Tree) error {
	resolve := p.nativeBerks
	if p.chef.peer {
		resolve = func(ctx context.Context, step *kitchen.Step) (string, error) {
			return p.resolver.berks(ctx, step, p.set.Options, p.chef.berksfile, p.chef.update)
		}
	}
	dir, err := resolve(ctx, step)
	if err != nil {
		return err
	}
	return p.addAll(tree, dir)
}

// addSelf adds the project as a cookbook.
func (p *Provisioner) addSelf(ctx context.Context, step *kitchen.Step, tree *base.Tree) error {
	step.Report.Info("Preparing current project directory as a cookbook")
	name, err := CookbookName(ctx, p.set.Options, p.set.Root)
	if err != nil {
		return err
	}
	return p.addCookbook(tree, name, p.set.Root)
}

// addAll adds every cookbook in a directory of them.
func (p *Provisioner) addAll(tree *base.Tree, dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return fmt.Errorf("preparing cookbooks: %w", err)
	}
	tree.Mkdir("cookbooks")
	for _, e := range entries {
		at := filepath.Join(dir, e.Name())
		if !base.IsDir(at) || strings.HasPrefix(e.Name(), ".") {
			continue
		}
		if err := p.addCookbook(tree, e.Name(), at); err != nil {
			return err
		}
	}
	return nil
}

// addCookbook adds what of a directory is a cookbook's.
func (p *Provisioner) addCookbook(tree *base.Tree, name, dir string) error {
	ignored, err := cookbook.FindIgnore(dir, "chefignore", ".chefignore")
	if err != nil {
		return fmt.Errorf("preparing the cookbook %s: %w", name, err)
	}
	keep := func(rel string, isDir bool) bool {
		return p.files.keep(rel, isDir) && (isDir || !ignored.Has(rel))
	}
	if err := tree.AddDir(path.Join("cookbooks", name), dir, keep); err != nil {
		return fmt.Errorf("preparing the cookbook %s: %w", name, err)
	}
	return nil
}

// checkRunList sees that the cookbooks which the run list names are among
// those to send: the client would say so minutes later.
func (p *Provisioner) checkRunList(tree *base.Tree) error {
	if p.chef.client.Has("cookbook_path") || p.chef.namedList != "" {
		return nil // they may be somewhere else
	}
	entries, err := tree.ReadDir("cookbooks")
	if err != nil {
		return nil // there are none, and that was said
	}
	var have []string
	for _, e := range entries {
		have = append(have, e.Name())
	}
	for _, entry := range p.chef.runList {
		name := cookbookOf(entry)
		// A cookbook's directory may have another name than the cookbook.
		if name == "" || slices.Contains(have, name) || p.namedOtherwise(tree, have, name) {
			continue
		}
		return &MissingCookbookError{Cookbook: name, Entry: entry, Have: have, Near: near(name, have)}
	}
	return nil
}

// namedOtherwise reports whether a cookbook is in a directory of another name,
// by the plain lines of the metadata.
func (p *Provisioner) namedOtherwise(tree *base.Tree, dirs []string, name string) bool {
	for _, d := range dirs {
		src, err := fs.ReadFile(tree, path.Join("cookbooks", d, "metadata.rb"))
		if err != nil {
			// metadata.json alone: its name is not known without evaluating it.
			if tree.Has(path.Join("cookbooks", d, "metadata.json")) {
				return true
			}
			continue
		}
		if found := plainName(string(src)); found == name || found == "" {
			return true
		}
	}
	return false
}

// near returns the name that differs from another in case and punctuation
// only, or holds it, or is held by it.
func near(name string, have []string) string {
	fold := func(s string) string {
		return strings.NewReplacer("-", "", "_", "").Replace(strings.ToLower(s))
	}
	for _, h := range have {
		if a, b := fold(name), fold(h); strings.Contains(a, b) || strings.Contains(b, a) {
			return h
		}
	}
	return ""
}

// cookbookOf returns the cookbook of a run list's entry, "" for a role.
func cookbookOf(entry string) string {
	entry = strings.TrimSpace(entry)
	if inner, ok := strings.CutPrefix(entry, "recipe["); ok {
		entry = strings.TrimSuffix(inner, "]")
	} else if strings.Contains(entry, "[") {
		return ""
	}
	entry, _, _ = strings.Cut(entry, "@")
	entry, _, _ = strings.Cut(entry, "::")
	return entry
}
