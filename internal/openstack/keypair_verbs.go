package openstack

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"

	"github.com/gophercloud/gophercloud/v2/openstack/compute/v2/keypairs"

	"github.com/galleyhq/galley/internal/openstack/session"
)

// What people do with key pairs by hand. Those of servers are in keypair.go.

// UploadKeyPair gives the user a key pair of a public key, which is a line as
// in authorized_keys.
func (c *Cloud) UploadKeyPair(ctx context.Context, name, public string) (KeyPair, error) {
	sc, err := c.ComputeClient()
	if err != nil {
		return KeyPair{}, err
	}
	k, err := one(keypairs.Create(ctx, sc, keypairs.CreateOpts{Name: name, PublicKey: public}).Extract())
	if err != nil {
		return KeyPair{}, session.Explain(fmt.Sprintf("upload the key pair %q", name), err)
	}
	return KeyPair{k.Name, k.Fingerprint, k.PublicKey}, nil
}

// MakeKeyPair gives the user a key pair of a new Ed25519 key. The private
// half is in the file at path, of mode 0600, before the public half is
// uploaded; a file that is there is left alone, and is an error. When the
// cloud refuses, the file is removed again.
func (c *Cloud) MakeKeyPair(ctx context.Context, name, path string) (KeyPair, error) {
	if _, err := os.Lstat(path); err == nil {
		return KeyPair{}, session.Fail(session.InUse, fmt.Sprintf("make the key pair %q", name), "the file "+path+" is there already",
			"name another file for the private key, or upload the public half of that one")
	} else if !errors.Is(err, fs.ErrNotExist) {
		return KeyPair{}, fmt.Errorf("cannot write the private key: %w", err)
	}
	public, err := generateKey(path, name)
	if err != nil {
		return KeyPair{}, err
	}
	k, err := c.UploadKeyPair(ctx, name, public)
	if err != nil && ctx.Err() == nil && !session.Unsettled(err) {
		return k, session.Join(err, os.Remove(path))
	}
	return k, err
}

// DeleteKeyPair deletes a key pair of the user's; one that does not exist is
// an error that tells which there are.
func (c *Cloud) DeleteKeyPair(ctx context.Context, name string) error {
	sc, err := c.ComputeClient()
	if err != nil {
		return err
	}
	err = keypairs.Delete(ctx, sc, url.PathEscape(name), nil).ExtractErr()
	if !session.IsStatus(err, 404) {
		return session.Explain(fmt.Sprintf("delete the key pair %q", name), err)
	}
	keys, err := c.KeyPairs(ctx)
	if err != nil {
		return err
	}
	return notFound("key pair", name, each(keys, nameOf[KeyPair]))
}
