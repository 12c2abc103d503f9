// Package jsonscan finds values in JSON that flows by. A [Scanner] is fed
// chunks, split wherever the network split them, and sees every byte once; it
// holds the one value it looks for and nothing else, and allocates nothing per
// chunk. It finds cursors and totals by [Path], and it hands out the elements
// of an array byte for byte as they were sent.
//
// What lies off the wanted paths is skipped 64 bytes at a time: there only
// strings and brackets are understood, each bracket must meet its own kind,
// and the document must end where it should. On the way to a wanted value the
// whole grammar of RFC 8259 is checked. So a document cut short, garbage, or a
// page of HTML is an error, while a misspelt literal deep inside a skipped
// record is passed on as it came.
//
// Only internal/fetch imports it; it does not depend on HTTP or files.
package jsonscan
