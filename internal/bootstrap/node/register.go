package node

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"time"

	"github.com/galleyhq/galley/internal/bootstrap"
	"github.com/galleyhq/galley/internal/bootstrap/chefserver"
	"github.com/galleyhq/galley/internal/secret"
)

// The kinds of things that Register makes.
const (
	KindClient = "client"
	KindNode   = "node"
)

// cleanTime bounds the removal of what a failed Register has made.
const cleanTime = 30 * time.Second

// TakenError tells that the name of a node is in use on the Chef Server.
type TakenError struct {
	Name string
	// Node and Client say which of the two there is.
	Node, Client bool
}

func (e *TakenError) Error() string {
	what := "node and client"
	switch {
	case !e.Client:
		what = "node"
	case !e.Node:
		what = "client"
	}
	return fmt.Sprintf("the Chef Server already has a %s called %s", what, e.Name)
}

// Hint tells how to go on.
func (e *TakenError) Hint() string {
	return "take another name (-N), or let it be replaced with -y: the machine that has the name now loses its access"
}

// Register makes the client and the node object on the Chef Server, with the
// rights of the server's user, and returns the client's new private key
// (knife: validatorless bootstrap).
//
// A name that is taken is a *[TakenError], unless spec.Overwrite has both
// replaced. made is called before each thing is asked for, so that it is on
// record by then; an error from it ends Register. What was made by a Register
// that fails is removed again.
func Register(ctx context.Context, server *chefserver.Client, spec Spec, made func(kind, name string) error, rep Reporter) (secret.Text, error) {
	rep = bootstrap.Reporting(rep)
	if err := spec.Validate(); err != nil {
		return "", err
	}
	server = server.Noticing(rep.Waiting)
	if err := vacate(ctx, server, spec, rep); err != nil {
		return "", err
	}
	if err := made(KindClient, spec.Name); err != nil {
		return "", fmt.Errorf("recording the client %s before it is made: %w", spec.Name, err)
	}
	rep.Info("Creating new client for %s", spec.Name)
	// An answer is waited for even when ctx ends meanwhile: a request that is cut
	// off may take effect later.
	answered := context.WithoutCancel(ctx)
	key, err := server.CreateClient(answered, spec.Name)
	if err == nil {
		if err = ctx.Err(); err != nil {
			return "", undo(ctx, server, spec.Name, err, true)
		}
	}
	if err != nil {
		return "", undo(ctx, server, spec.Name, err, false)
	}
	if err := made(KindNode, spec.Name); err != nil {
		return "", undo(ctx, server, spec.Name, fmt.Errorf("recording the node %s before it is made: %w", spec.Name, err), true)
	}
	rep.Info("Creating new node for %s", spec.Name)
	owner, err := server.AsOwner(spec.Name, key)
	if err == nil {
		err = owner.CreateNode(answered, spec.object())
	}
	if err == nil {
		err = ctx.Err()
	}
	if err != nil {
		return "", undo(ctx, server, spec.Name, err, true)
	}
	return key, nil
}

// vacate sees that the name is free, and frees it where that is allowed.
func vacate(ctx context.Context, server *chefserver.Client, spec Spec, rep Reporter) error {
	var err error
	taken := &TakenError{Name: spec.Name}
	if taken.Node, err = server.NodeExists(ctx, spec.Name); err != nil {
		return fmt.Errorf("looking whether the node %s exists: %w", spec.Name, err)
	}
	if taken.Client, err = server.ClientExists(ctx, spec.Name); err != nil {
		return fmt.Errorf("looking whether the client %s exists: %w", spec.Name, err)
	}
	if !taken.Node && !taken.Client {
		return nil
	}
	if !spec.Overwrite {
		return taken
	}
	rep.Info("Replacing what the Chef Server has under the name %s", spec.Name)
	if err := server.DeleteNode(ctx, spec.Name); err != nil {
		return err
	}
	return server.DeleteClient(ctx, spec.Name)
}

// undo removes the objects that a Register which failed with err may have made. The name
// was free before; what another has made under it since is left alone.
func undo(ctx context.Context, server *chefserver.Client, name string, err error, client bool) error {
	var answer *chefserver.Error
	refused := errors.As(err, &answer)
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanTime)
	defer cancel()
	var left error
	if client && !refused {
		left = server.DeleteNode(ctx, name)
	}
	if client || !refused {
		left = errors.Join(left, server.DeleteClient(ctx, name))
	}
	if left != nil {
		return errors.Join(err, fmt.Errorf("removing the objects of %s from the Chef Server failed as well: %w", name, left))
	}
	return err
}

// object is the node as the Chef Server keeps it.
func (s *Spec) object() chefserver.Node {
	n := chefserver.Node{
		Name: s.Name, Environment: s.Environment, RunList: s.runList(),
		PolicyName: s.PolicyName, PolicyGroup: s.PolicyGroup, Normal: maps.Clone(s.Attributes),
	}
	delete(n.Normal, "run_list")
	if tags := s.tags(); tags != nil {
		if n.Normal == nil {
			n.Normal = map[string]any{}
		}
		n.Normal["tags"] = tags
	}
	return n
}

// Unregister removes the node and the client called name, and reports which of
// them there was. One that does not exist is not an error.
func Unregister(ctx context.Context, server *chefserver.Client, name string, rep Reporter) error {
	rep = bootstrap.Reporting(rep)
	server = server.Noticing(rep.Waiting)
	remove := func(kind string, exists func(context.Context, string) (bool, error), del func(context.Context, string) error) error {
		there, err := exists(ctx, name)
		if err != nil {
			return fmt.Errorf("looking whether the %s %s exists: %w", kind, name, err)
		}
		if !there {
			rep.Info("The Chef Server has no %s called %s", kind, name)
			return nil
		}
		if err := del(ctx, name); err != nil {
			return err
		}
		rep.Info("Deleted %s %s", kind, name)
		return nil
	}
	return errors.Join(
		remove(KindNode, server.NodeExists, server.DeleteNode),
		remove(KindClient, server.ClientExists, server.DeleteClient),
	)
}
