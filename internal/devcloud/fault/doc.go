// Package fault makes the embedded cloud misbehave on order, and keeps its
// request log.
//
// A [Rule] picks calls by service, method, path and number, and says what
// happens to them: they are late, refused, dropped before or after the cloud
// has acted, answered by half, or held until someone lets them go. Rules can
// also send servers and volumes to ERROR and run pools dry. The
// callers of a devcloud.Client name rules and actions by this package.
package fault
