// Package jsonorder reads and writes JSON whose objects keep the order of
// their keys, in the layout of yajl, which chef-cli writes lock files with.
// A file that was read and written again is the same to the byte.
//
// Whatever reads lock files, and the Ruby interpreter, may import it.
package jsonorder
