// Package text has the small rules for sentences and for text from elsewhere:
// suggestions for misspelt names, counted nouns, quoted lists, and the removal
// of what would control a terminal.
//
// Every package except the engine may import it.
package text
