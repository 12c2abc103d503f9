// Package cache keeps downloads below the user's cache folder, so
// that each is fetched once for all projects. Content is stored by its digest;
// a key, such as a URL, leads to it. Processes may share one cache: an
// entry appears complete or not at all.
//
// The packages below internal/cookbooks import it.
package cache
