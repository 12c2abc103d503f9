// Package base is what provisioners and verifiers share: the settings that
// each of them has, how a command is wrapped for a machine's shell, how it is
// repeated after a reboot, uploads and downloads, where a suite's files lie,
// and a tree of files put together without copying them.
//
// It may be imported by the plug-ins below internal/provisioner and
// internal/verifier.
package base
