package openstack

import (
	"testing"

	"github.com/galleyhq/galley/internal/testing/fakecloud"
)

// Nova leaves a volume reserved whose server was deleted while it was built.
func TestVolumeThatStaysReserved(t *testing.T) {
	f := fakecloud.New(t)
	c := connect(t, f)
	c.reservedPatience = 0
	f.Volumes["v1"] = map[string]any{"id": "v1", "name": "data", "status": "reserved", "server": "gone"}
	existed, err := c.deleteVolume(t.Context(), "v1", "data", silentReporter{})
	if err != nil || !existed || len(f.Volumes) != 0 {
		t.Errorf("existed %v, %v, left %v", existed, err, f.Volumes)
	}
}
