current_dir = File.dirname(__FILE__)
user = ENV['OPSCODE_USER'] || ENV['USER'] || 'nobody'
log_level                :info
log_location             STDOUT
node_name                user.downcase.gsub(/[^a-z0-9_-]/, '-')
client_key               "#{current_dir}/#{user}.pem"
validation_client_name   "#{ENV['ORG'] || 'example'}-validator"
validation_key           File.join(current_dir, "#{ENV.fetch('ORG', 'example')}-validator.pem")
chef_server_url          "https://chef.example.com/organizations/%s" % (ENV['ORG'] || 'example')
cache_type               'BasicFile'
cache_options(:path => "#{ENV['HOME']}/.chef/checksums")
cookbook_path            ["#{current_dir}/../cookbooks", File.expand_path('../site', __FILE__)]
cookbook_copyright "Example, Inc." ; cookbook_license 'apachev2'

knife[:editor] = ENV.key?('EDITOR') ? ENV['EDITOR'] : '/usr/bin/vi'
knife[:openstack_auth_url] = "#{ENV['OS_AUTH_URL']}/tokens"
knife[:openstack_username] ||= ENV["OS_USERNAME"]
knife[:flavor] = { small: 1, large: 4 }.fetch(:small).to_s
knife[:network_ids] = (ENV['NETS'] || 'net-1,net-2').split(',').map(&:strip).reject(&:empty?)
knife['ssh_port'] = Integer(ENV['SSH_PORT'] || '22')
knife[:ratio] = Float('0.25') + 1.0 / 4
knife[:tags] = [:web, "db", nil, 3.5, true].compact.map(&:to_s).sort.uniq.join('|')

[:a, :b].each_with_index do |k, i|
  knife[k] = i.zero? ? "first" : "other-#{i}"
end

extra = File.join(current_dir, 'extra.yml')
if File.exist?(extra)
  require 'yaml'
  YAML.load_file(extra).each { |k, v| knife[k.to_sym] = v }
end
begin
  knife[:secret] = File.read(File.join(current_dir, 'missing')).chomp
rescue SystemCallError, IOError
  knife[:secret] = nil
end
@n = (1..2).inject(:+) - 1
knife[:n] = @n
module Defaults
  REGION = 'eu'.freeze
  def self.zone(n = 1)
    "#{REGION}-#{n}"
  end
end
knife[:zone] = Defaults.zone(2)
knife[:when] = Time.now.utc.strftime('%Y').size
knife[:config] = JSON.generate('a' => [1, 2.5, nil, { b: "x\n" }])
knife[:lambda] = ->(x, y = 2, *rest, k: 1) { x * y + rest.sum + k }.call(3, 4, 5, k: 6)
knife[:safe] = nil&.length.inspect + 'abc'[1..] + "x".rjust(3, '0') + format('%05.1f|%-4s|%+d', 3.14159, 'ab', 5)
