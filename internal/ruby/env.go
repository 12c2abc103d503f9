package ruby

import (
	"runtime"
	"sort"
	"strings"
)

// Env is a private copy of an environment. Programs read and write it as ENV; the process's own is never touched.
// Names are compared as the operating system does: without regard to case on Windows.
// It is not safe for use by several goroutines at once. The zero value is empty and ready.
type Env struct {
	vars  map[string]string
	names []string          // in order of first appearance, which is the order of ENV.each
	fold  map[string]string // folded name to the spelling in use, on Windows only
}

// NewEnv copies an environment given as "NAME=value" strings, such as os.Environ returns. Of several entries with one
// name the last counts.
func NewEnv(environ []string) *Env {
	e := &Env{}
	for _, kv := range environ {
		// Windows has names such as "=C:"; they are no variables.
		if i := strings.IndexByte(kv, '='); i > 0 {
			e.Set(kv[:i], kv[i+1:])
		}
	}
	return e
}

// NewEnvMap copies an environment given as a map. The order of its variables is that of their names.
func NewEnvMap(m map[string]string) *Env {
	names := make([]string, 0, len(m))
	for k := range m {
		names = append(names, k)
	}
	sort.Strings(names)
	e := &Env{}
	for _, k := range names {
		e.Set(k, m[k])
	}
	return e
}

// key gives the spelling under which a name is stored.
func (e *Env) key(name string) string {
	if runtime.GOOS != "windows" {
		return name
	}
	if k, ok := e.fold[strings.ToUpper(name)]; ok {
		return k
	}
	return name
}

// Get returns the variable's value, or "" when it is not set.
func (e *Env) Get(name string) string {
	return e.vars[e.key(name)]
}

// Lookup returns the variable's value and whether it is set.
func (e *Env) Lookup(name string) (string, bool) {
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

// Unset removes a variable; removing one that is not set does nothing.
func (e *Env) Unset(name string) {
	k := e.key(name)
	if _, ok := e.vars[k]; !ok {
		return
	}
	delete(e.vars, k)
	delete(e.fold, strings.ToUpper(k))
	for i, n := range e.names {
		if n == k {
			e.names = append(e.names[:i:i], e.names[i+1:]...)
			break
		}
	}
}

// Names returns the names of the variables, in order.
func (e *Env) Names() []string {
	return append([]string(nil), e.names...)
}

// Map returns a copy as a map.
func (e *Env) Map() map[string]string {
	m := make(map[string]string, len(e.vars))
	for k, v := range e.vars {
		m[k] = v
	}
	return m
}

// Environ returns a copy as "NAME=value" strings, as exec.Cmd wants it.
func (e *Env) Environ() []string {
	out := make([]string, 0, len(e.names))
	for _, n := range e.names {
		out = append(out, n+"="+e.vars[n])
	}
	return out
}

// Clone returns an independent copy.
func (e *Env) Clone() *Env {
	return NewEnv(e.Environ())
}
