// Package settings is the one table of what users can set: the keys of
// kitchen.yml, the keys of knife[...] and the flags of the commands in
// knife's style. A driver key, a knife key and a flag that mean the same are
// one [Setting] with all its spellings, its type, default and documentation.
//
// Validation, the JSON schema, the reference of keys, the help of flags and
// the reading of knife.rb come from this table, and an [Advice] names a
// setting by its [ID], so that each front end can spell it in its user's
// words.
//
// The package imports the standard library only; every other package may
// import it. A new key, knife key or flag is added here first.
package settings
