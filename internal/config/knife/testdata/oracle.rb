# Prints, as JSON, what the real chef-config makes of a configuration.
#
#   ruby oracle.rb SOURCES [FILE [PROFILE]]
#
# SOURCES holds the folders chef-config, chef-utils, mixlib-config and tomlrb,
# each with its lib. HOME and the current directory are the caller's.
sources, file, profile = ARGV
%w[chef-config chef-utils mixlib-config tomlrb].each { |d| $LOAD_PATH.unshift File.join(sources, d, "lib") }

# chef-config asks the system for its locales by way of a gem.
module Mixlib
  class ShellOut
    def initialize(*); end
    def run_command = self
    def error!; end
    def stdout = "C.UTF-8"
  end
end
$LOADED_FEATURES << "mixlib/shellout.rb"

require "json"
require "chef-config/config"
require "chef-config/workstation_config_loader"
class Chef
  Config = ChefConfig::Config
end

def plain(v)
  case v
  when nil, true, false, Integer, Float, String then v
  when Symbol then v.to_s
  when Array then v.map { |e| plain(e) }
  when Hash then v.to_h { |k, e| [k.to_s, plain(e)] }
  when Pathname then v.to_s
  else v.class.name
  end
end

begin
  ChefConfig::PathHelper.per_tool_home_environment = "KNIFE_HOME"
  loader = ChefConfig::WorkstationConfigLoader.new(file.to_s.empty? ? nil : file, profile: profile)
  loader.load
  c = ChefConfig::Config
  set = c.configuration
  # knife itself resolves the client key.
  key = set[:client_key]&.to_s
  key = File.expand_path(key, File.dirname(loader.config_location)) if key && loader.config_location
  puts JSON.generate(
    "set" => plain(set.reject { |k, _| %i[client_key config_file profile log_location].include?(k) }),
    "client_key" => key,
    "validation_client_name" => c.validation_client_name,
    "knife" => plain(c.knife.save),
    "file" => loader.config_location,
  )
rescue SystemExit, Interrupt
  raise
rescue Exception => e
  puts JSON.generate("error" => e.message)
end
