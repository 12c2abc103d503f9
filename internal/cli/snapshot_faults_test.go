//go:build unix

package cli_test

import (
	"fmt"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/galleyhq/galley/internal/devcloud"
	"github.com/galleyhq/galley/internal/testing/standin"
)

// imagesOf returns how many images there are that users have made.
func imagesOf(c *devcloud.Cloud) int {
	return len(c.Resources()["images"])
}

// TestSnapshotAtEveryCall ends or disturbs a snapshot at every API call. One
// that succeeds has made one image; what another one has left goes with the next
// snapshot or with a destroy.
func TestSnapshotAtEveryCall(t *testing.T) {
	t.Parallel()
	for name, way := range disturbances {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newCloud(t, devcloud.Options{})
			p := newLeakProject(t, c, kitchenFile)
			p.must(t, "create")
			n := p.callsOf(t, c, "snapshot", "default-debian-12")
			p.must(t, "prune", "--all", "--yes")
			for i, k := range points(t, n) {
				said, code := p.disturbed(t, c, way, k, "snapshot", "default-debian-12")
				when := fmt.Sprintf("%s at call %d of %d of a snapshot that ended with %d", name, k, n, code)
				switch {
				case code == 0:
				case i%2 == 0:
					p.must(t, "snapshot", "default-debian-12")
				default:
					p.must(t, "destroy")
					// One that was complete when the run was killed is a snapshot.
					p.must(t, "prune", "--all", "--yes")
					wantNothing(t, c, when+", a destroy and a prune")
					p.must(t, "create")
					p.must(t, "snapshot", "default-debian-12")
				}
				if images := imagesOf(c); images != 1 && !(images == 2 && way.sig != nil) {
					t.Errorf("%s: %d images", when, images)
				}
				p.must(t, "prune", "--all", "--yes")
				if images := imagesOf(c); images != 0 {
					t.Errorf("%s: %d images after a prune", when, images)
				}
				if t.Failed() {
					t.Fatal(said)
				}
			}
			p.must(t, "destroy")
			wantNothing(t, c, "after snapshots and a destroy")
		})
	}
}

// TestImageCacheAtEveryCall does the same to a converge that caches its image,
// which fails only where the run itself is ended.
func TestImageCacheAtEveryCall(t *testing.T) {
	t.Parallel()
	for name, way := range disturbances {
		if testing.Short() && way.sig == nil {
			continue
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			web := httptest.NewServer(standin.Mirror{})
			t.Cleanup(web.Close)
			c := newCloud(t, devcloud.Options{})
			file := strings.Replace(kitchenFile, "  username: debian\n", "  username: debian\n  image_cache: true\n", 1)
			p := newLeakProject(t, c, file+"provisioner: {name: chef_infra, product_name: cinc, omnitruck_url: "+web.URL+"}\nverifier: {name: dummy}\n")
			p.must(t, "create")
			n := p.callsOf(t, c, "converge")
			if images := imagesOf(c); images != 1 {
				t.Fatalf("%d images after a converge", images)
			}
			for _, k := range points(t, n) {
				p.must(t, "destroy")
				p.must(t, "prune", "--all", "--yes")
				wantNothing(t, c, fmt.Sprintf("before call %d", k))
				p.must(t, "create")
				said, code := p.disturbed(t, c, way, k, "converge")
				if code != 0 && way.sig == nil {
					t.Errorf("%s at call %d of %d: the converge ended with %d", name, k, n, code)
				}
				if images := imagesOf(c); images > 1 {
					t.Errorf("%s at call %d of %d: %d images", name, k, n, images)
				}
				if t.Failed() {
					t.Fatal(said)
				}
			}
			p.must(t, "destroy")
			p.must(t, "prune", "--yes")
			wantNothing(t, c, "after a destroy and a prune")
		})
	}
}
