package provider

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/galleyhq/galley/internal/config"
	"github.com/galleyhq/galley/internal/provisioner/external"
	"github.com/galleyhq/galley/internal/state"
	"github.com/galleyhq/galley/kitchen"
)

// sshKeys are keys of the provisioner's section that are about the login: the
// protocol does not say which private key opens the instance.
var sshKeys = []string{"ssh_key", "ssh_key_only", "forward_agent"}

// login is how an instance is reached.
type login struct {
	// section is the transport's section, in Test Kitchen's keys.
	section map[string]any
	// state has the host, and what the driver recorded about the login.
	state *kitchen.State
	// keyFile is a temporary file with the private key, "" for none.
	keyFile string
}

func (l *login) close() {
	if l.keyFile != "" {
		_ = os.Remove(l.keyFile)
	}
}

// login takes what the request says of the transport, the secrets that it names
// in the environment, and what the driver left in the state file. Where the
// request does not describe the transport, the project's own files do.
func (c *Chef) login(ctx context.Context, r external.Request) (*login, error) {
	recorded, err := state.NewStore(r.Kitchen.RootPath).Load(filepath.Base(r.Instance.Name))
	if err != nil {
		return nil, err
	}
	l := &login{state: kitchen.NewState(nil)}
	t := r.Components.Transport
	switch {
	case t.Type == "ssh":
		l.section = fromRequest(t)
		l.state.Set(kitchen.KeyHostname, t.Target.Hostname)
	case strings.EqualFold(t.Name, "ssh"):
		if l.section, err = c.fromFiles(ctx, r); err != nil {
			return nil, err
		}
		for _, key := range []string{kitchen.KeyHostname, kitchen.KeyPort, kitchen.KeyUsername, kitchen.KeyPassword} {
			if v := recorded.Get(key); v != nil {
				l.state.Set(key, v)
			}
		}
	default:
		return nil, fmt.Errorf("galley provider reaches instances over the transport ssh, not over %s", t.Name)
	}
	if host := l.state.String(kitchen.KeyHostname); host == "" || host == "unknown" {
		return nil, fmt.Errorf("instance <%s> has no hostname: it has not been created", r.Instance.Name)
	}
	if key := recorded.String(kitchen.KeySSHKey); key != "" && l.section["ssh_key"] == nil {
		if !filepath.IsAbs(key) {
			key = filepath.Join(r.Kitchen.RootPath, key)
		}
		l.section["ssh_key"] = key
	}
	for _, k := range sshKeys {
		if v := r.Components.Provisioner.Config[k]; v != nil {
			l.section[k] = v
		}
	}
	if password := c.secret(t, "password"); password != "" {
		l.section["password"] = password
	}
	if key := c.secret(t, "private_key"); key != "" {
		if l.section["ssh_key"], l.keyFile, err = keyFile(key); err != nil {
			return nil, err
		}
	}
	return l, nil
}

// fromRequest is the transport's section as the request has it.
func fromRequest(t external.Transport) map[string]any {
	section := map[string]any{"name": "ssh"}
	for from, to := range map[string]string{
		"username": "username", "port": "port", "connection_timeout": "connection_timeout",
		"connection_retries": "connection_retries", "connection_retry_sleep": "connection_retry_sleep",
		"proxy_command": "ssh_proxy_command", "gateway": "ssh_gateway", "gateway_port": "ssh_gateway_port",
		"gateway_username": "ssh_gateway_username",
	} {
		if v := t.Config[from]; v != nil {
			section[to] = v
		}
	}
	return section
}

// fromFiles is the transport's section of the instance in the project's
// kitchen.yml and its companions.
func (c *Chef) fromFiles(ctx context.Context, r external.Request) (map[string]any, error) {
	allowed := c.Env.Get("GALLEY_RUBY_EXEC") == "1"
	p, err := config.Load(ctx, config.Options{
		Root: r.Kitchen.RootPath, Env: c.Env, Output: io.Discard, AllowExec: func(string, string) bool { return allowed },
	})
	if err != nil {
		return nil, fmt.Errorf("the transport of instance <%s>: %w", r.Instance.Name, err)
	}
	for i := range p.Instances {
		if in := &p.Instances[i]; in.Name == r.Instance.Name {
			section, _ := in.Transport.Data().(map[string]any)
			if section == nil {
				section = map[string]any{"name": "ssh"}
			}
			return section, nil
		}
	}
	return nil, fmt.Errorf("instance <%s> is not in the kitchen file of %s", r.Instance.Name, r.Kitchen.RootPath)
}

// secret returns the value of the variable that the request names for a kind of
// secret.
func (c *Chef) secret(t external.Transport, kind string) string {
	value := c.Env.Get(t.Secrets[kind])
	if value != "" {
		c.Secrets.Add(value)
	}
	return value
}

// keyFile returns the path of a private key that is given as a path or as its
// text. A text goes to a temporary file that only this user can read.
func keyFile(key string) (path, temporary string, err error) {
	if !strings.Contains(key, "PRIVATE KEY") {
		return key, "", nil
	}
	f, err := os.CreateTemp("", "galley-key-*") // mode 0600
	if err != nil {
		return "", "", fmt.Errorf("the transport's private key: %w", err)
	}
	_, err = f.WriteString(strings.TrimRight(key, "\n") + "\n")
	return f.Name(), f.Name(), errors.Join(err, f.Close())
}
