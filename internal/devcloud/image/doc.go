// Package image is the embedded cloud's Glance: images with their data,
// tags and schemas.
//
// Only internal/devcloud and its compute and volume services import it.
package image
