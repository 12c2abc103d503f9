package cli

import (
	"fmt"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	table "github.com/galleyhq/galley/internal/settings"
)

// knifeFlags are the flags that the knife-style commands share: those of
// every knife command, and those that knife-openstack adds.
//
// A letter has one meaning inside a command. Where a command has a letter or
// its own name, its own counts, and the shared flag keeps its long name:
// -A is the user name everywhere but in server create, where it forwards the
// agent, as in knife.
type knifeFlags struct {
	serverURL, key, user string
	config, profile      string
	options              []string

	// OpenStack's.
	username, password, tenant string
	authURL, endpointType      string
	region                     string
	insecure                   bool
	fog                        string
}

// knifeScope says which of knife's flags mean something to a command.
type knifeScope int

const (
	// usesChef: the command asks the Chef Server.
	usesChef knifeScope = 1 << iota
	// usesCloud: the command asks the cloud.
	usesCloud
	// asks: the command asks before it goes on.
	asks
)

// addTo gives cmd the flags. Those that mean nothing to it are accepted, since
// they belong to every knife command line, but its help does not show them.
func (k *knifeSetup) addTo(cmd *cobra.Command, scope knifeScope) {
	own := cmd.Flags()
	k.flagSet(scope).VisitAll(func(flag *pflag.Flag) {
		if own.Lookup(flag.Name) != nil {
			return
		}
		if flag.Shorthand != "" && own.ShorthandLookup(flag.Shorthand) != nil {
			flag.Shorthand = ""
		}
		own.AddFlag(flag)
	})
	completeFlag(cmd, "profile", k.completeProfiles)
	completeFlag(cmd, "openstack-endpoint-type", fixed("publicURL", "internalURL", "adminURL"))
}

// showChefFlags shows the flags of the Chef Server in the help of a command
// that had them hidden.
func showChefFlags(cmd *cobra.Command) {
	for _, name := range []string{"server-url", "key", "user"} {
		cmd.Flags().Lookup(name).Hidden = false
	}
}

// flagSet returns the flags as a command without own flags has them.
func (k *knifeSetup) flagSet(scope knifeScope) *pflag.FlagSet {
	f := &k.flags
	fs := pflag.NewFlagSet("knife", pflag.ContinueOnError)
	fs.StringVarP(&f.serverURL, "server-url", "s", "", "`URL` of the Chef Server (chef_server_url)")
	fs.StringVarP(&f.key, "key", "k", "", "private key `FILE` of the user at the Chef Server (client_key)")
	fs.StringVarP(&f.user, "user", "u", "", "`NAME` of the user at the Chef Server (node_name)")
	if scope&usesChef == 0 {
		hide(fs, "server-url", "key", "user")
	}
	fs.StringVarP(&f.config, "config", "c", "", "knife.rb or config.rb `FILE` to read (default: searched for as knife does)")
	fs.StringArrayVar(&f.options, "config-option", nil, "set `KEY=VALUE` over the configuration; knife.KEY=VALUE sets knife[:KEY]; repeatable")
	fs.StringVar(&f.profile, "profile", "", "`PROFILE` of ~/.chef/credentials (default CHEF_PROFILE, ~/.chef/context, default)")
	fs.BoolVarP(&k.yes, "yes", "y", false, "do not ask for confirmation")
	fs.BoolVar(&k.useDefaults, "defaults", false, "answer questions by their defaults: no to what removes something")
	if scope&asks == 0 {
		hide(fs, "yes", "defaults")
	}
	fs.BoolFuncP("verbose", "V", "print more; repeatable", func(string) error { k.verbosity++; return nil })
	if scope&usesCloud != 0 {
		f.addCloud(fs)
	}
	f.addCompatible(fs)
	return fs
}

// addCloud adds knife-openstack's flags.
func (f *knifeFlags) addCloud(fs *pflag.FlagSet) {
	d := flagDefiner{FlagSet: fs, table: table.CredentialFlags(), sources: true}
	d.bind(map[string]any{
		"openstack-username": &f.username, "openstack-password": &f.password, "openstack-tenant": &f.tenant,
		"openstack-api-endpoint": &f.authURL, "openstack-endpoint-type": &f.endpointType,
		"openstack-region": &f.region, "insecure": &f.insecure,
	})
	d.addOlder()
	fs.StringVar(&f.fog, "fog-version", "", "no-op, accepted for compatibility: any `VERSION`")
	hide(fs, "fog-version")
}

// addCompatible adds knife's flags that ask for what Galley always does, and
// those that it cannot do, each refused with the reason.
func (f *knifeFlags) addCompatible(fs *pflag.FlagSet) {
	always := func(name, letter string) {
		fs.BoolP(name, letter, false, "no-op (always enabled)")
		hide(fs, name)
	}
	always("disable-editing", "d")
	always("no-fips", "")
	always("no-listen", "")
	refuse := func(name, letter, kind, why string) {
		fs.VarP(&refusedFlag{kind, why}, name, letter, "not available: "+why)
		if kind == "bool" {
			fs.Lookup(name).NoOptDefVal = "true"
		}
		hide(fs, name)
	}
	refuse("editor", "e", "string", "Galley opens no editor")
	refuse("print-after", "", "bool", "show the object before it is removed, with `galley node show`")
	refuse("environment", "E", "string", "this command does not use environments")
	refuse("local-mode", "z", "bool", noLocalMode)
	refuse("chef-zero-host", "", "string", noLocalMode)
	refuse("chef-zero-port", "", "string", noLocalMode)
	refuse("listen", "", "bool", noLocalMode)
	refuse("fips", "", "bool", "set GODEBUG=fips140=on in the environment instead, which applies to the whole program")
}

const noLocalMode = "Galley has no Chef Server of its own; run one, and name it with --server-url"

func hide(fs *pflag.FlagSet, names ...string) {
	for _, name := range names {
		fs.Lookup(name).Hidden = true
	}
}

// refusedFlag is a flag of knife's that Galley does not support.
type refusedFlag struct{ kind, why string }

func (r *refusedFlag) String() string   { return "" }
func (r *refusedFlag) Type() string     { return r.kind }
func (r *refusedFlag) Set(string) error { return fmt.Errorf("not available: %s", r.why) }
