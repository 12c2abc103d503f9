package kitchen

// Action is a step of the lifecycle, or another thing done to an instance.
type Action string

// The actions, in Test Kitchen's words as the state file has them.
const (
	Create   Action = "create"
	Converge Action = "converge"
	Setup    Action = "setup"
	Verify   Action = "verify"
	Destroy  Action = "destroy"
	// Reset is Galley's own: the state file has it as a create.
	Reset Action = "reset"
	// Snapshot keeps a machine as an image and changes nothing in its state.
	Snapshot Action = "snapshot"
)

// Instance is one suite on one platform, with the plug-ins that serve it.
type Instance struct {
	// Name is the suite's and the platform's name, joined and sanitised.
	Name     string
	Suite    string
	Platform string
	// Index is the instance's place in the configuration, from 0.
	Index int
	// OSType is "unix" or "windows", ShellType "bourne" or "powershell".
	OSType, ShellType string
	// Root is the absolute path of the project's directory, TestBase that of
	// its tests.
	Root, TestBase string

	// DriverName and the others are the plug-ins' names as configured.
	DriverName, ProvisionerName, TransportName, VerifierName string

	Driver      Driver
	Provisioner Provisioner
	Transport   Transport
	Verifier    Verifier

	// Hooks are the lifecycle hooks by phase and action ("pre_create"), in
	// the order in which they run.
	Hooks map[string][]Hook
}
