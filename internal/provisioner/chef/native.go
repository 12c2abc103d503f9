package chef

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/galleyhq/galley/internal/cookbooks"
	"github.com/galleyhq/galley/internal/cookbooks/web"
	"github.com/galleyhq/galley/internal/env"
	"github.com/galleyhq/galley/internal/provisioner/base"
	"github.com/galleyhq/galley/internal/retry"
	"github.com/galleyhq/galley/internal/text"
	"github.com/galleyhq/galley/kitchen"
)

// open opens the Policyfile or Berksfile for Galley's own resolver.
func (p *Provisioner) open(ctx context.Context, step *kitchen.Step, file string) (*cookbooks.Project, *web.Meter, error) {
	o := cookbooks.Options{Env: env.New(p.set.Environ)}
	if p.cookbooks != nil {
		var err error
		if o, err = p.cookbooks(ctx); err != nil {
			return nil, nil, err
		}
	}
	o.Dir = p.set.Root
	o.Meter = &web.Meter{}
	o.Say = func(line string) { step.Report.Debug("%s", line) }
	o.Warn = func(line string) { step.Report.Warn("%s", line) }
	project, err := cookbooks.Open(file, o)
	return project, o.Meter, err
}

// installCookbooks installs the cookbooks of a project, newer ones if so configured.
func (p *Provisioner) installCookbooks(ctx context.Context, step *kitchen.Step, project *cookbooks.Project, m *web.Meter) error {
	defer retry.Every(time.Second, func(since time.Time) {
		step.Report.Waiting("the cookbooks of "+filepath.Base(project.File()), m.String(), since)
	})()
	if info, err := os.Stat(project.LockFile()); err == nil && info.Size() > 0 && p.chef.update {
		_, err := project.Update(ctx, cookbooks.UpdateOptions{})
		return err
	}
	_, err := project.Install(ctx)
	return err
}

// nativePolicy exports a Policyfile, and returns the folder and the policy's
// name.
func (p *Provisioner) nativePolicy(ctx context.Context, step *kitchen.Step) (dir, name string, err error) {
	file, group := p.chef.policyfile, p.chef.policyGroup
	project, meter, err := p.open(ctx, step, file)
	if err != nil {
		return "", "", err
	}
	dir, err = p.resolver.once(ctx, "native "+group+" "+file, func(dir string) error {
		step.Report.Info("Installing the cookbooks of %s", file)
		if err := p.installCookbooks(ctx, step, project, meter); err != nil {
			return err
		}
		_, err := project.Export(ctx, dir, cookbooks.ExportOptions{Group: group, Force: true})
		return err
	})
	if err != nil {
		return "", "", err
	}
	lock, err := project.PolicyLock()
	if err != nil {
		return "", "", err
	}
	if list := p.chef.namedList; list != "" && !slices.Contains(lock.NamedRunLists(), list) {
		return "", "", &NamedListError{Name: list, File: file, Have: lock.NamedRunLists()}
	}
	return dir, lock.Name, nil
}

// NamedListError tells that a policy does not have the named run list.
type NamedListError struct {
	Name, File string
	Have       []string
}

func (e *NamedListError) Error() string {
	if len(e.Have) == 0 {
		return fmt.Sprintf("named_run_list is %s, and %s has no named run lists", e.Name, e.File)
	}
	return fmt.Sprintf("named_run_list is %s, and %s has only %s", e.Name, e.File, text.And(e.Have))
}

// Hint names the list that may be meant.
func (e *NamedListError) Hint() string { return text.DidYouMean(e.Name, e.Have) }

// nativeBerks vendors the cookbooks of a Berksfile.
func (p *Provisioner) nativeBerks(ctx context.Context, step *kitchen.Step) (dir string, err error) {
	file := p.chef.berksfile
	project, meter, err := p.open(ctx, step, file)
	if err != nil {
		return "", err
	}
	return p.resolver.once(ctx, "native "+file, func(dir string) error {
		step.Report.Info("Resolving the cookbooks of %s", file)
		if err := p.installCookbooks(ctx, step, project, meter); err != nil {
			return err
		}
		_, err := project.Vendor(ctx, dir, false)
		return err
	})
}

// resolverKey reads who resolves cookbooks.
func (r *source) resolverKey(o base.Options) (peer bool) {
	const key = "resolver"
	word := r.str(key, o.Getenv("GALLEY_RESOLVER"))
	switch word {
	case "", "native":
		return false
	case "peer":
		return true
	}
	if r.Has(key) {
		r.mistake(key, "native, which is Galley itself, or peer, which is chef-cli or Berkshelf")
	} else {
		r.Add(fmt.Errorf("GALLEY_RESOLVER is %q; it is native or peer", word))
	}
	return false
}
