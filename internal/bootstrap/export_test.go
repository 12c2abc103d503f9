package bootstrap

// NewEscapeReader is for tests.
var NewEscapeReader = newEscapeReader
