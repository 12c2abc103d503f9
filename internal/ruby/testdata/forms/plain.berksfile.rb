# -*- mode: ruby -*-
source 'https://supermarket.chef.io'
source chef_repo: '..'
solver :ruby, :required

metadata

cookbook 'apt', '~> 7.4'
cookbook "yum", '>= 3.0', group: :rpm
cookbook 'local', path: '../local'
cookbook 'mine', :git => 'https://example.com/mine.git', :branch => "main"
cookbook 'theirs', git: 'git@example.com:theirs.git', ref: 'abc123', rel: 'cookbooks/theirs'
cookbook 'hub', github: 'example/hub', tag: 'v1.0.0'

group :integration, :test do
  cookbook 'fixture', path: './test/fixtures/cookbooks/fixture'
  cookbook "helpers", :path => File.expand_path('../helpers', __FILE__)
end

def local(name, *constraints, **options)
  path = File.join('..', 'shared', name)
  return cookbook(name, *constraints, **options) unless File.directory?(path)
  cookbook name, path: path
end

def fixture(name)
  cookbook name, path: "test/fixtures/#{name}"
end

local 'common', '~> 1.0'
local 'web', group: :site
fixture 'one'

overrides = { 'db' => { branch: 'next' } }
overrides.merge('queue' => {}).each do |name, options|
  cookbook name, { git: "https://example.com/#{name}.git" }.merge(options)
end

org = ENV['COOKBOOK_ORG'] || 'example'
%w(alpha beta).each_with_index { |n, i| cookbook n, github: "#{org}/#{n}", tag: "v#{i + 1}.0" } if org == 'example'
