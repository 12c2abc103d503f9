package cli

import (
	"context"
	"fmt"
	"net/url"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/galleyhq/galley/internal/config"
	"github.com/galleyhq/galley/internal/config/clouds"
	"github.com/galleyhq/galley/internal/config/knife"
	"github.com/galleyhq/galley/internal/env"
	"github.com/galleyhq/galley/internal/openstack/session"
	"github.com/galleyhq/galley/internal/settings"
)

// knifeFlags are the flags that the knife-style commands share: those of
// every knife command, and those that knife-openstack adds.
//
// A letter has one meaning inside a command. Where a command has a letter or
// a name of its own, its own holds, and the shared flag keeps its long name:
// -A is the user name everywhere but in server create, where it forwards the
// agent, as with the peer.
type knifeFlags struct {
	serverURL, key, user string
	config, profile      string
	options              []string
	yes, defaults        bool
	verbosity            int

	// OpenStack's.
	username, password, tenant string
	authURL, endpointType      string
	region                     string
	insecure                   bool
	fog                        string

	// loaded and env are what knife has made of them.
	loaded *knife.Config
	env    *env.Env
}

// addTo gives the flags to the commands below cmd that do something; with
// cloud also those of OpenStack.
func (f *knifeFlags) addTo(cmd *cobra.Command, cloud bool) {
	if cmd.HasSubCommands() {
		for _, sub := range cmd.Commands() {
			f.addTo(sub, cloud)
		}
		return
	}
	own := cmd.Flags()
	f.set(cloud).VisitAll(func(flag *pflag.Flag) {
		if own.Lookup(flag.Name) != nil {
			return
		}
		if flag.Shorthand != "" && own.ShorthandLookup(flag.Shorthand) != nil {
			flag.Shorthand = ""
		}
		own.AddFlag(flag)
	})
}

// set are the flags as a command without any of its own has them.
func (f *knifeFlags) set(cloud bool) *pflag.FlagSet {
	fs := pflag.NewFlagSet("knife", pflag.ContinueOnError)
	fs.StringVarP(&f.serverURL, "server-url", "s", "", "`URL` of the Chef Server (chef_server_url)")
	fs.StringVarP(&f.key, "key", "k", "", "private key `FILE` of the user at the Chef Server (client_key)")
	fs.StringVarP(&f.user, "user", "u", "", "`NAME` of the user at the Chef Server (node_name)")
	fs.StringVarP(&f.config, "config", "c", "", "the knife.rb or config.rb `FILE` to read (default: searched for as knife does)")
	fs.StringArrayVar(&f.options, "config-option", nil, "set `KEY=VALUE` over the configuration; knife.KEY=VALUE sets knife[:KEY]; repeatable")
	fs.StringVar(&f.profile, "profile", "", "`PROFILE` of ~/.chef/credentials (default CHEF_PROFILE, ~/.chef/context, default)")
	fs.BoolVarP(&f.yes, "yes", "y", false, "do not ask")
	fs.BoolVar(&f.defaults, "defaults", false, "answer questions by their defaults: no to what removes something")
	fs.CountVarP(&f.verbosity, "verbose", "V", "say more; repeatable")
	if cloud {
		f.cloudFlags(fs)
	}
	f.hidden(fs)
	return fs
}

// cloudFlags are knife-openstack's.
func (f *knifeFlags) cloudFlags(fs *pflag.FlagSet) {
	fs.StringVarP(&f.username, "openstack-username", "A", "", "user `NAME` at the cloud (knife[:openstack_username], OS_USERNAME)")
	fs.StringVarP(&f.password, "openstack-password", "K", "", "`PASSWORD` at the cloud (knife[:openstack_password], OS_PASSWORD)")
	fs.StringVarP(&f.tenant, "openstack-tenant", "T", "", "`PROJECT` at the cloud (knife[:openstack_tenant], OS_PROJECT_NAME)")
	fs.StringVar(&f.authURL, "openstack-api-endpoint", "", "`URL` of the identity service (knife[:openstack_auth_url], OS_AUTH_URL)")
	fs.StringVar(&f.authURL, "api-endpoint", "", "the short spelling of --openstack-api-endpoint")
	hide(fs, "api-endpoint")
	fs.StringVar(&f.endpointType, "openstack-endpoint-type", "", "`TYPE` of the endpoints: publicURL, internalURL or adminURL")
	fs.StringVar(&f.region, "openstack-region", "", "`REGION` (knife[:openstack_region], OS_REGION_NAME)")
	fs.BoolVar(&f.insecure, "insecure", false, "do not check the certificates of the cloud")
	fs.StringVar(&f.fog, "fog-version", "", "means nothing: Galley has no fog")
	hide(fs, "fog-version")
}

// hidden are knife's flags that ask for what is so anyway, and those that
// cannot be honoured, each with the reason.
func (f *knifeFlags) hidden(fs *pflag.FlagSet) {
	granted := func(name, letter string) {
		fs.BoolP(name, letter, false, "is so anyway")
		hide(fs, name)
	}
	granted("disable-editing", "d")
	granted("no-fips", "")
	granted("no-listen", "")
	refuse := func(name, letter, kind, why string) {
		fs.VarP(&refusedFlag{kind, why}, name, letter, "not available: "+why)
		if kind == "bool" {
			fs.Lookup(name).NoOptDefVal = "true"
		}
		hide(fs, name)
	}
	refuse("editor", "e", "string", "Galley opens no editor")
	refuse("print-after", "", "bool", "show the object before it is removed, with `galley node show`")
	refuse("environment", "E", "string", "this command has nothing to do with environments")
	refuse("local-mode", "z", "bool", noLocalMode)
	refuse("chef-zero-host", "", "string", noLocalMode)
	refuse("chef-zero-port", "", "string", noLocalMode)
	refuse("listen", "", "bool", noLocalMode)
	refuse("fips", "", "bool", "start Galley with GODEBUG=fips140=on in the environment instead, which holds for all it does")
}

const noLocalMode = "there is no Chef Server in Galley; run one, and name it with --server-url"

func hide(fs *pflag.FlagSet, name string) { fs.Lookup(name).Hidden = true }

// refusedFlag is a flag of the peer's that cannot be honoured.
type refusedFlag struct{ kind, why string }

func (r *refusedFlag) String() string   { return "" }
func (r *refusedFlag) Type() string     { return r.kind }
func (r *refusedFlag) Set(string) error { return fmt.Errorf("not available: %s", r.why) }

// knifeStyle says whether the command that runs has knife's flags.
func (a *app) knifeStyle() bool {
	return a.running != nil && a.running.Flags().Lookup("config-option") != nil
}

// knife returns the configuration that knife would read, with the flags over
// it. It is read once; its warnings are printed then.
func (a *app) knife(cmd *cobra.Command) (*knife.Config, error) {
	f := &a.knifeFlags
	if f.loaded != nil {
		return f.loaded, nil
	}
	env, err := a.environment(cmd.Context())
	if err != nil {
		return nil, err
	}
	o := knife.Options{
		Env: env, File: f.config, Profile: f.profile, Overrides: f.options, Flags: map[string]string{},
		AllowExec: a.flags.allowExec || env.Get("GALLEY_RUBY_EXEC") == "1",
	}
	for name, value := range map[string]string{"chef_server_url": f.serverURL, "client_key": f.key, "node_name": f.user} {
		if value != "" {
			o.Flags[name] = value
		}
	}
	c, err := knife.Load(cmd.Context(), o)
	if err != nil {
		return nil, err
	}
	a.hideSecrets(c)
	for _, w := range c.Warnings {
		a.warnf("%s", w)
	}
	if f.fog != "" {
		a.warnf("--fog-version means nothing to Galley, which has no fog")
	}
	f.loaded, f.env = c, env
	return c, nil
}

func (a *app) warnf(format string, args ...any) {
	fmt.Fprintf(a.streams.Err, "%s: warning: %s\n", a.name, a.secrets.Clean(fmt.Sprintf(format, args...)))
}

// hideSecrets keeps what a configuration holds of secrets out of all output.
func (a *app) hideSecrets(c *knife.Config) {
	for _, key := range c.Keys() {
		if s, ok, err := c.String(key); ok && err == nil && config.SecretKey(key) {
			a.secrets.Add(s)
		}
	}
	a.secrets.Add(c.ClientKeyPEM.Reveal(), c.ValidationKeyPEM.Reveal(), a.knifeFlags.password)
	for _, proxy := range []string{c.HTTPProxy, c.HTTPSProxy, c.FTPProxy} {
		if u, err := url.Parse(proxy); err == nil && u.User != nil {
			pass, _ := u.User.Password()
			a.secrets.Add(pass, u.User.String())
		}
	}
}

// credentials returns those of the commands that need no kitchen file: the
// flags, over knife[:openstack_*] where the command is one of knife's, over
// the entry of clouds.yaml that OS_CLOUD or --os-cloud names, else the OS_*
// variables. --rc and --os-cloud are the command line's word as well, and
// stand before the files of knife.
func (a *app) credentials(ctx context.Context) (session.Auth, error) {
	env, own, err := a.ownCredentials(ctx)
	if err != nil {
		return own, err
	}
	lookup := env.Get
	if name := env.Get("OS_CLOUD"); name != "" {
		entry, err := a.cloudEntry(name, env)
		switch {
		case err == nil:
			lookup = func(name string) string { return entry[name] }
		case a.flags.cloud != "" || validateCommand(own) != nil:
			return own, err
		}
	}
	if !own.Named() {
		around, err := session.AuthFromEnv(lookup)
		if err != nil {
			return own, err
		}
		return own.Complete(around), nil
	}
	around, err := session.ReadEnv(lookup)
	if err != nil && validateCommand(own) != nil {
		return own, err
	}
	auth := own.Complete(around)
	return auth, validateCommand(auth)
}

// validateCommand checks credentials with the names of knife.rb, flags and
// variables in its errors.
func validateCommand(a session.Auth) error {
	return a.Validate("knife.rb and the environment", settings.Knife)
}

// ownCredentials are those of the flags and, for knife's commands, of the
// configuration, with the environment that it was read in.
func (a *app) ownCredentials(ctx context.Context) (*env.Env, session.Auth, error) {
	if !a.knifeStyle() {
		env, err := a.environment(ctx)
		return env, session.Auth{}, err
	}
	c, err := a.knife(a.running)
	if err != nil {
		return nil, session.Auth{}, err
	}
	var own session.Auth
	if a.flags.rc == "" && a.flags.cloud == "" {
		if own, err = knifeAuth(c); err != nil {
			return nil, own, err
		}
	}
	a.knifeFlags.over(&own)
	return a.knifeFlags.env, own, nil
}

// knifeAuth reads knife[:openstack_*].
func knifeAuth(c *knife.Config) (session.Auth, error) {
	var first error
	text := func(keys ...string) string {
		for _, k := range keys {
			s, _, err := c.String(k)
			if err != nil && first == nil {
				first = err
			}
			if s != "" {
				return s
			}
		}
		return ""
	}
	auth := session.ReadKeys(text)
	auth.Password = session.Secret(text("openstack_password", "openstack_api_key"))
	auth.CACert = text("openstack_cacert")
	insecure, _, err := c.Bool("openstack_insecure")
	if err != nil && first == nil {
		first = err
	}
	auth.Insecure = insecure
	return auth, first
}

// over puts the flags over credentials. Another user or another cloud than
// the configuration's has nothing of what stands there for its own.
func (f *knifeFlags) over(auth *session.Auth) {
	if f.authURL != "" && auth.URL != "" && !session.SameEndpoint(f.authURL, auth.URL) {
		*auth = session.Auth{}
	}
	if f.username != "" && f.username != auth.Username {
		auth.UserID, auth.Password, auth.Token, auth.AppCredID, auth.AppCredName, auth.AppCredSecret = "", "", "", "", "", ""
	}
	if f.tenant != "" {
		auth.ProjectID = ""
	}
	set := func(to *string, from string) {
		if from != "" {
			*to = from
		}
	}
	set(&auth.URL, f.authURL)
	set(&auth.Username, f.username)
	set((*string)(&auth.Password), f.password)
	set(&auth.ProjectName, f.tenant)
	set(&auth.Interface, f.endpointType)
	set(&auth.Region, f.region)
	auth.Insecure = auth.Insecure || f.insecure
}

// cloudEntry returns an entry of clouds.yaml as OS_* variables.
func (a *app) cloudEntry(name string, env *env.Env) (map[string]string, error) {
	entry, err := clouds.Load(name, clouds.Options{Getenv: env.Get})
	if err != nil {
		return nil, err
	}
	for _, w := range entry.Warnings {
		a.warnf("%s", w)
	}
	return entry.Env(), nil
}

// sure asks whether to go on with what cannot be undone, unless told -y.
func (a *app) sure(ctx context.Context, question string) (bool, error) {
	if a.knifeFlags.yes {
		return true, nil
	}
	if a.knifeFlags.defaults {
		return false, usagef("say -y", "%s? The default answer, which --defaults takes, is no", question)
	}
	if a.streams.Prompter() == nil {
		return false, usagef("say -y", "%s? There is no terminal to ask on", question)
	}
	return a.askYesNo(ctx, question+"?")
}

// askYesNo asks the person at the terminal until the answer is yes or no; an
// empty one is no.
func (a *app) askYesNo(ctx context.Context, question string) (bool, error) {
	p := a.streams.Prompter()
	for {
		answer, err := p.Prompt(ctx, question+" (Y/N) ", true)
		if err != nil {
			return false, err
		}
		switch strings.ToLower(strings.TrimSpace(answer)) {
		case "y", "yes":
			return true, nil
		case "n", "no", "":
			return false, nil
		}
	}
}

// settingError is a setting that is missing or cannot be used.
type settingError struct {
	// key is the setting's name in knife.rb.
	key, msg, hint string
	err            error
}

func (e *settingError) Error() string { return e.msg }
func (e *settingError) Hint() string  { return e.hint }
func (e *settingError) Unwrap() error { return e.err }

// missingSetting says that a setting is nowhere.
func missingSetting(c *knife.Config, key, flag, example string) error {
	where := "there is no knife.rb, config.rb or credentials file"
	hint := fmt.Sprintf("write %s into ~/.chef/knife.rb, or give %s", example, flag)
	if len(c.Files) > 0 {
		where = "it is not set in " + strings.Join(c.Files, ", ")
		hint = fmt.Sprintf("write %s there, or give %s", example, flag)
	}
	return &settingError{key: key, msg: fmt.Sprintf("the Chef Server cannot be asked without %s: %s", key, where), hint: hint}
}

// noChefServer says whether an error means that no Chef Server is configured.
func noChefServer(err error) bool {
	e, ok := err.(*settingError)
	return ok && e.key == "chef_server_url" && e.err == nil
}
