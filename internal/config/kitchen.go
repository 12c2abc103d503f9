package config

import (
	"context"
	"io"
	"os"
	"path/filepath"

	"github.com/galleyhq/galley/internal/ruby"
)

// Options say what to read, and how.
type Options struct {
	// Root is the project's directory, where Test Kitchen would be run; "" is
	// the current directory.
	Root string
	// Env is the environment that files are found by and templates see, which
	// they may also write to. Nil is a copy of the process's own.
	Env *Env
	// File, LocalFile and GlobalFile name the three files; "" finds them as
	// Test Kitchen does, by KITCHEN_YAML and its companions first.
	File, LocalFile, GlobalFile string
	// SkipERB, SkipLocal and SkipGlobal leave a step out.
	SkipERB, SkipLocal, SkipGlobal bool
	// AllowExec lets templates run commands.
	AllowExec ruby.Consent
	// Output gets what templates print with puts and its like; nil throws it
	// away.
	Output io.Writer
}

// Project is a resolved configuration.
type Project struct {
	// Root is the absolute path of the project's directory.
	Root string
	// Instances are suites times platforms, in file order, the suite outermost.
	Instances []Instance
	// Warnings are what the files hold that works, but perhaps not as meant.
	Warnings []Problem
	// Files are the configuration files that exist, in the order they are
	// merged: global, project, local.
	Files []File

	// raw is the merged data before it is taken apart.
	raw    *mapping
	moved  *mapping
	loader *loader
	// suites and platforms as resolved, for validation.
	suites    []suite
	platforms []platform
}

// File is one configuration file.
type File struct {
	// Role is "global", "project" or "local".
	Role string
	// Path is absolute.
	Path string
}

// Instance is one suite on one platform, with the data of its plug-ins before
// their own defaults.
type Instance struct {
	// Name is the sanitised form of SUITE-PLATFORM.
	Name string
	// Suite and Platform are the names as written.
	Suite, Platform string
	// OSType is "unix" or "windows", ShellType "bourne" or "powershell",
	// unless the platform sets something else.
	OSType, ShellType string

	Driver, Provisioner, Transport, Verifier, Lifecycle Section

	// The same as written: not every one of them is a string in every file.
	suite, platform, osType, shellType *value
}

// Load finds, renders, parses, merges and resolves the configuration of the
// project in o.Root. What is wrong with the files is an *[Error].
func Load(ctx context.Context, o Options) (*Project, error) {
	l, err := newLoader(o)
	if err != nil {
		return nil, err
	}
	return l.project(ctx)
}

// ProjectFile returns the path of the project's own file, and whether it is
// there. Where it is not, the path is where one should be.
func ProjectFile(o Options) (path string, found bool, err error) {
	l, err := newLoader(o)
	if err != nil {
		return "", false, err
	}
	defer l.close()
	return l.main.path, l.main.found, nil
}

func (l *loader) project(ctx context.Context) (*Project, error) {
	defer l.close()
	raw, err := l.read(ctx)
	if err != nil {
		return nil, err
	}
	p := &Project{Root: l.root, raw: raw, loader: l, Warnings: l.warnings}
	for _, f := range l.files() {
		if f.found {
			p.Files = append(p.Files, File{Role: f.role, Path: f.path})
		}
	}
	if err := p.resolve(); err != nil {
		return nil, err
	}
	return p, nil
}

// absolute makes p absolute against dir, as File.expand_path does; a leading
// ~ is the home directory.
func absolute(p, dir, home string) string {
	if p == "~" || len(p) > 1 && p[0] == '~' && os.IsPathSeparator(p[1]) {
		p = filepath.Join(home, p[1:])
	}
	if !filepath.IsAbs(p) {
		p = filepath.Join(dir, p)
	}
	return filepath.Clean(p)
}
