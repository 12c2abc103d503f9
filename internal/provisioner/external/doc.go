// Package external is both sides of Test Kitchen's external provider protocol,
// version 1.0 (Test Kitchen 4.1: schemas/external-provider-protocol.v1): a
// provisioner that is another program, which is asked for its capabilities,
// validates a request and runs it, with JSON on standard input and lines of
// JSON as events on standard output.
//
// [Provisioner] is the host's side: `provisioner: {name: external, command: …}`
// in a kitchen.yml. [Serve] is the provider's side, for programs such as
// `galley provider chef`.
//
// It may be imported by internal/cli, by internal/provider and by tests.
package external
