package db

import "time"

// Setting is one remembered choice of the cloud itself: the loopback network it
// holds, ports, the seed's version.
type Setting struct {
	Meta
	Value string
}

// Token is an issued token; its ID is what X-Auth-Token carries.
type Token struct {
	Meta
	UserID, ProjectID, DomainID string
	System                      bool
	AppCredentialID             string
	Methods, Roles              []string
	AuditID                     string
	Expires                     time.Time
}

// Quota is a project's own limit for one resource of one service; its ID is
// service/project/resource.
type Quota struct {
	Meta
	Limit int
}
