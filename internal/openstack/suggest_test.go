package openstack

import (
	"strings"
	"testing"
)

func active(names ...string) []Image {
	var out []Image
	for i, n := range names {
		out = append(out, Image{ID: string(rune('a' + i)), Name: n, Status: "active", Visibility: "public"})
	}
	return out
}

func TestSuggestImages(t *testing.T) {
	for name, c := range map[string]struct {
		images []Image
		want   string
	}{
		"the newest long-term release and one of Red Hat's family": {
			active("ubuntu-22.04", "Ubuntu 24.04 LTS", "ubuntu-24.10", "ubuntu-25.04-desktop", "debian-12", "Rocky-9", "AlmaLinux-8", "AlmaLinux-9", "cirros-0.6", "Windows Server 2022"),
			"Ubuntu 24.04 LTS ubuntu 24.04 ubuntu; AlmaLinux-9 almalinux 9 almalinux",
		},
		"names as clouds have them": {
			active("noble-server-cloudimg-ubuntu", "CentOS-Stream-GenericCloud-9-20240101"),
			"noble-server-cloudimg-ubuntu ubuntu 24.04 ubuntu; CentOS-Stream-GenericCloud-9-20240101 centos 9 cloud-user",
		},
		"the blog's":          {active("CentOS 7 GC 2014-09-16"), "CentOS 7 GC 2014-09-16 centos 7 centos"},
		"compact":             {active("ubuntu2204"), "ubuntu2204 ubuntu 22.04 ubuntu"},
		"plain before better": {active("ubuntu-24.04-gpu", "ubuntu-22.04"), "ubuntu-22.04 ubuntu 22.04 ubuntu"},
		"only a special one":  {active("ubuntu-24.04-arm64"), "ubuntu-24.04-arm64 ubuntu 24.04 ubuntu"},
		"something else":      {active("our golden image"), "our golden image   "},
		"properties": {
			[]Image{{ID: "x", Name: "golden", Status: "active", Distro: "debian", Version: "13", User: "admin"}},
			"golden debian 13 admin",
		},
		"two of a name": {append(active("debian-12"), Image{ID: "z", Name: "debian-12", Status: "active"}), "a debian 12 debian"},
		"none of use":   {append(active("cirros"), Image{ID: "q", Name: "debian", Status: "queued"}, Image{ID: "s", Name: "ubuntu", Status: "active", Snapshot: true}), ""},
	} {
		t.Run(name, func(t *testing.T) {
			s := (&offer{images: c.images}).suggest()
			var got []string
			for _, i := range s.Images {
				got = append(got, strings.Join([]string{i.Ref, i.Distro, i.Version, i.User}, " "))
			}
			if g := strings.Join(got, "; "); g != c.want {
				t.Errorf("got %q, want %q", g, c.want)
			}
		})
	}
}

func TestSuggestFlavor(t *testing.T) {
	flavors := []Flavor{{Name: "tiny", RAM: 512, Disk: 4}, {Name: "large", RAM: 8192, Disk: 80}, {Name: "small", RAM: 2048, Disk: 20}, {Name: "diskless", RAM: 2048}}
	if s := (&offer{flavors: flavors}).suggest(); s.Flavor.Name != "small" {
		t.Errorf("got %v", s.Flavor)
	}
	big := active("ubuntu-24.04")
	big[0].MinDisk = 40
	if s := (&offer{flavors: flavors, images: big}).suggest(); s.Flavor.Name != "large" {
		t.Errorf("with an image of 40 GB: %v", s.Flavor)
	}
	s := (&offer{flavors: flavors[3:]}).suggest()
	if s.Flavor.Name != "diskless" || !strings.Contains(strings.Join(s.Notes, "\n"), "block_device_mapping") {
		t.Errorf("got %v, %q", s.Flavor, s.Notes)
	}
	if s := (&offer{}).suggest(); s.Flavor != nil || len(s.Notes) == 0 {
		t.Errorf("got %v", s)
	}
}

func TestSuggestNetwork(t *testing.T) {
	subnets := []string{"s"}
	inner := Network{ID: "1", Name: "inner", ProjectID: "me", Subnets: subnets}
	lone := Network{ID: "2", Name: "a-lone", ProjectID: "me", Subnets: subnets}
	ext := Network{ID: "3", Name: "public", External: true, Subnets: subnets}
	ext2 := Network{ID: "4", Name: "campus", External: true, Subnets: subnets}
	provider := Network{ID: "5", Name: "provider", External: true, Shared: true, Subnets: subnets}
	stranger := Network{ID: "6", Name: "theirs", ProjectID: "them", Subnets: subnets}
	for name, c := range map[string]struct {
		networks      []Network
		routed        map[string]string
		network, pool string
		noted         bool
	}{
		"the routed one and its pool":    {[]Network{lone, ext2, inner, ext}, map[string]string{"1": "3"}, "inner", "public", false},
		"routers that cannot be seen":    {[]Network{inner, ext}, nil, "inner", "public", false},
		"none is routed":                 {[]Network{lone, ext}, map[string]string{}, "a-lone", "", true},
		"servers are on a shared one":    {[]Network{lone, provider}, map[string]string{}, "provider", "", false},
		"of another project":             {[]Network{stranger, ext}, map[string]string{}, "", "", true},
		"two of a name":                  {[]Network{inner, {ID: "9", Name: "inner"}, ext}, map[string]string{"1": "3"}, "1", "public", false},
		"without a subnet it is useless": {[]Network{{ID: "7", Name: "bare", ProjectID: "me"}}, nil, "", "", true},
	} {
		t.Run(name, func(t *testing.T) {
			s := &Suggestion{}
			(&offer{project: "me", networks: c.networks, routed: c.routed}).pickNetwork(s)
			if s.Network != c.network || s.Pool != c.pool || (len(s.Notes) > 0) != c.noted {
				t.Errorf("got %q, %q, %q", s.Network, s.Pool, s.Notes)
			}
		})
	}
}

func TestSuggestGroups(t *testing.T) {
	port := func(n int) *int { return &n }
	ssh := SecurityRule{Direction: "ingress", EtherType: "IPv4", Protocol: "tcp", From: port(22), To: port(22)}
	web, out, inside := ssh, ssh, ssh
	web.From, web.To = port(80), port(443)
	out.Direction = "egress"
	inside.RemoteGroup = "x"
	all := SecurityRule{Direction: "ingress", EtherType: "IPv4"}
	group := func(name string, r ...SecurityRule) SecurityGroup {
		return SecurityGroup{Name: name, ProjectID: "me", Rules: r}
	}
	foreign := group("theirs", ssh)
	foreign.ProjectID = "them"
	for name, c := range map[string]struct {
		groups []SecurityGroup
		want   string
		noted  bool
	}{
		"the default does":      {[]SecurityGroup{group("ssh", ssh), group("default", inside, ssh)}, "", false},
		"the default, for all":  {[]SecurityGroup{group("default", all)}, "", false},
		"another does":          {[]SecurityGroup{group("default", inside, out, web), group("zzz", ssh), group("ssh", ssh)}, "default ssh", false},
		"none does":             {[]SecurityGroup{group("default", inside), group("web", web), foreign}, "", true},
		"groups cannot be seen": {nil, "", false},
	} {
		t.Run(name, func(t *testing.T) {
			s := &Suggestion{}
			(&offer{project: "me", groups: c.groups}).pickGroups(s)
			if strings.Join(s.SecurityGroups, " ") != c.want || (len(s.Notes) > 0) != c.noted {
				t.Errorf("got %q, %q", s.SecurityGroups, s.Notes)
			}
		})
	}
}
