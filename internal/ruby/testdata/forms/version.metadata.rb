require 'json'

def cookbook_version(root)
  data = JSON.parse(File.read(File.join(root, 'package.json')))
  data.fetch('version') { raise ArgumentError, 'no version' }
rescue Errno::ENOENT, JSON::ParserError => e
  warn "reading the version: #{e.message.split(' - ').first}"
  nil
ensure
  @done = true
end

root = __dir__
name 'tool'
version cookbook_version(root) || '1.2.3'
version(cookbook_version(File.expand_path('nowhere', root)) || "1.2.#{ENV.fetch('BUILD_NUMBER', 4)}")
license 'all rights'.split.map(&:capitalize).join(' ')
description <<-EOH
Does a thing.
  And another: #{@done.inspect}
EOH
long_description <<~TEXT
  Longer:
    * one
    * two
TEXT

case ENV['TARGET']
when nil, '' then depends 'base'
when /\A(dev|test)\z/ then depends 'base-dev'
else depends 'base', '>= 2.0'
end

deps = { base: ['>= 1.0', '< 2.0'], extra: '~> 4.1' }
deps.select { |_, v| v.is_a?(String) }.each { |k, v| depends k.to_s, v }
deps.reject { |k, _| k == :extra }.map { |k, v| [k.to_s, *v] }.each { |args| depends(*args) }
chef_version '>= 15.0' if Gem::Version.new('17.10.0') >= Gem::Version.new('15')
ohai_version '>= 15.0' if Gem::Requirement.new('~> 17.0', '>= 17.1').satisfied_by?(Gem::Version.new('17.4'))
supports 'ubuntu' unless Dir.glob(File.join(root, '*.rb')).empty?
privacy true
eager_load_libraries false
