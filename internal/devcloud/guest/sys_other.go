//go:build unix && !linux

package guest

import "syscall"

// Any two signals that the tools below /run send; see tools.go.
const (
	sigReboot   = syscall.SIGUSR1
	sigPowerOff = syscall.SIGUSR2
)

func setHostName(string) error { return nil } // only namespaces have one of their own

func kernelRelease() string { return "unknown" }

func closeInherited() {}
