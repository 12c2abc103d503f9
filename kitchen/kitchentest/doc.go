// Package kitchentest holds what every plug-in and every test of the engine
// needs: one conformance suite for each of the engine's interfaces, and a
// store that keeps states in memory.
//
// Tests of any package may import it.
package kitchentest
