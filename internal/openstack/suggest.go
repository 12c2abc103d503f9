package openstack

import (
	"cmp"
	"context"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/galleyhq/galley/internal/text"

	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/extensions/layer3/routers"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/ports"
)

// Suggestion is a specification for a first server. Parts that are not
// be had is left empty and told in Notes.
type Suggestion struct {
	// All are the images that the project can use.
	All []Image
	// Images has at most one of each family: Debian's and Red Hat's, and one
	// of another where there is neither.
	Images []SuggestedImage
	Flavor *Flavor
	// Network is where servers go, Pool the external network that a floating
	// IP comes from, "" where none is needed: the name, or the ID where others
	// have the name.
	Network, Pool string
	// SecurityGroups are needed beside the project's default, so that SSH gets
	// through.
	SecurityGroups []string
	// Notes are whole sentences about things to check.
	Notes []string
}

// SuggestedImage is an image whose Distro ("ubuntu"), Version ("24.04") and
// User are also read out of its name; they are "" where unknown.
type SuggestedImage struct {
	Image
	// Ref is what refers to it: its name, or its ID where others have the name.
	Ref string
}

// distro is a distribution of Linux with images for clouds.
type distro struct {
	name   string
	match  func() *regexp.Regexp
	family string
	// user is who logs in to its images.
	user string
}

// distros are the distributions, the preferred ones of each family first.
var distros = []distro{
	{"ubuntu", text.Lazy(`ubuntu`), "debian", "ubuntu"},
	{"debian", text.Lazy(`debian`), "debian", "debian"},
	{"almalinux", text.Lazy(`alma`), "redhat", "almalinux"},
	{"rocky", text.Lazy(`rocky`), "redhat", "rocky"},
	{"centos", text.Lazy(`centos`), "redhat", "centos"},
	{"redhat", text.Lazy(`rhel|red ?hat`), "redhat", "cloud-user"},
	{"oracle", text.Lazy(`oracle`), "redhat", "opc"},
	{"fedora", text.Lazy(`fedora`), "redhat", "fedora"},
	{"amazon", text.Lazy(`amazon|amzn`), "redhat", "ec2-user"},
	{"opensuse", text.Lazy(`opensuse`), "suse", "opensuse"},
	{"sles", text.Lazy(`sles|suse`), "suse", "sles"},
}

// codenames are releases that image names give in words.
var codenames = map[string]string{
	"bionic": "18.04", "focal": "20.04", "jammy": "22.04", "noble": "24.04",
	"buster": "10", "bullseye": "11", "bookworm": "12", "trixie": "13",
}

var (
	// unfit are images that no cookbook is tested on.
	unfit = text.Lazy(`windows|win20|cirros|amphora|octavia|coreos|flatcar|freebsd|pfsense|\biso\b|rescue|deploy|ipa\b`)
	// special are images that are made for something else than plain servers.
	special = text.Lazy(`gpu|cuda|docker|k8s|kube|desktop|arm64|aarch64|ppc64|s390|minimal|backup|fips|\b(?:old|test|rke\d?)\b`)
	// versionText is a version: "24.04", "9", and in compact form "2404".
	versionText = text.Lazy(`(?:^|[^0-9.])(\d{1,2}(?:\.\d{1,2})?|\d{4})(?:[^0-9]|$)`)
)

// systemOf says what an image's properties, else its name, tell of its system.
func systemOf(i Image) (d *distro, version string) {
	text := strings.ToLower(i.Distro)
	if text == "" {
		text = strings.ToLower(i.Name)
	}
	for n := range distros {
		if distros[n].match().MatchString(text) {
			d = &distros[n]
			break
		}
	}
	if d == nil {
		return nil, ""
	}
	if i.Version != "" {
		return d, i.Version
	}
	name := strings.ToLower(i.Name)
	if at := d.match().FindStringIndex(name); at != nil {
		if m := versionText().FindStringSubmatch(name[at[1]:]); m != nil {
			return d, dotted(d.name, m[1])
		}
	}
	for code, v := range codenames {
		if strings.Contains(name, code) {
			return d, v
		}
	}
	return d, ""
}

// dotted puts the dot into Ubuntu's "2404"; another number of four digits is
// a year.
func dotted(distro, version string) string {
	if len(version) != 4 || strings.Contains(version, ".") {
		return version
	}
	if distro == "ubuntu" {
		return version[:2] + "." + version[2:]
	}
	return ""
}

// userOf is who logs in to a release's images.
func (d *distro) userOf(version string) string {
	// CentOS Stream changed its mind with 9.
	if major, _, _ := strings.Cut(version, "."); d.name == "centos" {
		if n, err := strconv.Atoi(major); err == nil && n >= 9 {
			return "cloud-user"
		}
	}
	return d.user
}

// offer is what a cloud has, as far as a suggestion needs it.
type offer struct {
	images   []Image
	flavors  []Flavor
	networks []Network
	groups   []SecurityGroup
	project  string
	// routed gives for a network the external network that its router leads
	// to; nil where that is not known.
	routed map[string]string
}

// Suggest looks at what the cloud has and picks what a first server may be
// made of. It makes nothing.
func (c *Cloud) Suggest(ctx context.Context) (*Suggestion, error) {
	o := offer{project: c.Whoami().ProjectID}
	var err error
	if o.images, err = c.Images(ctx); err != nil {
		return nil, err
	}
	if o.flavors, err = c.Flavors(ctx); err != nil {
		return nil, err
	}
	if o.networks, err = c.Networks(ctx); err != nil {
		return nil, err
	}
	// A cloud without routers or security groups has networks all the same.
	o.routed, _ = c.routed(ctx)
	o.groups, _ = c.SecurityGroups(ctx)
	if err := ctx.Err(); err != nil {
		return nil, context.Cause(ctx)
	}
	s := o.suggest()
	s.All = o.images
	return s, nil
}

// routed finds which networks a router joins to which external one.
func (c *Cloud) routed(ctx context.Context) (map[string]string, error) {
	all, err := c.listRouters(ctx, routers.ListOpts{})
	if err != nil {
		return nil, err
	}
	gateway := map[string]string{}
	for _, r := range all {
		gateway[r.ID] = r.GatewayInfo.NetworkID
	}
	// A distributed or redundant router's ports have other owners.
	out := map[string]string{}
	for _, owner := range []string{"network:router_interface", "network:router_interface_distributed", "network:ha_router_replicated_interface"} {
		found, err := c.listPorts(ctx, ports.ListOpts{DeviceOwner: owner})
		if err != nil {
			return nil, err
		}
		for _, p := range found {
			if to := gateway[p.DeviceID]; to != "" {
				out[p.NetworkID] = to
			}
		}
	}
	return out, nil
}

func (o *offer) suggest() *Suggestion {
	s := &Suggestion{}
	o.pickImages(s)
	o.pickFlavor(s)
	o.pickNetwork(s)
	o.pickGroups(s)
	return s
}

func (s *Suggestion) note(format string, args ...any) {
	s.Notes = append(s.Notes, fmt.Sprintf(format, args...))
}

// candidate is an image with what decides whether it is preferred.
type candidate struct {
	SuggestedImage
	family string
	rank   int // of the distribution; lower is better
	odd    bool
}

// candidates are the images that a Linux server can be made of.
func candidates(images []Image) []candidate {
	names := map[string]int{}
	for _, i := range images {
		names[i.Name]++
	}
	var all []candidate
	for _, i := range images {
		name := strings.ToLower(i.Name)
		if !strings.EqualFold(i.Status, "active") || i.Snapshot || i.Name == "" || unfit().MatchString(name) || strings.EqualFold(i.Distro, "windows") {
			continue
		}
		c := candidate{SuggestedImage: SuggestedImage{i, i.Name}, rank: len(distros), odd: special().MatchString(name)}
		if names[i.Name] > 1 {
			c.Ref = i.ID
		}
		if d, version := systemOf(i); d != nil {
			c.Distro, c.Version, c.family = d.name, version, d.family
			c.rank = slices.IndexFunc(distros, func(x distro) bool { return x.name == d.name })
			c.User = cmp.Or(c.User, d.userOf(version))
		}
		all = append(all, c)
	}
	return all
}

func (o *offer) pickImages(s *Suggestion) {
	all := candidates(o.images)
	slices.SortStableFunc(all, func(a, b candidate) int { return a.compare(b) })
	have := map[string]bool{}
	for _, family := range []string{"debian", "redhat", "suse", ""} {
		at := slices.IndexFunc(all, func(c candidate) bool { return c.family == family })
		if at < 0 || len(have) > 0 && family != "redhat" {
			continue
		}
		have[family] = true
		image := all[at].SuggestedImage
		if image.User == "" {
			s.note("Who logs in to the image %q is not known: see username.", image.Name)
		}
		s.Images = append(s.Images, image)
	}
	if len(s.Images) == 0 {
		s.note("The project sees no image that a Linux server can be made of.")
	}
}

// compare orders candidates of one family, the best first: plain images before
// special ones, by distribution, long-term releases, newer ones.
func (a candidate) compare(b candidate) int {
	return cmp.Or(
		cmp.Compare(rank(a.odd), rank(b.odd)),
		cmp.Compare(a.rank, b.rank),
		cmp.Compare(rank(!a.longTerm()), rank(!b.longTerm())),
		-compareVersions(a.Version, b.Version),
		cmp.Compare(rank(a.Visibility != "public"), rank(b.Visibility != "public")),
		-a.Created.Compare(b.Created),
		cmp.Compare(a.Name, b.Name),
	)
}

func rank(b bool) int {
	if b {
		return 1
	}
	return 0
}

// longTerm says whether a release is supported for long; only Ubuntu has
// others.
func (a candidate) longTerm() bool {
	if a.Distro != "ubuntu" {
		return true
	}
	major, minor, _ := strings.Cut(a.Version, ".")
	n, err := strconv.Atoi(major)
	return err == nil && n%2 == 0 && minor == "04"
}

var digits = text.Lazy(`\d+`)

// compareVersions compares the numbers in two texts, one after the other.
func compareVersions(a, b string) int {
	x, y := digits().FindAllString(a, -1), digits().FindAllString(b, -1)
	for i := range min(len(x), len(y)) {
		n, _ := strconv.Atoi(x[i])
		m, _ := strconv.Atoi(y[i])
		if c := cmp.Compare(n, m); c != 0 {
			return c
		}
	}
	return cmp.Compare(len(x), len(y))
}

// A client and its work need this much, in MiB and GiB.
const (
	enoughRAM  = 2048
	enoughDisk = 10
)

func (o *offer) pickFlavor(s *Suggestion) {
	disk, ram := enoughDisk, enoughRAM
	for _, i := range s.Images {
		disk, ram = max(disk, i.MinDisk), max(ram, i.MinRAM)
	}
	fit := slices.Clone(o.flavors)
	slices.SortStableFunc(fit, func(a, b Flavor) int {
		return cmp.Or(cmp.Compare(a.RAM, b.RAM), cmp.Compare(a.VCPUs, b.VCPUs), cmp.Compare(a.Disk, b.Disk), cmp.Compare(a.Name, b.Name))
	})
	at := slices.IndexFunc(fit, func(f Flavor) bool { return f.RAM >= ram && f.Disk >= disk })
	switch {
	case at >= 0:
		s.Flavor = &fit[at]
	case len(fit) == 0:
		s.note("The project may use no flavor.")
	default:
		last := fit[len(fit)-1]
		s.Flavor = &last
		s.note("No flavor has %d MB of memory and %d GB of disk: %s is the largest.", ram, disk, last.Name)
		if last.Disk == 0 {
			s.note("Its servers have no disk of their own: block_device_mapping makes them boot from a volume.")
		}
	}
}

func (o *offer) pickNetwork(s *Suggestion) {
	var own, pools []Network
	for _, n := range o.networks {
		if n.External {
			pools = append(pools, n)
		}
		if len(n.Subnets) > 0 && (!n.External || n.Shared) && (n.ProjectID == o.project || n.Shared) {
			own = append(own, n)
		}
	}
	slices.SortStableFunc(own, func(a, b Network) int {
		return cmp.Or(
			cmp.Compare(rank(o.routed[a.ID] == ""), rank(o.routed[b.ID] == "")),
			// Where servers can be put on an external network it is the way.
			cmp.Compare(rank(!a.External), rank(!b.External)),
			cmp.Compare(rank(a.ProjectID != o.project), rank(b.ProjectID != o.project)),
			cmp.Compare(a.Name, b.Name),
		)
	})
	if len(own) == 0 {
		s.note("The project has no network with a subnet that servers can be in.")
		return
	}
	s.Network = o.networkRef(own[0])
	if own[0].External {
		return
	}
	for _, n := range pools {
		if to := o.routed[own[0].ID]; to == n.ID || to == "" && o.routed == nil {
			s.Pool = o.networkRef(n)
			return
		}
	}
	s.note("No router joins the network %s to an external one, so its servers get no floating IP: they have to be reached at their fixed addresses.", own[0].Name)
}

func (o *offer) pickGroups(s *Suggestion) {
	var other string
	for _, g := range o.groups {
		if g.ProjectID != o.project || !slices.ContainsFunc(g.Rules, letsSSHIn) {
			continue
		}
		if g.Name == "default" {
			return
		}
		if other == "" || g.Name < other {
			other = g.Name
		}
	}
	switch {
	case o.groups == nil: // not known
	case other != "":
		s.SecurityGroups = []string{"default", other}
	default:
		s.note("No security group of the project lets SSH in: `openstack security group rule create --protocol tcp --dst-port 22 default` does.")
	}
}

// letsSSHIn says whether a rule lets connections to port 22 in from outside.
func letsSSHIn(r SecurityRule) bool {
	return r.Direction == "ingress" && r.EtherType != "IPv6" && r.Remote() == "" &&
		slices.Contains([]string{"", "tcp", "6", "any"}, r.Protocol) &&
		(r.From == nil || *r.From <= 22) && (r.To == nil || *r.To >= 22)
}

// networkRef is what refers to a network: its name, or its ID where another
// has that name or it has none.
func (o *offer) networkRef(n Network) string {
	if n.Name == "" || slices.ContainsFunc(o.networks, func(x Network) bool { return x.Name == n.Name && x.ID != n.ID }) {
		return n.ID
	}
	return n.Name
}

// System returns the distribution of Linux that an image has, by its
// properties or else its name, and its version; "" where they do not tell.
// The name of a platform of a kitchen file can be asked about in the same way.
func System(i Image) (name, version string) {
	d, version := systemOf(i)
	if d == nil {
		return "", ""
	}
	return d.name, version
}

// SameSystem reports whether two systems may be the same: versions are
// compared as far as both say one, 12 and 12.5 are the same.
func SameSystem(name, version, otherName, otherVersion string) bool {
	if name != otherName {
		return false
	}
	if version == "" || otherVersion == "" || version == otherVersion {
		return true
	}
	return strings.HasPrefix(version, otherVersion+".") || strings.HasPrefix(otherVersion, version+".")
}

// ImageFor returns the image that a platform of this name can boot, and false
// when none has its system: the newest plain image of the same version.
func ImageFor(platform string, images []Image) (SuggestedImage, bool) {
	name, version := System(Image{Name: platform})
	if name == "" {
		return SuggestedImage{}, false
	}
	fit := slices.DeleteFunc(candidates(images), func(c candidate) bool { return !SameSystem(name, version, c.Distro, c.Version) })
	if len(fit) == 0 {
		return SuggestedImage{}, false
	}
	return slices.MinFunc(fit, func(a, b candidate) int {
		return cmp.Or(cmp.Compare(rank(a.odd), rank(b.odd)), b.Created.Compare(a.Created), cmp.Compare(a.Name, b.Name))
	}).SuggestedImage, true
}
