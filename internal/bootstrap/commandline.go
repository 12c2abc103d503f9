package bootstrap

import (
	"fmt"
	"net"
	"runtime"
	"strconv"
	"strings"
)

// CommandLine returns the ssh command that does what c says, for people to
// copy: Galley itself does not run it. As Test Kitchen's, it looks into no
// known_hosts, since addresses of a cloud are used again and again.
func CommandLine(c Config) ([]string, error) {
	cfg, err := c.resolved()
	if err != nil {
		return nil, err
	}
	null := "/dev/null"
	if runtime.GOOS == "windows" {
		null = "NUL"
	}
	args := []string{
		"ssh",
		"-o", "UserKnownHostsFile=" + null,
		"-o", "StrictHostKeyChecking=no",
	}
	if cfg.OnlyKeys {
		args = append(args, "-o", "IdentitiesOnly=yes")
	}
	args = append(args, "-o", "LogLevel=ERROR")
	if cfg.ForwardAgent {
		args = append(args, "-o", "ForwardAgent=yes")
	}
	switch {
	case len(cfg.Gateways) > 0:
		jumps := make([]string, len(cfg.Gateways))
		for i, g := range cfg.Gateways {
			jumps[i] = g.User + "@" + net.JoinHostPort(g.Host, strconv.Itoa(g.Port))
		}
		args = append(args, "-J", strings.Join(jumps, ","))
	case cfg.ProxyCommand != "":
		args = append(args, "-o", "ProxyCommand="+cfg.ProxyCommand)
	case cfg.HTTPProxy != nil:
		// The user's own name and password stay out of it.
		args = append(args, "-o", fmt.Sprintf("ProxyCommand=nc -X connect -x %s %%h %%p",
			net.JoinHostPort(cfg.HTTPProxy.Host, strconv.Itoa(cfg.HTTPProxy.Port))))
	}
	for _, k := range cfg.Keys {
		args = append(args, "-i", k)
	}
	return append(args, "-p", strconv.Itoa(cfg.Port), cfg.User+"@"+cfg.Host), nil
}
