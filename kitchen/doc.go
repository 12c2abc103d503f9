// Package kitchen is the engine: instances of a configuration, the lifecycle
// each of them goes through, and the runner that takes many through it at
// once.
//
// It is independent of clouds, terminals and file formats. It asks
// for all it needs through four small interfaces ([Driver], [Provisioner], [Transport],
// [Verifier]) and a [Store]; what happens it tells as a stream of [Event]
// values. It imports the standard library and nothing else, and its exported
// types name nothing internal, so that other programs may import it.
//
// The order of the lifecycle, the names of instances and the keys of their
// state are those of Test Kitchen, so that either tool can take over from the
// other halfway.
package kitchen
