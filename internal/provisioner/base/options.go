package base

import (
	"os"
	"path/filepath"
	"runtime"

	"github.com/galleyhq/galley/internal/env"
	"github.com/galleyhq/galley/kitchen"
)

// Options is what a provisioner or verifier needs to know beside its section.
// It is the same for every plug-in of an instance.
type Options struct {
	// Instance is the instance's name; Suite and Platform are the parts it is made
	// of.
	Instance, Suite, Platform string
	// OSType is "unix" or "windows", ShellType "bourne" or "powershell"; ""
	// is unix and bourne.
	OSType, ShellType string
	// Root is the absolute path of the project's directory.
	Root string
	// TestBase is the absolute path of the directory of all suites' tests, by
	// default test/integration below Root.
	TestBase string
	// Environ is the environment (KEY=VALUE) that proxies and TKENV_* come
	// from and that commands on the workstation get. Nil is an empty one.
	Environ []string
	// Debug is `converge -D` or `verify -D`.
	Debug bool
	// Login tells how the workstation's own tools reach the machine; nil means
	// that they cannot.
	Login func(*kitchen.State) (Login, error)
}

// Login is how a program on the workstation logs in to a machine over SSH.
type Login struct {
	Host string
	// Port is 0 for the usual one.
	Port     int
	User     string
	Password string
	// Keys are paths of private keys.
	Keys []string
	// ProxyCommand is an OpenSSH ProxyCommand, "" for none.
	ProxyCommand string
	// Gateway is a jump host, "" for none; its port and user are 0 and "" for
	// the usual ones.
	Gateway     string
	GatewayPort int
	GatewayUser string
	// ForwardAgent lets the machine use the user's agent.
	ForwardAgent bool
}

// testBase returns the directory of all suites' tests.
func (o Options) testBase() string {
	if o.TestBase != "" {
		return o.TestBase
	}
	return filepath.Join(o.Root, "test", "integration")
}

// SuiteDir is the directory of the suite's tests.
func (o Options) SuiteDir() string { return filepath.Join(o.testBase(), o.Suite) }

// HelpersDir is the directory of test files that all suites share.
func (o Options) HelpersDir() string { return filepath.Join(o.testBase(), "helpers") }

// Getenv returns a variable of the workstation's environment, "" when unset.
func (o Options) Getenv(name string) string { return env.New(o.Environ).Get(name) }

// FindFile and FindDir return the path of what a suite has under the name:
// the first that exists of test/integration/SUITE/NAME, test/integration/NAME
// and NAME itself below the project (Test Kitchen: calculate_path). "" means
// that there is none.
func (o Options) FindFile(name string) string { return o.find(name, false) }

// FindDir is [Options.FindFile] for directories.
func (o Options) FindDir(name string) string { return o.find(name, true) }

func (o Options) find(name string, dir bool) string {
	for _, base := range []string{o.SuiteDir(), o.testBase(), o.Root} {
		p := filepath.Join(base, name)
		if info, err := os.Stat(p); err == nil && info.IsDir() == dir {
			return p
		}
	}
	return ""
}

// LookPath finds a program on the workstation by the PATH of Environ, "" when
// there is none.
func (o Options) LookPath(names ...string) string {
	exts := []string{""}
	if runtime.GOOS == "windows" {
		exts = []string{".exe", ".bat", ".cmd"}
	}
	for _, name := range names {
		for _, dir := range filepath.SplitList(o.Getenv("PATH")) {
			// A relative entry would run programs of the project.
			if !filepath.IsAbs(dir) {
				continue
			}
			for _, ext := range exts {
				p := filepath.Join(dir, name+ext)
				info, err := os.Stat(p)
				if err == nil && !info.IsDir() && (runtime.GOOS == "windows" || info.Mode()&0o111 != 0) {
					return p
				}
			}
		}
	}
	return ""
}

// IsFile says whether there is a regular file of that path on the workstation.
func IsFile(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular()
}

// IsDir says whether there is a directory of that path on the workstation.
func IsDir(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}
