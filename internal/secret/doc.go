// Package secret holds values that must never be shown: [Text] for passwords,
// tokens and keys, [URL] for addresses that may carry one. However such a
// value is printed, logged or marshalled, the secret part reads "[redacted]".
//
// [Redactor] is the last line of defence: it removes known secrets from text
// that other programs produce.
//
// Every package except the engine may import it; it imports the standard
// library alone.
package secret
