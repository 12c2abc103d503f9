file '/etc/motd' do
  content "Prepared by #{cookbook_name} on #{node['hostname']}\n"
  mode '0644'
end
