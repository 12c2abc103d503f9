// Package provider is Galley's Chef side as an external provider for Test
// Kitchen 4.1: `provisioner: {name: external, command: galley provider chef}`
// in a kitchen.yml makes Galley resolve the cookbooks' dependencies, upload
// what changed, install Chef or Cinc and run it, over its own SSH connection,
// whatever driver Test Kitchen uses.
//
// It may be imported by internal/cli. It joins the Chef provisioner, the SSH
// transport and the protocol of internal/provisioner/external.
package provider
