package cli

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"

	"github.com/galleyhq/galley/internal/config"
	"github.com/galleyhq/galley/internal/openstack"
	"github.com/galleyhq/galley/internal/text"
)

// localPlan is a kitchen.local.yml that runs a kitchen file written for
// another driver on OpenStack.
type localPlan struct {
	// Path is the file to write, Source the kitchen file, Foreign its driver.
	Path, Source, Foreign string
	OpenStack             initOpenStack
	// Transport, Provisioner and Verifier replace plug-ins that belong to the
	// other driver; "" keeps the file's own.
	Transport, Provisioner, Verifier string
	// Platforms are the file's own, as YAML.
	Platforms []*yaml.Node
	// Images has the image of each platform by name.
	Images map[string]openstack.SuggestedImage
	// Unmatched are platforms that no image of the cloud fits.
	Unmatched []string
}

// localFile writes kitchen.local.yml where the kitchen file names a driver
// that Galley does not have. It reports whether that is so. Without a cloud
// nothing is written: a file of placeholders would only be in the way of the
// next init.
func (o *initOptions) localFile(ctx context.Context, opts config.Options, file string) (foreign bool, err error) {
	p, err := config.Load(ctx, opts)
	if err != nil || len(p.Instances) == 0 {
		return false, nil // doctor and validate report its faults
	}
	plan := localPlan{Source: file, Path: filepath.Join(opts.Root, "kitchen.local.yml"), Images: map[string]openstack.SuggestedImage{}}
	if named := opts.Env.Get("KITCHEN_LOCAL_YAML"); named != "" {
		plan.Path = named
	}
	for _, inst := range p.Instances {
		if name := inst.Driver.Name(); name != "" && !supportedDriver(name) {
			plan.Foreign = name
			plan.replacePlugins(inst)
			break
		}
	}
	if plan.Foreign == "" {
		return false, nil
	}
	source, local := relativeTo(opts.Root, file), relativeTo(opts.Root, plan.Path)
	if _, err := os.Lstat(plan.Path); err == nil {
		o.notef("%s uses the %s driver. %s exists and was not changed: it must name the openstack driver.", source, plan.Foreign, local)
		return false, nil
	}
	if plan.Platforms, err = platformNodes(ctx, opts, file); err != nil {
		return false, err
	}
	if err := o.matchImages(ctx, opts, &plan); err != nil {
		return false, err
	}
	if !plan.OpenStack.Known {
		o.notef("%s uses the %s driver. To run it on OpenStack, source your cloud's RC file (or start the embedded cloud: `%s devcloud up`) and run `%s init` again: it writes %s.",
			source, plan.Foreign, o.name, o.name, local)
		return true, nil
	}
	content, err := plan.content()
	if err != nil {
		return false, err
	}
	if _, err := createFile(plan.Path, string(content)); err != nil {
		return false, err
	}
	fmt.Fprintf(o.streams.Out, "%12s  %s\n", initCreated, local)
	o.notef("%s uses the %s driver; %s runs it on OpenStack and leaves it unchanged.", source, plan.Foreign, local)
	if len(plan.Unmatched) > 0 {
		o.notef("No image of the cloud fits %s, which is left out there: name one to test on it (`%s image list`).", text.And(plan.Unmatched), o.name)
	}
	o.notef("Next: `%s doctor` checks it, `%s test` runs everything.", o.name, o.name)
	return true, nil
}

// replacePlugins replaces what belongs to the other driver.
func (l *localPlan) replacePlugins(inst config.Instance) {
	if t := inst.Transport.Name(); t != "" && t != "ssh" {
		l.Transport = "ssh"
	}
	if p := inst.Provisioner.Name(); p == "dokken" {
		l.Provisioner = "chef_infra"
	}
	if v := inst.Verifier.Name(); v == "dokken" {
		l.Verifier = "inspec"
	}
}

// platformNodes returns the platforms of a kitchen file, rendered.
func platformNodes(ctx context.Context, opts config.Options, file string) ([]*yaml.Node, error) {
	r, err := config.Render(ctx, opts, file)
	if err != nil {
		return nil, err
	}
	var doc yaml.Node
	if err := yaml.Unmarshal([]byte(r.Text), &doc); err != nil {
		return nil, fmt.Errorf("reading the platforms of %s: %w", file, err)
	}
	if len(doc.Content) == 0 {
		return nil, nil
	}
	return valueOf(doc.Content[0], "platforms").Content, nil
}

// valueOf returns the value of a key in a mapping, an empty node without one.
func valueOf(mapping *yaml.Node, key string) *yaml.Node {
	if mapping.Kind == yaml.MappingNode {
		for i := 0; i+1 < len(mapping.Content); i += 2 {
			if mapping.Content[i].Value == key {
				return mapping.Content[i+1]
			}
		}
	}
	return &yaml.Node{}
}

// matchImages asks the cloud for what the plan needs. Where it cannot be
// asked, that is reported, and the plan's OpenStack is not Known.
func (o *initOptions) matchImages(ctx context.Context, opts config.Options, plan *localPlan) error {
	var lookup initPlan
	if err := o.askCloud(ctx, opts.Env, &lookup); err != nil {
		return err
	}
	if plan.OpenStack = lookup.OpenStack; !plan.OpenStack.Known {
		return nil
	}
	for _, node := range plan.Platforms {
		name := valueOf(node, "name").Value
		if image, ok := openstack.ImageFor(name, lookup.images); ok {
			plan.Images[name] = image
		} else if name != "" {
			plan.Unmatched = append(plan.Unmatched, name)
		}
	}
	return nil
}

// driverKeys are the keys of a platform that are about the other driver.
var driverKeys = []string{"driver", "driver_config", "driver_plugin"}

// content is the text of the file.
func (l *localPlan) content() ([]byte, error) {
	var t initText
	t.line("---",
		"# Runs the instances of "+filepath.Base(l.Source)+", which uses the "+l.Foreign+" driver, on OpenStack.",
		"# This file is your own: it does not belong in version control.")
	t.openstack(l.OpenStack)
	if l.Transport != "" || l.OpenStack.PortVariable != "" {
		t.line("", "transport:")
		if l.Transport != "" {
			t.line("  name: " + l.Transport)
		}
		if v := l.OpenStack.PortVariable; v != "" {
			t.line("  port: <%= ENV['" + v + "'] || 22 %>")
		}
	}
	if l.Provisioner != "" {
		t.line("", "provisioner:", "  name: "+l.Provisioner)
	}
	if l.Verifier != "" {
		t.line("", "verifier:", "  name: "+l.Verifier)
	}
	t.line("", "# The platforms of "+filepath.Base(l.Source)+" with an image of the cloud each.", "platforms:")
	for _, node := range l.Platforms {
		block, err := l.platform(node)
		if err != nil {
			return nil, err
		}
		t.WriteString(block)
	}
	return []byte(t.String()), nil
}

// platform is one platform with its image and login user.
func (l *localPlan) platform(node *yaml.Node) (string, error) {
	name := valueOf(node, "name").Value
	image, known := l.Images[name]
	out := &yaml.Node{Kind: yaml.MappingNode}
	for i := 0; i+1 < len(node.Content); i += 2 {
		if !slices.Contains(driverKeys, node.Content[i].Value) {
			out.Content = append(out.Content, node.Content[i], node.Content[i+1])
		}
	}
	if known {
		add(out, "driver", "image_ref", image.Ref)
		if image.User != "" && valueOf(node, "transport").Kind == 0 {
			add(out, "transport", "username", image.User)
		}
	}
	var b bytes.Buffer
	enc := yaml.NewEncoder(&b)
	enc.SetIndent(2)
	if err := enc.Encode([]*yaml.Node{out}); err != nil {
		return "", fmt.Errorf("writing the platform %s: %w", name, err)
	}
	block := "  " + strings.ReplaceAll(strings.TrimRight(b.String(), "\n"), "\n", "\n  ") + "\n"
	if !known {
		block += "    driver:\n      image_ref: IMAGE           # see: galley image list\n" +
			"    transport:\n      username: USER             # who logs in to the image\n"
		// Left out, so that the others can be tested at once.
		block = "  # No image of the cloud fits " + name + ":\n  # " + strings.ReplaceAll(strings.TrimRight(strings.TrimPrefix(block, "  "), "\n"), "\n  ", "\n  # ") + "\n"
	}
	return block, nil
}

// add appends key: {inner: value} to a mapping.
func add(to *yaml.Node, key, inner, value string) {
	scalar := func(s string) *yaml.Node { return &yaml.Node{Kind: yaml.ScalarNode, Value: s, Tag: "!!str"} }
	to.Content = append(to.Content, scalar(key), &yaml.Node{Kind: yaml.MappingNode, Content: []*yaml.Node{scalar(inner), scalar(value)}})
}
