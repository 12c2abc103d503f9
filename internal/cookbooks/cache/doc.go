// Package cache keeps what was downloaded below the user's cache folder, so
// that it is fetched once for all projects. Content is stored by its digest;
// a key, such as a URL, leads to it. Several processes may use one cache: an
// entry appears complete or not at all.
//
// The packages below internal/cookbooks import it.
package cache
