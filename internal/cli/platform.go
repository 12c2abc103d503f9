package cli

import (
	"context"
	"fmt"
	"strings"

	"github.com/galleyhq/galley/internal/openstack"
	"github.com/galleyhq/galley/kitchen"
)

// platformMismatch says that a platform is named after another operating
// system than its image has, "" if not.
func platformMismatch(platform string, image openstack.Image) string {
	want, wantVersion := openstack.System(openstack.Image{Name: platform})
	have, haveVersion := openstack.System(image)
	if want == "" || have == "" || openstack.SameSystem(want, wantVersion, have, haveVersion) {
		return ""
	}
	return fmt.Sprintf("the platform %s boots the image %q, which is %s", platform, image.Name, strings.TrimSpace(have+" "+haveVersion))
}

// mismatch is platformMismatch for an instance, by the image that it names.
func mismatch(ctx context.Context, c *openstack.Cloud, inst *kitchen.Instance, spec openstack.ServerSpec) string {
	if spec.Image == "" {
		return ""
	}
	image, err := c.Image(ctx, spec.Image, nil)
	if err != nil {
		return "" // which is reported as such
	}
	return platformMismatch(inst.Platform, image)
}
