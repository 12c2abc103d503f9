// Package standin is a mirror of one package: a client that takes the place of
// Cinc's without a network, as in tests and in the demonstration.
// It is asked and answers as a package index does (Omnitruck's interface), so
// that the installer goes its real way: index, download, checksum, unpacking.
//
// The client is a shell script that says in its first line its purpose. It
// reads the files that Galley sends and knows of recipes what a demonstration
// needs; see client.sh.
//
// It is for tests and for the demonstration (standin/serve); nothing in the
// product imports it.
package standin
