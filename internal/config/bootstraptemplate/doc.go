// Package bootstraptemplate renders the scripts that people have written in
// place of knife's own chef-full: ERB in Erubis' manner, with the methods and
// instance variables that knife gives such a template (knife:
// --bootstrap-template, bootstrap_context.rb).
//
// The Ruby in it is evaluated by internal/ruby. What lies outside that
// subset, and methods that only knife itself has, are errors with the
// template's line.
//
// internal/cli imports it, and the packages below internal/config.
package bootstraptemplate
