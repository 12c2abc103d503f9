// Package yaml11 reads YAML as Ruby's Psych 4.0 does when Test Kitchen calls
// it: YAML 1.1 with Psych's own idea of numbers, booleans, symbols and merge
// keys, aliases allowed, and no Ruby objects and no dates.
//
// The syntax is that of yaml.v3's parser, whose parent, libyaml, is also
// Psych's. What scalars, tags, merges, aliases and duplicate keys mean is
// decided here, from what that parser saw.
//
// It may be imported by internal/config and the packages below it.
package yaml11
