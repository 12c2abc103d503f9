package db

import "time"

// Setting is one remembered choice of the cloud itself: the loopback network it
// holds, ports, the seed's version.
type Setting struct {
	Meta
	Value string
}

// Domain is a Keystone domain.
type Domain struct {
	Meta
	Name string
}

// Project is a Keystone project, once called tenant.
type Project struct {
	Meta
	Name, DomainID, Description string
	Disabled                    bool
}

// User is a Keystone user. Roles are those it holds on each project, by project
// ID.
type User struct {
	Meta
	Name, DomainID   string
	Password         string
	DefaultProjectID string
	Roles            map[string][]string
	Disabled         bool
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

// AppCredential is a Keystone application credential.
type AppCredential struct {
	Meta
	Name, Description string
	UserID, ProjectID string
	Secret            string
	Roles             []string
	Expires           time.Time `json:",omitzero"`
	Unrestricted      bool
}

// Quota is a project's own limit for one resource of one service; its ID is
// service/project/resource.
type Quota struct {
	Meta
	Limit int
}
