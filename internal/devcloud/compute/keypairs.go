package compute

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"maps"
	"strings"

	"golang.org/x/crypto/ssh"

	"github.com/galleyhq/galley/internal/devcloud/api"
	"github.com/galleyhq/galley/internal/devcloud/db"
	shared "github.com/galleyhq/galley/internal/text"
)

// keyID is a key pair's place in the table; names are each user's own.
func keyID(user, name string) string { return user + "/" + name }

// Fingerprint is the MD5 fingerprint that Nova shows of a public key in
// authorized_keys form.
func Fingerprint(publicKey string) (string, error) {
	k, _, _, _, err := ssh.ParseAuthorizedKey([]byte(publicKey))
	if err != nil {
		return "", err
	}
	return ssh.FingerprintLegacyMD5(k), nil
}

// keyOwner is the user whose key pairs a call is about; from 2.10 an
// administrator may name another.
func keyOwner(r *api.Request) (string, error) {
	if id := r.Query("user_id"); id != "" && r.Version.AtLeast(api.V(10)) && id != r.Auth.UserID {
		if !r.Auth.Admin() {
			return "", forbidden("os_compute_api:os-keypairs")
		}
		return id, nil
	}
	return r.Auth.UserID, nil
}

func keyView(r *api.Request, k *db.KeyPair) api.Obj {
	o := api.Obj{"name": k.Name, "public_key": k.PublicKey, "fingerprint": k.Fingerprint}
	since(r, 2, o, api.Obj{"type": k.Type})
	return o
}

func (s *Service) listKeyPairs(r *api.Request) (*api.Reply, error) {
	owner, err := keyOwner(r)
	if err != nil {
		return nil, err
	}
	keys := s.db.KeyPairs.Where(func(k *db.KeyPair) bool { return k.UserID == owner })
	sortBy(keys, func(k *db.KeyPair) string { return k.Name })
	view := func(k *db.KeyPair) api.Obj { return api.Obj{"keypair": keyView(r, k)} }
	if !r.Version.AtLeast(api.V(35)) { // which brought pages
		return api.OK(api.Obj{"keypairs": api.Views(keys, view)})
	}
	return paged(r, "keypairs", keys, func(k *db.KeyPair) string { return k.Name }, view)
}

var (
	keyName   = shared.Lazy(`^[a-zA-Z0-9 _-]+$`)
	keyName92 = shared.Lazy(`^[a-zA-Z0-9 _@.-]+$`)
)

func (s *Service) createKeyPair(r *api.Request) (*api.Reply, error) {
	in, err := body(r, "keypair", []field{
		{name: "name", check: text(1, 255), required: true},
		{name: "public_key", check: isString, max: api.V(91)},
		{name: "public_key", check: isString, min: api.V(92), required: true},
		{name: "type", check: oneOf("ssh", "x509"), min: api.V(2)},
		{name: "user_id", check: isString, min: api.V(10)},
	})
	if err != nil {
		return nil, err
	}
	k := &db.KeyPair{UserID: r.Auth.UserID, Name: strOf(in, "name"), Type: "ssh", PublicKey: strOf(in, "public_key")}
	if u := strOf(in, "user_id"); u != "" && u != k.UserID {
		if !r.Auth.Admin() {
			return nil, forbidden("os_compute_api:os-keypairs:create")
		}
		k.UserID = u
	}
	if strOf(in, "type") == "x509" {
		return nil, api.BadRequest("Keypair data is invalid: this cloud keeps ssh keys only")
	}
	allowed := keyName
	if r.Version.AtLeast(api.V(92)) {
		allowed = keyName92
	}
	if !allowed().MatchString(k.Name) {
		return nil, api.BadRequest("Keypair data is invalid: Keypair name contains unsafe characters")
	}
	private := ""
	if k.PublicKey == "" {
		if private, k.PublicKey, err = generateKey(); err != nil {
			return nil, err
		}
	}
	if k.Fingerprint, err = Fingerprint(k.PublicKey); err != nil {
		return nil, api.BadRequest("Keypair data is invalid: failed to generate fingerprint")
	}
	k.ID = keyID(k.UserID, k.Name)
	if s.db.KeyPairs.Get(k.ID) != nil {
		return nil, api.Conflict("Key pair '%s' already exists.", k.Name)
	}
	have := s.db.KeyPairs.Count(func(x *db.KeyPair) bool { return x.UserID == k.UserID })
	if !s.quotas.Allows(r.Auth.ProjectID, "key_pairs", have+1) {
		return nil, api.Forbidden("Quota exceeded, too many key pairs.")
	}
	s.db.KeyPairs.Insert(k)
	o := keyView(r, k)
	o["user_id"] = k.UserID
	if private != "" {
		o["private_key"] = private
	}
	status := 200
	if r.Version.AtLeast(api.V(2)) {
		status = 201
	}
	return &api.Reply{Status: status, Body: api.Obj{"keypair": o}}, nil
}

// generateKey makes a key pair as Nova does: RSA with 2048 bits, PKCS#1.
func generateKey() (private, public string, err error) {
	k, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return "", "", err
	}
	pub, err := ssh.NewPublicKey(&k.PublicKey)
	if err != nil {
		return "", "", err
	}
	private = string(pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(k)}))
	return private, strings.TrimSpace(string(ssh.MarshalAuthorizedKey(pub))) + " Generated-by-Nova", nil
}

// keyPair is the key pair that the path names.
func (s *Service) keyPair(r *api.Request) (*db.KeyPair, error) {
	owner, err := keyOwner(r)
	if err != nil {
		return nil, err
	}
	k := s.db.KeyPairs.Get(keyID(owner, r.Var("name")))
	if k == nil {
		return nil, api.NotFound("Keypair %s not found for user %s", r.Var("name"), owner)
	}
	return k, nil
}

func (s *Service) showKeyPair(r *api.Request, k *db.KeyPair) (*api.Reply, error) {
	o := keyView(r, k)
	maps.Copy(o, api.Obj{
		"user_id": k.UserID, "created_at": api.Micros(k.Created), "updated_at": nil, "deleted": false, "deleted_at": nil, "id": k.Seq,
	})
	return api.OK(api.Obj{"keypair": o})
}

func (s *Service) deleteKeyPair(r *api.Request, k *db.KeyPair) (*api.Reply, error) {
	s.db.KeyPairs.Delete(k.ID)
	if r.Version.AtLeast(api.V(2)) {
		return nil, nil
	}
	return api.Accepted(nil)
}
