// Package credentials says which cloud, who, and in which project: [Auth], as
// OS_* variables, the keys of kitchen.yml and knife.rb or an entry of
// clouds.yaml set it, and how one source completes another.
//
// It is below both internal/config, which reads the files, and
// internal/openstack, which logs in.
package credentials
