package env

import (
	"maps"
	"runtime"
	"slices"
	"strings"
)

// Env is a private copy of an environment. Names are compared as the operating
// system does: without regard to case on Windows. It is not safe for use by
// several goroutines at once. The zero value is empty and ready to use.
type Env struct {
	vars  map[string]string
	names []string          // in order of first appearance
	fold  map[string]string // upper-case name to the spelling in use, on Windows only
}

// New copies an environment given as "NAME=value" strings, as os.Environ
// returns it. The last of several entries with the same name counts.
func New(environ []string) *Env {
	e := &Env{}
	for _, kv := range environ {
		// Windows has entries such as "=C:=C:\\dir", which are not variables.
		if i := strings.IndexByte(kv, '='); i > 0 {
			e.Set(kv[:i], kv[i+1:])
		}
	}
	return e
}

// FromMap copies an environment given as a map, in the order of its names.
func FromMap(m map[string]string) *Env {
	e := &Env{}
	for _, k := range slices.Sorted(maps.Keys(m)) {
		e.Set(k, m[k])
	}
	return e
}

// key returns the spelling under which a name is stored.
func (e *Env) key(name string) string {
	if runtime.GOOS != "windows" {
		return name
	}
	if k, ok := e.fold[strings.ToUpper(name)]; ok {
		return k
	}
	return name
}

// Get returns the variable's value, "" when it is not set. A nil Env has no
// variables.
func (e *Env) Get(name string) string {
	v, _ := e.Lookup(name)
	return v
}

// Lookup returns the variable's value and whether it is set.
func (e *Env) Lookup(name string) (string, bool) {
	if e == nil {
		return "", false
	}
	v, ok := e.vars[e.key(name)]
	return v, ok
}

// Set sets a variable.
func (e *Env) Set(name, value string) {
	k := e.key(name)
	if e.vars == nil {
		e.vars = map[string]string{}
	}
	if _, ok := e.vars[k]; !ok {
		e.names = append(e.names, k)
		if runtime.GOOS == "windows" {
			if e.fold == nil {
				e.fold = map[string]string{}
			}
			e.fold[strings.ToUpper(k)] = k
		}
	}
	e.vars[k] = value
}

// Unset removes a variable. Removing one that is not set does nothing.
func (e *Env) Unset(name string) {
	k := e.key(name)
	if _, ok := e.vars[k]; !ok {
		return
	}
	delete(e.vars, k)
	delete(e.fold, strings.ToUpper(k))
	e.names = slices.DeleteFunc(e.names, func(n string) bool { return n == k })
}

// Names returns the names of the variables, in order.
func (e *Env) Names() []string { return slices.Clone(e.names) }

// Map returns a copy as a map.
func (e *Env) Map() map[string]string { return maps.Clone(e.vars) }

// Environ returns a copy as "NAME=value" strings, as exec.Cmd wants it.
func (e *Env) Environ() []string {
	out := make([]string, 0, len(e.names))
	for _, n := range e.names {
		out = append(out, n+"="+e.vars[n])
	}
	return out
}

// Clone returns an independent copy.
func (e *Env) Clone() *Env { return New(e.Environ()) }
