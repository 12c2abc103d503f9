// Package bootstrap connects to a machine over SSH, runs commands and transfers
// files. It depends on no cloud and on no configuration file but the user's
// ~/.ssh/config.
//
// [Dial] opens one connection, [Wait] tries until a command has really been
// run on the machine, and a [Client] runs commands, moves trees of files and
// gives the user a terminal. Failures are typed, since the remedy
// of each differs: [UnreachableError], [HostKeyError], [AuthError],
// [SessionError], [LostError].
//
// golang.org/x/crypto/ssh speaks the protocol. It has no compression; trees
// are compressed on their way by this package instead.
//
// The package may be imported by the plug-ins below kitchen and by
// internal/cli. It imports the engine and the shared packages.
package bootstrap
