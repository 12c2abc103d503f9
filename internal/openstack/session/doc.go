// Package session is one login to an OpenStack cloud: version discovery, the
// token and its catalogue, the HTTP layer that paces, repeats and logs requests, and the
// errors that explain what a cloud refuses.
//
// Errors name settings by identity (settings.ID); each front end spells them with
// [Spelled].
//
// It may be imported by internal/openstack, which is built on it, and by
// callers that decide on its errors: drivers, internal/servers
// and internal/cli.
package session
