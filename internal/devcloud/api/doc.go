// Package api is what the embedded cloud's five HTTP services share: a router,
// requests with their token and microversion, each service's own way of writing
// errors, pagination and filters.
//
// Only the packages of internal/devcloud import it.
package api
