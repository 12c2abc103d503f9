package cli

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/galleyhq/galley/internal/atomicfile"
	"github.com/galleyhq/galley/internal/config"
	"github.com/galleyhq/galley/internal/config/clouds"
	"github.com/galleyhq/galley/internal/credentials"
	"github.com/galleyhq/galley/internal/openstack"
	"github.com/galleyhq/galley/internal/text"
)

// completer returns the values that an argument or flag may have. It is called
// while the user waits for the shell, so it is quick and never prints: what
// cannot be found out completes nothing.
type completer = func(cmd *cobra.Command, args []string, toComplete string) ([]string, cobra.ShellCompDirective)

const (
	// completionTime bounds the lookups for one completion.
	completionTime = 2 * time.Second
	// completionAge is how long names from the cloud are used again.
	completionAge = 20 * time.Second
)

// fixed completes a few known words.
func fixed(words ...string) completer {
	return cobra.FixedCompletions(words, cobra.ShellCompDirectiveNoFileComp)
}

// completeFlag sets how a flag's value is completed, if cmd has the flag.
func completeFlag(cmd *cobra.Command, flag string, c completer) {
	if cmd.Flag(flag) != nil {
		// The only errors are an unknown flag and a second registration.
		_ = cmd.RegisterFlagCompletionFunc(flag, c)
	}
}

// completeUnset makes the flags of cmd and its subcommands complete nothing
// where they take neither a file nor one of a few known words.
func completeUnset(cmd *cobra.Command) {
	for _, sub := range cmd.Commands() {
		completeUnset(sub)
	}
	if cmd.ValidArgsFunction == nil && len(cmd.ValidArgs) == 0 && cmd.Runnable() && !strings.Contains(cmd.Use, "FILE") {
		cmd.ValidArgsFunction = cobra.NoFileCompletions
	}
}

// remaining returns list without the values already in args.
func remaining(list, args []string) []string {
	return slices.DeleteFunc(slices.Clone(list), func(s string) bool { return slices.Contains(args, s) })
}

// completeInstances completes instances of the configuration.
func (p *projects) completeInstances(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	return remaining(append(p.instanceNames(cmd.Context()), "all"), args), cobra.ShellCompDirectiveNoFileComp
}

// completeOneInstance completes the one argument of login.
func (p *projects) completeOneInstance(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	return p.instanceNames(cmd.Context()), cobra.ShellCompDirectiveNoFileComp
}

// instanceNames returns the names of the configured instances, none when the
// configuration cannot be read.
func (p *projects) instanceNames(ctx context.Context) []string {
	ctx, cancel := context.WithTimeout(ctx, completionTime)
	defer cancel()
	o, err := p.settings.silent().readOptions(ctx)
	if err != nil {
		return nil
	}
	c, err := config.Load(ctx, o)
	if err != nil {
		return nil
	}
	names := make([]string, len(c.Instances))
	for i, inst := range c.Instances {
		names[i] = inst.Name
	}
	return names
}

// silent returns settings that print nothing and ask nobody.
func (s *settings) silent() *settings {
	quiet := &settings{program: s.program.silent(), flags: s.flags}
	return quiet
}

// completeClouds completes the clouds of clouds.yaml.
func (s *settings) completeClouds(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	names, _ := clouds.List(clouds.Options{Getenv: s.streams.Getenv})
	return names, cobra.ShellCompDirectiveNoFileComp
}

// cloudNames asks the cloud for names of one kind.
type cloudNames struct {
	kind string
	get  func(context.Context, *openstack.Cloud) ([]string, error)
}

// The kinds of names that are completed.
var (
	imageNames      = namesOf("images", (*openstack.Cloud).Images, func(i openstack.Image) string { return i.Name })
	flavorNames     = namesOf("flavors", (*openstack.Cloud).Flavors, func(f openstack.Flavor) string { return f.Name })
	networkNames    = namesOf("networks", (*openstack.Cloud).Networks, func(n openstack.Network) string { return n.Name })
	groupNames      = namesOf("groups", (*openstack.Cloud).SecurityGroups, func(g openstack.SecurityGroup) string { return g.Name })
	keyPairNames    = namesOf("keypairs", (*openstack.Cloud).KeyPairs, func(k openstack.KeyPair) string { return k.Name })
	serverNamesOf   = namesOf("servers", (*openstack.Cloud).Servers, func(s openstack.ServerInfo) string { return s.Name })
	floatingIPNames = namesOf("floating-ips", (*openstack.Cloud).FloatingIPs, func(f openstack.FloatingIP) string { return f.Address })
	volumeNames     = namesOf("volumes", (*openstack.Cloud).Volumes, func(v openstack.Volume) string { return v.Name })
	poolNamesOf     = namesOf("pools", (*openstack.Cloud).Networks, func(n openstack.Network) string {
		if !n.External {
			return ""
		}
		return n.Name
	})
)

// namesOf are the names of what a lookup finds, sorted and each once.
func namesOf[T any](kind string, find func(*openstack.Cloud, context.Context) ([]T, error), name func(T) string) cloudNames {
	return cloudNames{kind, func(ctx context.Context, c *openstack.Cloud) ([]string, error) {
		list, err := find(c, ctx)
		var names []string
		for _, x := range list {
			if n := text.CleanLine(name(x)); n != "" {
				names = append(names, n)
			}
		}
		slices.Sort(names)
		return slices.Compact(names), err
	}}
}

// complete completes names of one kind on the cloud, for every argument.
func (c *cloudAccess) complete(n cloudNames) completer {
	return func(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
		return remaining(c.cachedNames(cmd.Context(), n), args), cobra.ShellCompDirectiveNoFileComp
	}
}

// completeFirst is complete for the first argument only.
func (c *cloudAccess) completeFirst(n cloudNames) completer {
	return func(cmd *cobra.Command, args []string, toComplete string) ([]string, cobra.ShellCompDirective) {
		if len(args) > 0 {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		return c.complete(n)(cmd, args, toComplete)
	}
}

// cachedNames asks the cloud, unless it was asked a few seconds ago.
func (c *cloudAccess) cachedNames(ctx context.Context, n cloudNames) []string {
	ctx, cancel := context.WithTimeout(ctx, completionTime)
	defer cancel()
	quiet := c.silent()
	auth, err := quiet.credentials(ctx)
	if err != nil {
		return nil
	}
	file := completionCache(n.kind, auth)
	if names, ok := readNames(file); ok {
		return names
	}
	cloud, err := openstack.Connect(ctx, auth, openstack.Options{})
	if err != nil {
		return nil
	}
	defer cloud.Close()
	names, err := n.get(ctx, cloud)
	if err == nil {
		writeNames(file, names)
	}
	return names
}

// silent returns access that prints nothing and asks nobody.
func (c *cloudAccess) silent() *cloudAccess {
	s := c.settings.silent()
	return &cloudAccess{settings: s, knife: &knifeSetup{settings: s, flags: c.knife.flags, style: c.knife.style}}
}

// completionCache names the file that holds names of one kind for one login,
// "" for none.
func completionCache(kind string, auth credentials.Auth) string {
	dir, err := os.UserCacheDir()
	if err != nil {
		return ""
	}
	sum := sha256.Sum256([]byte(strings.Join([]string{
		kind, auth.URL, auth.Region, auth.ProjectID, auth.ProjectName, auth.Username, auth.UserID, auth.AppCredID, auth.AppCredName,
	}, "\x00")))
	return filepath.Join(dir, "galley", "completion-"+hex.EncodeToString(sum[:12])+".json")
}

func readNames(file string) (names []string, ok bool) {
	info, err := os.Stat(file)
	if err != nil || time.Since(info.ModTime()) > completionAge {
		return nil, false
	}
	data, err := os.ReadFile(file)
	if err != nil || json.Unmarshal(data, &names) != nil {
		return nil, false
	}
	return names, true
}

// writeNames keeps names for the next completion. That it fails costs time
// only.
func writeNames(file string, names []string) {
	data, err := json.Marshal(names)
	if err != nil || os.MkdirAll(filepath.Dir(file), 0o700) != nil {
		return
	}
	_ = atomicfile.Write(file, data, 0o600)
}
