package clouds

// vendorFacts are public facts about a provider: where its identity
// service is, and its regions. They replace openstacksdk's built-in profiles.
type vendorFacts struct {
	url     string
	version string
	regions []string
	region  string
	// domains says that users and projects are in the domain Default.
	domains bool
}

// vendor returns the built-in profile of a provider.
func vendor(name string) (object, bool) {
	facts, ok := map[string]vendorFacts{
		"auro":              {url: "https://api.van2.auro.io:5000/v3", version: "3", region: "RegionOne", domains: true},
		"betacloud":         {url: "https://api-1.betacloud.de:5000", version: "3", regions: []string{"betacloud-1"}},
		"catalyst":          {url: "https://api.cloud.catalyst.net.nz:5000/v2.0", regions: []string{"nz-por-1", "nz_wlg_2"}},
		"citycloud":         {url: "https://{region_name}.citycloud.com:5000/v3/", version: "3", regions: []string{"Buf1", "Fra1", "Lon1", "Sto2", "Kna1", "dx1", "tky1"}},
		"conoha":            {url: "https://identity.{region_name}.conoha.io", version: "2", regions: []string{"sin1", "sjc1", "tyo1"}},
		"dreamcompute":      {url: "https://iad2.dream.io:5000", version: "3", region: "RegionOne"},
		"elastx":            {url: "https://ops.elastx.cloud:5000/v3", version: "3", region: "se-sto"},
		"entercloudsuite":   {url: "https://api.entercloudsuite.com/", version: "3", regions: []string{"it-mil1", "nl-ams1", "de-fra1"}},
		"fuga":              {url: "https://identity.api.fuga.io:5000", version: "3", regions: []string{"cystack"}, domains: true},
		"ibmcloud":          {url: "https://identity.open.softlayer.com", version: "3", regions: []string{"london"}},
		"internap":          {url: "https://identity.api.cloud.iweb.com", version: "3", regions: []string{"ams01", "da01", "nyj01", "sin01", "sjc01"}},
		"limestonenetworks": {url: "https://auth.cloud.lstn.net:5000/v3", version: "3", regions: []string{"us-dfw-1", "us-slc"}},
		"otc":               {url: "https://iam.{region_name}.otc.t-systems.com/v3", version: "3", regions: []string{"eu-de", "eu-nl"}},
		"ovh":               {url: "https://auth.cloud.ovh.net/", version: "3", domains: true, regions: []string{"BHS", "BHS1", "BHS3", "BHS5", "DE", "DE1", "GRA", "GRA1", "GRA5", "GRA7", "SBG", "SBG1", "SBG5", "UK", "UK1", "WAW", "WAW1", "SYD1", "SGP1"}},
		"ovh-us":            {url: "https://auth.cloud.ovh.us/", version: "3", domains: true, regions: []string{"US-EAST-VA-1"}},
		"rackspace":         {url: "https://identity.api.rackspacecloud.com/v2.0/", regions: []string{"DFW", "HKG", "IAD", "ORD", "SYD", "LON"}},
		"switchengines":     {url: "https://keystone.cloud.switch.ch:5000/v3", version: "3", regions: []string{"LS", "ZH"}},
		"ultimum":           {url: "https://console.ultimum-cloud.com:5000/", version: "3", region: "RegionOne"},
		"unitedstack":       {url: "https://identity.api.ustack.com/v3", version: "3", regions: []string{"bj1", "gd1"}},
		"zetta":             {url: "https://identity.api.zetta.io/v3", version: "3", regions: []string{"no-osl1"}},
	}[name]
	if !ok {
		return nil, false
	}
	auth := object{"auth_url": facts.url}
	if facts.domains {
		auth["user_domain_name"], auth["project_domain_name"] = "Default", "Default"
	}
	p := object{"auth": auth}
	if facts.version != "" {
		p["identity_api_version"] = facts.version
	}
	if facts.region != "" {
		p["region_name"] = facts.region
	}
	if len(facts.regions) > 0 {
		list := make([]any, len(facts.regions))
		for i, r := range facts.regions {
			list[i] = r
		}
		p["regions"] = list
	}
	return p, true
}
