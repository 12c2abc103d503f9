// Package rubyre matches Ruby's regular expressions.
//
// A pattern is translated into the syntax of github.com/dlclark/regexp2, a
// backtracking engine with the features that Ruby has too (look-around, back
// references, atomic groups). The translation takes care of what differs:
// ^ and $ are always anchors of lines, m lets the dot match a newline, \d, \w
// and \s are ASCII, POSIX brackets are Unicode, character classes nest, named
// groups turn plain ones off, possessive quantifiers, \h, \R and the escapes.
// What can't be translated (intersections and negations within a class, \p,
// \G, \K, octal escapes) is
// refused by name.
//
// A match that takes longer than [Timeout] ends with [ErrTimeout].
//
// The package is meant for internal/ruby, and for whoever reads patterns that
// Test Kitchen would give to Ruby: includes, excludes and instance names.
package rubyre
