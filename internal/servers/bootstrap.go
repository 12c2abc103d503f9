package servers

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/galleyhq/galley/internal/bootstrap/chefserver"
	"github.com/galleyhq/galley/internal/bootstrap/node"
	"github.com/galleyhq/galley/internal/secret"
	"github.com/galleyhq/galley/internal/state"
	"github.com/galleyhq/galley/kitchen"
)

// unregisterTime bounds the removal of what a failed bootstrap has registered.
const unregisterTime = 30 * time.Second

// Bootstrap makes an existing machine a node. What it registers at the Chef
// Server is recorded before it is asked for, until the bootstrap has ended in
// whatever way but a kill.
type Bootstrap struct {
	// Node is the node, Host how messages call its machine.
	Node node.Spec
	Host string
	// Chef is the Chef Server with the rights of its user; nil where the node
	// registers itself.
	Chef *chefserver.Client
	// Files are where records are.
	Files state.Nodes
	// Bus receives what happens; nil disables it.
	Bus *kitchen.Bus
	// Overwrite decides whether to replace a node of that name; its error ends
	// the bootstrap.
	Overwrite func(context.Context, *node.TakenError) error
	// KeepOnFailure leaves what a failed bootstrap has registered.
	KeepOnFailure bool
}

// Run bootstraps the machine. What was registered for one that did not become
// a node is removed; where only the client's first run fails, it is kept.
func (b *Bootstrap) Run(ctx context.Context, m node.Machine) error {
	report := b.Bus.Reporter("", 0, "")
	if err := node.CheckLogin(ctx, m, b.Node, report); err != nil {
		return err
	}
	var key secret.Text
	unregister := func() {}
	if b.Chef == nil {
		report.Warn("the node registers itself with the validation key, which is the legacy procedure: without validation_key in knife.rb it gets its own key")
	} else {
		j, unlock, err := b.open(ctx, report)
		if err != nil {
			return err
		}
		keep := false
		defer func() {
			var err error
			if !keep {
				err = j.forget()
			}
			if err = errors.Join(err, unlock()); err != nil {
				report.Warn("closing the record of %s: %v", b.Node.Name, err)
			}
		}()
		unregister = func() { keep = !b.unregister(ctx, report) }
		if key, err = b.register(ctx, j, report); err != nil {
			return err
		}
		j.rec.Complete = true
		if err := j.save(); err != nil {
			unregister()
			return err
		}
	}
	report.Info("Bootstrapping %s", b.Host)
	out := b.Bus.Reporter(b.Host, 0, "").Output()
	err := errors.Join(node.Bootstrap(ctx, m, b.Node, key, out, report), out.Close())
	switch {
	case err == nil:
	case errors.As(err, new(*node.RunError)):
		report.Warn("the node %s is registered and its machine configured: fix the cause and run the client there, or bootstrap again", b.Node.Name)
	case b.Chef != nil && b.KeepOnFailure:
		report.Warn("node and client %s are kept at the Chef Server (--keep-on-failure)", b.Node.Name)
	default:
		unregister()
	}
	return err
}

// open takes the lock of the node's name and begins a record. One of a
// bootstrap that was interrupted stays on disk until the node is asked for
// again; what has the name is then ours, if both objects were registered.
func (b *Bootstrap) open(ctx context.Context, report *kitchen.Reporter) (j *journal, unlock func() error, err error) {
	url, name := b.Node.ServerURL, b.Node.Name
	unlock, err = state.Lock(ctx, b.Files.Lock(url, name), fmt.Sprintf("the node %q", name), func(holder string) {
		report.Info("Waiting for %s, which bootstraps %s", holder, name)
	})
	if err != nil {
		return nil, nil, err
	}
	j, err = openJournal(b.Files.Record(url, name), name)
	switch {
	case err != nil:
		// It can only have been about this name; what has it is asked about.
		report.Warn("%v", err)
		j = &journal{path: b.Files.Record(url, name)}
	case j.rec.Complete:
		report.Info("An earlier bootstrap of %s from here was interrupted: its node and client are replaced", name)
		b.Node.Overwrite = true
	}
	j.rec = record{Version: recordVersion, Name: name, Started: time.Now().UTC(), Chef: &chefRecord{URL: url, Node: name}}
	return j, unlock, nil
}

// register creates the node's objects, after a question where the name is
// taken.
func (b *Bootstrap) register(ctx context.Context, j *journal, report *kitchen.Reporter) (secret.Text, error) {
	key, err := node.Register(ctx, b.Chef, b.Node, j.asked, report)
	var taken *node.TakenError
	if !errors.As(err, &taken) {
		return key, err
	}
	if err := b.Overwrite(ctx, taken); err != nil {
		return "", err
	}
	b.Node.Overwrite = true
	return node.Register(ctx, b.Chef, b.Node, j.asked, report)
}

// unregister removes registered objects, and reports whether they are gone.
func (b *Bootstrap) unregister(ctx context.Context, report *kitchen.Reporter) bool {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), unregisterTime)
	defer cancel()
	report.Info("Removing %s from the Chef Server again", b.Node.Name)
	err := node.Unregister(ctx, b.Chef, b.Node.Name, report)
	if err != nil {
		report.Warn("%v", err)
	}
	return err == nil
}
