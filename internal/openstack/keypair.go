package openstack

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"github.com/gophercloud/gophercloud/v2/openstack/compute/v2/keypairs"
	"golang.org/x/crypto/ssh"

	"github.com/galleyhq/galley/internal/atomicfile"
	"github.com/galleyhq/galley/internal/openstack/session"
)

// createKeyPair creates the server's own key pair if it is to have one, and
// returns the name of the one to use. The private key is on disk before the
// public one is uploaded.
func (in *intent) createKeyPair(ctx context.Context, keyName string, want *NewKeyPair) (string, error) {
	if keyName != "" || want == nil {
		return keyName, nil
	}
	name := keyPairName(in.rec)
	public := want.PublicKey
	sc := in.c.ComputeClient()
	if public == "" {
		// One that an earlier run left is used again, so that a key pair which
		// was uploaded before a crash fits.
		if err := in.save(func(rec *Record) { rec.KeyFile = want.PrivateKeyFile }); err != nil {
			return "", err
		}
		var err error
		if public, err = generateKey(want.PrivateKeyFile, in.rec.Owner); err != nil {
			return "", err
		}
	}
	_, _, err := in.do(ctx, request{
		kind: KindKeyPair, name: name, what: fmt.Sprintf("upload the key pair %q", name),
		ask: func(ctx context.Context) (string, error) {
			_, err := one(keypairs.Create(ctx, sc, keypairs.CreateOpts{Name: name, PublicKey: public}).Extract())
			return name, err
		},
	})
	return name, err
}

const keyPairPrefix = "galley-"

// keyPairName is unique by the token, and says whose it is.
func keyPairName(r *Record) string {
	name := keyPairPrefix
	if p := label(r.Project, 16); p != "" {
		name += p + "-"
	}
	if o := label(r.Owner, 40); o != "" {
		name += o + "-"
	}
	return name + r.Token
}

// generateKey makes an Ed25519 key, writes the private half to path and
// returns the public half as an authorized_keys line. A key that is there
// already is used again.
func generateKey(path, comment string) (string, error) {
	if old, err := os.ReadFile(path); err == nil {
		if signer, err := ssh.ParsePrivateKey(old); err == nil {
			return authorizedLine(signer.PublicKey(), comment), nil
		}
	}
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return "", err
	}
	block, err := ssh.MarshalPrivateKey(private, comment)
	if err != nil {
		return "", err
	}
	if err = os.MkdirAll(filepath.Dir(path), 0o700); err == nil {
		err = atomicfile.Write(path, pem.EncodeToMemory(block), 0o600)
	}
	if err != nil {
		return "", fmt.Errorf("cannot write the private key: %w", err)
	}
	key, err := ssh.NewPublicKey(public)
	if err != nil {
		return "", err
	}
	return authorizedLine(key, comment), nil
}

func authorizedLine(k ssh.PublicKey, comment string) string {
	line := strings.TrimSpace(string(ssh.MarshalAuthorizedKey(k)))
	if comment != "" {
		line += " " + comment
	}
	return line
}

// UploadKeyPair gives the user a key pair of a public key, which is a line as
// in authorized_keys.
func (c *Cloud) UploadKeyPair(ctx context.Context, name, public string) (KeyPair, error) {
	sc := c.ComputeClient()
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
	sc := c.ComputeClient()
	err := keypairs.Delete(ctx, sc, url.PathEscape(name), nil).ExtractErr()
	if !session.IsStatus(err, 404) {
		return session.Explain(fmt.Sprintf("delete the key pair %q", name), err)
	}
	keys, err := c.KeyPairs(ctx)
	if err != nil {
		return err
	}
	return notFound("key pair", name, each(keys, nameOf[KeyPair]))
}
