package session

import (
	"strings"
	"testing"

	"github.com/galleyhq/galley/internal/credentials"
)

func TestEndpoint(t *testing.T) {
	c := &Session{catalog: []service{
		{"object-store", "swift", []endpoint{{"R", "public", "https://h/v1/AUTH_p/"}, {"R", "internal", "https://i/v1"}, {"S", "public", "https://s/v1"}}},
		{"volumev3", "cinder", []endpoint{{"R", "public", "https://h/volume/v3/p"}}},
		{"image", "glance", []endpoint{{"R", "public", "https://h/image"}}},
	}}
	for _, x := range []struct {
		auth           credentials.Auth
		service        string
		want, bad, tip string
	}{
		{credentials.Auth{Region: "R"}, "object-store", "https://h/v1/AUTH_p", "", ""},
		{credentials.Auth{Region: "R", Interface: "internalURL"}, "object-store", "https://i/v1", "", ""},
		{credentials.Auth{Region: "S"}, "Object-Store", "https://s/v1", "", ""},
		{credentials.Auth{Region: "R"}, "block-storage", "https://h/volume/v3/p", "", ""},
		{credentials.Auth{Region: "R", ImageURL: "https://mirror/image/"}, "image", "https://mirror/image", "", ""},
		{credentials.Auth{Region: "R"}, "dns", "", "the catalogue of this project does not have it", "the catalogue has image, object-store, volumev3"},
		{credentials.Auth{Region: "T"}, "image", "", `there is no region "T"`, "OS_REGION_NAME"},
		{credentials.Auth{}, "object-store", "", "several regions: R, S", "OS_REGION_NAME"},
	} {
		c.auth = x.auth
		got, err := c.Endpoint(x.service)
		if x.bad == "" {
			if err != nil || got != x.want {
				t.Errorf("%s in %+v: %q, %v", x.service, x.auth, got, err)
			}
			continue
		}
		e, ok := err.(*Error)
		if !ok || !strings.Contains(e.Error(), x.bad) || !strings.Contains(e.Hint(), x.tip) {
			t.Errorf("%s in %+v: %q, %v", x.service, x.auth, got, err)
		}
	}
}
