// Package yaml11 reads YAML as Ruby's Psych 4.0 does when Test Kitchen calls
// it: YAML 1.1 with Psych's own idea of numbers, booleans, symbols and merge
// keys, aliases allowed, and no Ruby objects and no dates.
//
// The text is parsed by yaml.v3, whose scanner is that of libyaml, the parser
// below Psych. It differs in a few texts that hardly anybody writes, which the
// tests against a real Psych know:
//
//   - a question mark within a word within brackets, as in [http://host/?q=1],
//     is read as Psych reads it; one that stands alone before a bracket is
//     refused;
//   - the tag that says nothing (! "1") leaves quoted text a text, where Psych
//     makes a number of it;
//   - a colon before a closing bracket ([a:]) is accepted, Psych refuses it;
//   - a tag directly before a comma or bracket ([!foo, a]) is refused or
//     dropped; tags of signs that are not allowed in them are accepted;
//   - what follows a document that is not a mapping is read and may be
//     refused, Psych stops before it;
//   - a tab and the line ends of Unicode (NEL, LS, PS) count as white space in
//     a few more or fewer places;
//   - the tags !binary, !float and !omap, integers of more than 64 bits and
//     fractions in base 60 are refused;
//   - a byte order mark is passed over with a warning, Psych misreads what
//     follows it.
//
// It may be imported by internal/ruby, internal/config and the packages below
// it.
package yaml11
