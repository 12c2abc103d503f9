package cli

import (
	"strings"

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

	cloud cloudFlagValues
	fog   string
}

// cloudFlagValues are knife-openstack's flags of a login.
type cloudFlagValues struct {
	Username     string `flag:"openstack-username"`
	Password     string `flag:"openstack-password"`
	Tenant       string `flag:"openstack-tenant"`
	AuthURL      string `flag:"openstack-api-endpoint"`
	EndpointType string `flag:"openstack-endpoint-type"`
	Region       string `flag:"openstack-region"`
	Insecure     bool   `flag:"insecure"`
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
	settingFlags(fs, &f.cloud, table.CredentialFlags(), func(s table.Setting) string { return s.Help() + s.Sources() })
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
	refuse(fs, "Galley opens no editor", "", "e/editor=")
	refuse(fs, "deleted objects are not printed", "show the object before it is removed, with `galley node show`", "print-after")
	refuse(fs, "this command does not use environments", "", "E/environment=")
	refuse(fs, "Galley has no Chef Server of its own", "run one, and name it with --server-url",
		"z/local-mode", "chef-zero-host=", "chef-zero-port=", "listen")
	refuse(fs, "FIPS mode applies to the whole program", "set GODEBUG=fips140=on in the environment instead", "fips")
}

func hide(fs *pflag.FlagSet, names ...string) {
	for _, name := range names {
		fs.Lookup(name).Hidden = true
	}
}

// refuse defines knife's flags that Galley does not support, which help does not
// show: a letter and a slash may come before the name, and = after it where the
// flag has a value.
func refuse(fs *pflag.FlagSet, why, hint string, flags ...string) {
	for _, flag := range flags {
		name, hasValue := strings.CutSuffix(flag, "=")
		letter, long, ok := strings.Cut(name, "/")
		if ok {
			name, letter = long, freeLetter(fs, letter)
		} else {
			letter = ""
		}
		define := fs.BoolFuncP
		if hasValue {
			define = fs.FuncP
		}
		define(name, letter, "", func(string) error { return usagef(hint, "--%s is not supported: %s", name, why) })
		hide(fs, name)
	}
}
