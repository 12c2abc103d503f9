package devcloud

import (
	"cmp"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/crypto/ssh"

	"github.com/galleyhq/galley/internal/devcloud/compute"
	"github.com/galleyhq/galley/internal/devcloud/db"
	"github.com/galleyhq/galley/internal/devcloud/identity"
	"github.com/galleyhq/galley/internal/devcloud/volume"
)

// IDs that never change, so that files can name them.
const (
	CentOSImageID = "b206baa3-3a80-41cf-9850-49021b8bb3c1"
	Net1ID        = "df7cc182-8794-4134-b700-1fb8f1fbf070"
	PublicNetID   = "5cb24fbe-9c2a-4a3b-8f0e-6f8d2a4e1c33"
)

const (
	adminUser    = "admin"
	demoProject  = "demo"
	adminProject = "admin"
	domainID     = "default"
	region       = "RegionOne"
	seedRouter   = "devcloud-router"
	// secondKeyPair is a key pair beside the one that has the user's name.
	secondKeyPair = "arnes"
)

// seedImages are the images, the one of the blog first.
var seedImages = []struct{ id, name, os, version string }{
	{CentOSImageID, "CentOS 7 GC 2014-09-16", "centos", "7"},
	{"9d3a1a49-2bd7-4c0e-8c6e-3f5c8fd4b7a1", "ubuntu-14.04", "ubuntu", "14.04"},
	{"4c8e3b7d-51f6-4a7a-9b0c-d0a9ce3f2e52", "ubuntu-22.04", "ubuntu", "22.04"},
	{"71c2f0de-0b64-4a5e-a3b8-1c6de2f4a903", "debian-12", "debian", "12"},
}

// seedFlavors are the flavors, numbered as Nova's own once were.
var seedFlavors = []db.Flavor{
	{Meta: db.Meta{ID: "1"}, Name: "m1.tiny", VCPUs: 1, RAM: 512, Disk: 4},
	{Meta: db.Meta{ID: "2"}, Name: "m1.small", VCPUs: 1, RAM: 2048, Disk: 20},
	{Meta: db.Meta{ID: "3"}, Name: "m1.medium", VCPUs: 2, RAM: 4096, Disk: 40},
}

// The settings that a cloud keeps.
const (
	settingSeed   = "seed"
	settingNet    = "net"
	settingListen = "listen"
	settingSSH    = "ssh_port"
	// settingPassword is the random password of a cloud that was given none.
	settingPassword = "password"
)

func (c *Cloud) setting(name string) (value string) {
	c.db.View(func() {
		if s := c.db.Settings.Get(name); s != nil {
			value = s.Value
		}
	})
	return value
}

func (c *Cloud) set(name, value string) error {
	if c.setting(name) == value {
		return nil
	}
	return c.db.Update(func() error {
		c.db.Settings.Delete(name)
		c.db.Settings.Insert(&db.Setting{Meta: db.Meta{ID: name}, Value: value})
		return nil
	})
}

// choosePassword makes a new cloud's password, unless the options name one. A
// documented one would let every user of the machine log in, since the API is
// on TCP.
func (c *Cloud) choosePassword() error {
	if c.opts.Password != "" {
		return nil
	}
	c.opts.Password = cmp.Or(c.setting(settingPassword), db.RandomString(24))
	return c.set(settingPassword, c.opts.Password)
}

// seed fills a new cloud: accounts, flavors, images, networks, a key pair.
func (c *Cloud) seed() error {
	public, err := c.keyPair()
	if err != nil {
		return err
	}
	w, o := c.db, c.opts
	if err := w.Update(func() error { c.identity.Seed(); return nil }); err != nil {
		return err
	}
	if c.setting(settingSeed) != "" {
		return c.renewUsers(public)
	}
	return w.Update(func() error {
		identity.AddDefaultDomain(w)
		admin, demo := identity.AddProject(w, adminProject), identity.AddProject(w, demoProject)
		all := []string{"admin", "member", "reader"}
		identity.AddUser(w, adminUser, o.Password, admin, map[string][]string{admin: all, demo: all})
		if err := c.seedUser(demo, public); err != nil {
			return err
		}
		for _, f := range seedFlavors {
			w.Flavors.Insert(&f)
		}
		for _, i := range seedImages {
			m := &db.Image{
				Meta: db.Meta{ID: i.id}, Name: i.name, Status: "active", Visibility: "public", Owner: admin,
				DiskFormat: "raw", Container: "bare", MinDisk: 1, MinRAM: 256, Seeded: true, Properties: map[string]string{"os_distro": i.os, "os_version": i.version},
			}
			// Guests have no separate disk; the image says so in its data.
			text := "The embedded cloud's guests are views of the host; this image represents " + i.name + ".\n"
			if err := c.images.Fill(m, strings.NewReader(text)); err != nil {
				return err
			}
			w.Images.Insert(m)
		}
		volume.AddType(w, "__DEFAULT__", "Default Volume Type")
		return c.seedNetworks(admin, demo)
	})
}

func (c *Cloud) seedNetworks(admin, demo string) error {
	addr := func(net, host int) string { return fmt.Sprintf("127.%d.%d.%d", c.claim.b, net, host) }
	outside := &db.Subnet{Std: db.Std{Name: "public-subnet"}, CIDR: addr(4, 0) + "/24", Gateway: addr(4, 1)}
	if n := c.opts.FloatingPool; n > 0 {
		outside.Pools = []db.Range{{Start: addr(4, 101), End: addr(4, 100+n)}}
	} else {
		outside.Pools = []db.Range{{Start: addr(4, 2), End: addr(4, 2)}} // the router's; none is left
	}
	public := &db.Network{
		Meta: db.Meta{ID: PublicNetID}, Std: db.Std{Name: "public", ProjectID: admin}, External: true,
		ProviderType: "flat", ProviderPhysical: "public",
	}
	if err := c.network.MakeNetwork(public, outside); err != nil {
		return err
	}
	c.db.Settings.Insert(&db.Setting{Meta: db.Meta{ID: settingSeed}, Value: "1"})
	if c.opts.Empty {
		return nil
	}
	inside := &db.Subnet{Std: db.Std{Name: "subnet1"}, CIDR: addr(1, 0) + "/24", Gateway: addr(1, 1), DHCP: true}
	net1 := &db.Network{Meta: db.Meta{ID: Net1ID}, Std: db.Std{Name: "net1", ProjectID: demo}, ProviderType: "vxlan"}
	if err := c.network.MakeNetwork(net1, inside); err != nil {
		return err
	}
	router := &db.Router{Std: db.Std{Name: seedRouter, ProjectID: demo}}
	if err := c.network.MakeRouter(router, public.ID, addr(4, 2), inside); err != nil {
		return err
	}
	c.network.OpenDefaultGroup(demo)
	return nil
}

// keyPair returns the public half of the key beside the RC file, making the key
// if it is not there. It is an ECDSA key in the old PEM form: every SSH library
// reads that, also those of 2014.
func (c *Cloud) keyPair() (public string, err error) {
	path := filepath.Join(c.opts.Dir, keyFile)
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			return "", err
		}
		der, err := x509.MarshalECPrivateKey(key)
		if err != nil {
			return "", err
		}
		data = pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: der})
		if err := writeFile(c.opts.Dir, keyFile, data); err != nil {
			return "", err
		}
	} else if err != nil {
		return "", err
	}
	signer, err := ssh.ParsePrivateKey(data)
	if err != nil {
		return "", fmt.Errorf("%s: %w", path, err)
	}
	public = strings.TrimSpace(string(ssh.MarshalAuthorizedKey(signer.PublicKey()))) + " galley-devcloud"
	return public, writeFile(c.opts.Dir, publicFile, []byte(public+"\n"))
}

// seedUser makes the user of the options, a member of the project, with key
// pairs of the key beside the RC file. It runs within an update of the db.
func (c *Cloud) seedUser(project, public string) error {
	fp, err := compute.Fingerprint(public)
	if err != nil {
		return err
	}
	user := identity.AddUser(c.db, c.opts.User, c.opts.Password, project, map[string][]string{project: {"member", "reader"}})
	if c.opts.Empty {
		return nil
	}
	for _, name := range []string{c.opts.User, secondKeyPair} {
		c.db.KeyPairs.Insert(&db.KeyPair{
			Meta: db.Meta{ID: user + "/" + name}, UserID: user, Name: name, Type: "ssh", PublicKey: public, Fingerprint: fp,
		})
	}
	return nil
}

// renewUsers brings the seeded users to the options, which the RC files name:
// those of an earlier start may have said another user or password.
func (c *Cloud) renewUsers(public string) error {
	return c.db.Update(func() error {
		if slices.Contains(identity.RenewUsers(c.db, c.opts.Password, adminUser, c.opts.User), c.opts.User) {
			return nil
		}
		demo := identity.FindProject(c.db, demoProject)
		if demo == "" {
			return fmt.Errorf("the project %q is gone, which user %q is to be in: `galley devcloud down --wipe` begins afresh",
				demoProject, c.opts.User)
		}
		return c.seedUser(demo, public)
	})
}
