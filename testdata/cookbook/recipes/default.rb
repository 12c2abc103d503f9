file '/etc/motd' do
  content "Prepared by the cookbook galley_demo\n"
  mode '0644'
end
