package knife

import (
	"os"
	"path/filepath"
	"strings"
)

// dotChef is the directory of a user's or repository's configuration.
const dotChef = ".chef"

// places are the directories that a search works with.
type places struct {
	dir  string // the current directory
	home string // where ~ points
	// chefHome is the directory whose .chef holds credentials and defaults:
	// KNIFE_HOME, CHEF_HOME or the home directory, the first that exists
	// (chef-config: PathHelper.all_homes).
	chefHome string
	// nearest is the nearest .chef at or above dir, "" for none.
	nearest string
}

func (o Options) places() (places, error) {
	p := places{dir: o.Dir, home: o.Home}
	if p.dir == "" {
		wd, err := os.Getwd()
		if err != nil {
			return p, &Error{Msg: "finding the current directory: " + err.Error(), Err: err}
		}
		p.dir = wd
	}
	if p.home == "" {
		p.home = o.Env.Get("HOME")
	}
	if p.home == "" && o.Env.Get("HOMEDRIVE") != "" {
		p.home = o.Env.Get("HOMEDRIVE") + o.Env.Get("HOMEPATH")
	}
	if p.home == "" {
		p.home = o.Env.Get("USERPROFILE")
	}
	for _, h := range []string{o.Env.Get("KNIFE_HOME"), o.Env.Get("CHEF_HOME"), p.home} {
		if h != "" && isDir(p.abs(h)) {
			p.chefHome = p.abs(h)
			break
		}
	}
	for d := filepath.Clean(p.dir); ; d = filepath.Dir(d) {
		if c := filepath.Join(d, dotChef); isDir(c) {
			p.nearest = c
			break
		}
		if filepath.Dir(d) == d {
			break
		}
	}
	return p, nil
}

// abs resolves a path as Ruby's File.expand_path does: ~ is the home
// directory, relative paths start from the current directory.
func (p places) abs(path string) string { return p.from(path, p.dir) }

// from is abs with another start.
func (p places) from(path, dir string) string {
	if path == "~" || strings.HasPrefix(path, "~/") {
		if p.home != "" {
			return filepath.Join(p.home, path[1:])
		}
	}
	if filepath.IsAbs(path) {
		return filepath.Clean(path)
	}
	if !filepath.IsAbs(dir) {
		dir = filepath.Join(p.dir, dir)
	}
	return filepath.Join(dir, path)
}

// homeChef is a file of ~/.chef, "" without a home directory.
func (p places) homeChef(name string) string {
	if p.chefHome == "" {
		return ""
	}
	return filepath.Join(p.chefHome, dotChef, name)
}

// config finds the configuration: in KNIFE_HOME, the current directory, the
// nearest .chef upward, ~/.chef; config.rb before knife.rb in each.
func (o Options) config(p places) (string, error) {
	if o.File != "" {
		if o.File == os.DevNull {
			return "", nil // the way to have none
		}
		path := p.abs(o.File)
		if !isFile(path) {
			return "", &Error{File: path, Msg: "the configuration file does not exist", Advice: "--config names the file itself, as in --config ~/.chef/knife.rb"}
		}
		return path, nil
	}
	var dirs []string
	if h := o.Env.Get("KNIFE_HOME"); h != "" {
		dirs = append(dirs, p.abs(h))
	}
	dirs = append(dirs, p.dir)
	if p.nearest != "" {
		dirs = append(dirs, p.nearest)
	}
	if p.chefHome != "" {
		dirs = append(dirs, p.homeChef(""))
	}
	for _, d := range dirs {
		for _, name := range []string{"config.rb", "knife.rb"} {
			if path := filepath.Join(d, name); isFile(path) {
				return path, nil
			}
		}
	}
	return "", nil
}

func isFile(path string) bool {
	st, err := os.Stat(path)
	return err == nil && !st.IsDir()
}

func isDir(path string) bool {
	st, err := os.Stat(path)
	return err == nil && st.IsDir()
}
