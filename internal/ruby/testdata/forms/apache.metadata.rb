# frozen_string_literal: true

name             'webfront'
maintainer       "Example GmbH"
maintainer_email 'ops@example.com'
license          'Apache-2.0'
description      'Installs and configures the web front end'
long_description IO.read(File.join(File.dirname(__FILE__), 'README.txt'))
version          IO.read(File.join(File.dirname(__FILE__), 'VERSION')).chomp rescue '0.0.1'
chef_version     '>= 14', '< 19' if respond_to?(:chef_version)
source_url       'https://example.com/webfront' if respond_to?(:source_url)
issues_url       "https://example.com/webfront/issues" unless defined?(ChefSpec)

%w(ubuntu debian).each do |os|
  supports os, '>= 20.04'
end
%w{ centos redhat
    oracle }.each { |os| supports os }
[['fedora', nil], ['amazon', '>= 2023']].each do |os, constraint|
  constraint ? supports(os, constraint) : supports(os)
end

depends 'apt'
depends 'yum', '~> 3.0'
depends "#{name}-base", ">= 1.2.0", "< 3.0"
{ 'nginx' => '>= 9.0', 'openssl' => nil }.each_pair do |cookbook, wanted|
  if wanted.nil?
    depends cookbook
  else
    depends cookbook, wanted
  end
end
suggests :logrotate
provides 'webfront::default'
recipe 'webfront::default', "Installs the #{'web' + ' front'} end"
recipe "webfront::ssl", 'Adds TLS'

attribute 'webfront/port',
  :display_name => 'Port',
  :description => "The port " \
                  "to listen on",
  :type => 'string',
  :required => "recommended",
  :recipes => ['webfront::default'],
  :default => '80'

attribute('webfront/hosts', display_name: 'Hosts', type: :array, default: [])
gem 'net-ldap', '>= 0.16'
