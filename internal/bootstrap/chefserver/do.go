package chefserver

import "context"

// Do sends a signed request for which no separate method exists: in is
// sent as JSON, unless nil, and the answer read into out, unless nil. path is
// relative to the server's URL. An answer that is not a success is an
// [*Error].
func (c *Client) Do(ctx context.Context, method, path string, in, out any) error {
	return c.do(ctx, method, path, in, out)
}

// AtAPI returns a client of the same server that asks for another version of
// the API: cookbooks are described by one list of files from version 2 on.
func (c *Client) AtAPI(version string) *Client {
	d := *c
	d.api = version
	return &d
}
