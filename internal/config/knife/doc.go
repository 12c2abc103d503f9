// Package knife reads what users wrote for knife: config.rb or knife.rb with
// the files of config.d beside it, and ~/.chef/credentials. [Load] finds them
// in knife's order, evaluates the Ruby with internal/ruby, and gives
// one [Config] whose values know the file and line they came from.
//
// The facts followed are those of chef-config (WorkstationConfigLoader,
// Config, Mixin::Credentials) and of mixlib-config. The package knows files,
// not servers. internal/cli uses it; of ours it imports ruby and yaml11.
package knife
