package openstack

import (
	"testing"
	"time"
)

func TestImageFor(t *testing.T) {
	at := func(day int) time.Time { return time.Date(2026, 1, day, 0, 0, 0, 0, time.UTC) }
	images := []Image{
		{ID: "1", Name: "Ubuntu 22.04 LTS (Jammy)", Status: "active", Created: at(1)},
		{ID: "2", Name: "ubuntu-22.04-minimal", Status: "active", Created: at(9)},
		{ID: "3", Name: "jammy", Distro: "ubuntu", Version: "22.04", Status: "active", Created: at(2)},
		{ID: "4", Name: "debian-12", Status: "active"},
		{ID: "5", Name: "debian-12", Status: "active", Created: at(3)},
		{ID: "6", Name: "centos-stream-9", Status: "active"},
		{ID: "7", Name: "rocky-9", Status: "deactivated"},
		{ID: "8", Name: "almalinux-9-snapshot", Status: "active", Snapshot: true},
	}
	for platform, want := range map[string]string{
		"ubuntu-22.04": "3 jammy ubuntu", "ubuntu-2204": "3 jammy ubuntu", "debian-12": "5 5 debian", "debian-12.5": "5 5 debian",
		"centos-9": "6 centos-stream-9 cloud-user", "ubuntu-24.04": "", "rocky-9": "", "almalinux-9": "", "windows-2022": "", "custom": "",
	} {
		got, ok := ImageFor(platform, images)
		said := ""
		if ok {
			said = got.ID + " " + got.Ref + " " + got.User
		}
		if said != want {
			t.Errorf("%s boots %q, want %q", platform, said, want)
		}
	}
}
