package image

import (
	"crypto/md5"
	"crypto/sha512"
	"encoding/hex"
	"errors"
	"io"
	"os"

	"github.com/galleyhq/galley/internal/devcloud/api"
	"github.com/galleyhq/galley/internal/devcloud/db"
)

// Fill writes an image's data and fills in its size and hashes.
func (s *Service) Fill(m *db.Image, from io.Reader) error {
	if err := os.MkdirAll(s.Dir, 0o700); err != nil {
		return err
	}
	f, err := os.CreateTemp(s.Dir, ".upload-*")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name()) // fails once renamed, as it should
	sum, sum512 := md5.New(), sha512.New()
	n, err := io.Copy(io.MultiWriter(f, sum, sum512), from)
	if err := errors.Join(err, f.Close()); err != nil {
		return err
	}
	if err := os.Rename(f.Name(), s.DataPath(m.ID)); err != nil {
		return err
	}
	m.Size, m.VirtualSize = n, n
	m.Checksum, m.HashAlgo, m.Hash = hex.EncodeToString(sum.Sum(nil)), "sha512", hex.EncodeToString(sum512.Sum(nil))
	return nil
}

// Copy gives an image the data of another.
func (s *Service) Copy(m, from *db.Image) error {
	m.Size, m.VirtualSize, m.Checksum, m.HashAlgo, m.Hash = from.Size, from.VirtualSize, from.Checksum, from.HashAlgo, from.Hash
	m.DiskFormat, m.Container, m.Seeded, m.Snapshot = from.DiskFormat, from.Container, from.Seeded, from.Snapshot
	return os.Link(s.DataPath(from.ID), s.DataPath(m.ID)) // data are replaced, never changed
}

func requireFormats(m *db.Image) error {
	if m.DiskFormat == "" || m.Container == "" {
		return api.BadRequest("Properties disk_format, container_format must be set prior to saving data.")
	}
	return nil
}

// receive takes the call's data for an image without any.
func (s *Service) receive(r *api.Request) error {
	if ct := r.HTTP.Header.Get("Content-Type"); ct != "application/octet-stream" {
		return &api.Error{Status: 415, Message: "The request media type " + ct + " is not supported by this server. "}
	}
	var m *db.Image
	var err error
	s.db.View(func() {
		if m, err = s.own(r); err == nil {
			err = requireFormats(m)
		}
	})
	if err != nil {
		return err
	}
	if m.Status != "queued" {
		return api.Conflict("Image status transition from %s to saving is not allowed", m.Status)
	}
	// The data come before the transaction, so that a slow upload stops nobody.
	if err := s.Fill(m, r.HTTP.Body); err != nil {
		return err
	}
	return s.db.Update(func() error {
		now := s.db.Images.Get(m.ID)
		if now == nil {
			return &api.Error{Status: 410, Message: "Image " + m.ID +
				" could not be found after upload. The image may have been deleted during the upload."}
		}
		now.Size, now.VirtualSize, now.Checksum, now.HashAlgo, now.Hash = m.Size, m.VirtualSize, m.Checksum, m.HashAlgo, m.Hash
		now.Status = "active"
		s.db.Images.Put(now)
		return nil
	})
}

func (s *Service) upload(r *api.Request) (*api.Reply, error) {
	return nil, s.receive(r)
}

func (s *Service) download(r *api.Request) (*api.Reply, error) {
	var m *db.Image
	var err error
	s.db.View(func() { m, err = s.find(r) })
	switch {
	case err != nil:
		return nil, err
	case m.Status == "deactivated" && !r.Auth.Admin():
		return nil, api.Forbidden("The requested image has been deactivated. Image data download is forbidden.")
	case m.Status != "active" && m.Status != "deactivated":
		return nil, nil
	}
	f, err := os.Open(s.DataPath(m.ID))
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	return &api.Reply{
		File: f, Type: "application/octet-stream", Header: map[string][]string{"Content-Md5": {m.Checksum}},
	}, err
}
