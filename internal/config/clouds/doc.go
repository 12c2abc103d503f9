// Package clouds reads clouds.yaml, with secure.yaml and the profiles of
// clouds-public.yaml, where and as openstacksdk does, and gives one entry as
// the OS_* variables that mean the same.
//
// internal/cli and the OpenStack driver use it. It may import the small shared packages.
package clouds
