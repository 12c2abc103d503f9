package settings_test

import (
	"testing"

	"github.com/galleyhq/galley/internal/settings"
)

func TestAdviceInEachDialect(t *testing.T) {
	a := settings.Advise("set %s to one of %d images and create %s again", settings.Image, 3, settings.TheMachine)
	for d, want := range map[settings.Dialect]string{
		settings.Kitchen: "set image_ref to one of 3 images and create the instance again",
		settings.Knife:   "set --image to one of 3 images and create the server again",
	} {
		if got := a.In(d); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	if got := settings.Advise("100 % sure").In(settings.Knife); got != "100 % sure" {
		t.Errorf("without arguments the text is kept as it is: %q", got)
	}
	if !(settings.Advice{}).IsZero() || a.IsZero() {
		t.Error("only the zero value has no advice")
	}
}

func TestSpelling(t *testing.T) {
	for id, want := range map[settings.ID][2]string{
		settings.Image:    {"image_ref", "--image"},
		settings.Password: {"openstack_api_key", "--openstack-password"},
		settings.UserID:   {"openstack_userid", "knife[:openstack_userid]"},
		settings.FixedIP:  {"fixed_ip", "fixed_ip"},
	} {
		if got := [2]string{id.In(settings.Kitchen), id.In(settings.Knife)}; got != want {
			t.Errorf("%s: got %q, want %q", id, got, want)
		}
	}
}

// TestTableHasEveryIdentity holds that the constants name entries of the
// table.
func TestTableHasEveryIdentity(t *testing.T) {
	for _, id := range []settings.ID{
		settings.AuthURL, settings.Username, settings.UserID, settings.Password, settings.Token, settings.UserDomain,
		settings.ProjectDomain, settings.DomainName, settings.ProjectName, settings.ProjectID, settings.AppCredID,
		settings.AppCredName, settings.AppCredSecret, settings.Region, settings.EndpointType, settings.ServiceType,
		settings.ServiceName, settings.ComputeURL, settings.IdentityVersion, settings.Cloud, settings.CloudsYAML,
		settings.CACert, settings.Insecure, settings.ConnectTimeout, settings.ReadTimeout, settings.WriteTimeout,
		settings.ServerName, settings.ServerNamePrefix, settings.Image, settings.ImageID, settings.Flavor,
		settings.FlavorID, settings.Networks, settings.NetworkIDs, settings.AddressNetwork, settings.Ports,
		settings.FixedIP, settings.KeyPair, settings.SecurityGroups, settings.AvailabilityZone, settings.UserData,
		settings.CloudConfig, settings.ConfigDrive, settings.Metadata, settings.Tags, settings.Description,
		settings.SchedulerHints, settings.ServerGroup, settings.FloatingIP, settings.FloatingIPPools,
		settings.AllocateIP, settings.ActiveTimeout, settings.BlockDevices, settings.Volumes,
	} {
		if _, ok := settings.Lookup(id); !ok {
			t.Errorf("%s is not in the table", id)
		}
	}
}
