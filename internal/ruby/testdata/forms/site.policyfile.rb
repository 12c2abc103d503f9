# Policyfile.rb
name 'site'

default_source :supermarket
default_source :chef_repo, '../..' do |s|
  s.preferred_for 'base', 'firewall'
end

run_list 'base::default', 'site'
named_run_list :update, 'base::update', 'recipe[site::update]'
run_list(*%w(base site).map { |c| "recipe[#{c}]" }) if ENV['MINIMAL']

cookbook 'site', path: '.'
cookbook "base", '~> 2.0', git: 'https://example.com/base.git', tag: 'v2.1.0'
cookbook 'firewall', '>= 6.0'

default['site']['port'] = 8080
default['site']['hosts'] = %w(a b).map { |h| "#{h}.example.com" }
override['site']['tls'] = { 'enabled' => true, 'ciphers' => %i(aes256 chacha), 'days' => 365 * 2 }
default['site']['memory'] = (512 * 1.5).to_i
include_policy 'company', path: './company.lock.json'

versions = { 'apt' => [7, 4], 'ntp' => [3, 12, 0] }
versions.sort_by { |n, _| n }.each { |n, v| cookbook n, "= #{v.join('.')}" }
if (team = ENV['TEAM'].to_s.strip.downcase) && !team.empty?
  default['site']['team'] = team.to_sym
end

Dir.children(__dir__).grep(/\.erb\z/).sort.each do |file|
  named_run_list File.basename(file, '.kitchen.erb').to_sym, 'base::kitchen'
end
