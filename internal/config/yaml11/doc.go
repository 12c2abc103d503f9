// Package yaml11 reads YAML as Ruby's Psych 4.0 does when Test Kitchen calls
// it: YAML 1.1 with Psych's own idea of numbers, booleans, symbols and merge
// keys, aliases allowed, and no Ruby objects and no dates.
//
// It has a scanner and a parser of its own, which accept and refuse what
// libyaml 0.2.5, the parser below Psych, accepts and refuses. No Go library
// does: yaml.v3 refuses `[http://host/?q=1]`, accepts tabs that Psych does
// not, reads what follows a byte order mark otherwise, and its errors have no
// column. The tests compare with a real Psych where there is one.
//
// It may be imported by internal/config and the packages below it.
package yaml11
