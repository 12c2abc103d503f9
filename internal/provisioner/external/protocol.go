package external

// Version is the version of the protocol that both sides speak.
const Version = "1.0"

// The operations of a provider.
const (
	OpCapabilities = "capabilities"
	OpValidate     = "validate"
	OpRun          = "run"
)

// Capabilities is what a provider says of itself.
type Capabilities struct {
	ProtocolVersion string       `json:"protocol_version"`
	Provider        Identity     `json:"provider"`
	ExecutionModel  string       `json:"execution_model"`
	Channel         string       `json:"channel"`
	Commands        []string     `json:"commands"`
	EventStream     string       `json:"event_stream"`
	Transports      []string     `json:"supported_transports"`
	SecretPolicy    SecretPolicy `json:"secret_policy"`
}

// Identity names a provider.
type Identity struct {
	Name    string `json:"name"`
	Type    string `json:"type"`
	Version string `json:"version,omitempty"`
}

// SecretPolicy says how secrets travel: never in JSON, only in variables that
// are named.
type SecretPolicy struct {
	InJSON      bool   `json:"json_contains_secret_values"`
	Delivery    string `json:"secret_delivery"`
	Environment string `json:"environment_variables"`
}

// NewCapabilities returns the capabilities of a provisioner that reaches
// machines by the given transports.
func NewCapabilities(name, version string, transports ...string) Capabilities {
	return Capabilities{
		ProtocolVersion: Version,
		Provider:        Identity{Name: name, Type: "provisioner", Version: version},
		ExecutionModel:  "exec",
		Channel:         "stdio",
		Commands:        []string{OpValidate, OpRun},
		EventStream:     "ndjson",
		Transports:      transports,
		SecretPolicy:    SecretPolicy{Delivery: "environment", Environment: "allowlist"},
	}
}

// Request is what the host asks of a provider for one instance.
type Request struct {
	ProtocolVersion string        `json:"protocol_version"`
	Operation       string        `json:"operation"`
	Kitchen         Kitchen       `json:"kitchen"`
	Instance        Instance      `json:"instance"`
	Platform        Platform      `json:"platform"`
	Suite           Suite         `json:"suite"`
	Components      Components    `json:"components"`
	Executor        Executor      `json:"executor"`
	Environment     Environment   `json:"environment"`
	State           ProviderState `json:"state,omitzero"`
}

// Kitchen is the host and its project.
type Kitchen struct {
	Version  string `json:"version"`
	RootPath string `json:"root_path"`
	// LogPath and StatePath are the instance's files, "" for none.
	LogPath   string `json:"log_path,omitempty"`
	StatePath string `json:"state_path,omitempty"`
}

// Instance is the instance to converge.
type Instance struct {
	Name          string  `json:"name"`
	LastAction    *string `json:"last_action"`
	LastAttempted *string `json:"last_attempted_action"`
}

// Platform is the instance's platform.
type Platform struct {
	Name      string `json:"name"`
	OSType    string `json:"os_type,omitempty"`
	ShellType string `json:"shell_type,omitempty"`
}

// Suite is the instance's suite.
type Suite struct {
	Name string `json:"name"`
}

// Components are the instance's plug-ins as the host has resolved them.
type Components struct {
	Driver      Component  `json:"driver"`
	Transport   Transport  `json:"transport"`
	Provisioner Component  `json:"provisioner"`
	Verifier    *Component `json:"verifier,omitempty"`
}

// Component is one plug-in.
type Component struct {
	Name string `json:"name"`
	// Provider and Command are the provisioner's alone.
	Provider string         `json:"provider,omitempty"`
	Command  string         `json:"command,omitempty"`
	Config   map[string]any `json:"config"`
	State    map[string]any `json:"state,omitempty"`
}

// Transport is how the machine is reached.
type Transport struct {
	Name string `json:"name"`
	// Type is ssh, winrm, exec, docker_exec or custom.
	Type   string         `json:"type"`
	Target Target         `json:"target"`
	Config map[string]any `json:"config"`
	// Secrets maps a kind of secret (password, private_key, …) to the name of
	// the variable that holds it.
	Secrets map[string]string `json:"secrets,omitempty"`
}

// Target is the machine. Kind is machine, container, local or custom.
type Target struct {
	Kind        string `json:"kind"`
	Hostname    string `json:"hostname,omitempty"`
	ContainerID string `json:"container_id,omitempty"`
	Image       string `json:"image,omitempty"`
	Platform    string `json:"platform,omitempty"`
}

// Executor says how the provider is run.
type Executor struct {
	Model           string  `json:"model"`
	Command         string  `json:"command"`
	Input           string  `json:"input"`
	RequestArgument *string `json:"request_file_argument"`
	EventStream     string  `json:"event_stream"`
}

// Environment names variables, never their values.
type Environment struct {
	Passed   []string `json:"passed"`
	Allowed  []string `json:"user_allowed"`
	Reserved []string `json:"kitchen_reserved"`
}

// ProviderState is what the provider has kept of earlier runs.
type ProviderState struct {
	Provider map[string]any `json:"provider,omitempty"`
}

// Validation is the answer to validate. Status is ok or error.
type Validation struct {
	ProtocolVersion string    `json:"protocol_version"`
	Status          string    `json:"status"`
	Errors          []Message `json:"errors,omitempty"`
	Warnings        []Message `json:"warnings,omitempty"`
}

// Message is one finding of a validation.
type Message struct {
	Code    string `json:"code,omitempty"`
	Path    string `json:"path,omitempty"`
	Message string `json:"message"`
}

// Event is one line of run. Which fields it has depends on its type: log has
// Level and Message, progress has Stage and Message, result has Status,
// Message, ExitCode and State.
type Event struct {
	ProtocolVersion string         `json:"protocol_version"`
	Type            string         `json:"type"`
	Timestamp       string         `json:"timestamp,omitempty"`
	Level           string         `json:"level,omitempty"`
	Stage           string         `json:"stage,omitempty"`
	Message         string         `json:"message,omitempty"`
	Fields          map[string]any `json:"fields,omitempty"`
	Status          string         `json:"status,omitempty"`
	ExitCode        *int           `json:"exit_code,omitempty"`
	State           *ProviderState `json:"state,omitempty"`
}

func (c *Capabilities) version() string { return c.ProtocolVersion }
func (v *Validation) version() string   { return v.ProtocolVersion }
