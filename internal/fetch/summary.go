package fetch

import "time"

// Summary describes a fetch. Its JSON is `galley fetch --summary`.
type Summary struct {
	URL   string   `json:"url"`
	Error string   `json:"error,omitempty"`
	Files []string `json:"files,omitempty"` // the last 1000, when each page is a file
	// Stale is how many pages of an earlier, longer run were removed.
	Stale    int    `json:"stale_removed,omitempty"`
	Manifest string `json:"manifest,omitempty"`
	// Received are bytes of bodies on the wire, in this run. Content is their
	// length without Content-Encoding, where that was decoded. Written is the
	// size of the output.
	Received int64 `json:"bytes_received"`
	Content  int64 `json:"bytes_content,omitempty"`
	Written  int64 `json:"bytes_written"`
	// Compressed is the output's format; PassedThrough says that the server's
	// own compression was kept.
	Compressed    string `json:"compress"`
	PassedThrough bool   `json:"passed_through"`
	Pages         int    `json:"pages"`
	Items         int64  `json:"items,omitempty"`
	Requests      int64  `json:"requests"`
	Retries       int64  `json:"retries"`
	// ResumedAt is the byte, and ResumedPage the page from 1, that an earlier
	// fetch had come to.
	ResumedAt   int64 `json:"resumed_at,omitempty"`
	ResumedPage int   `json:"resumed_page,omitempty"`
	// StartedOver is why a kept part was not used.
	StartedOver string `json:"started_over,omitempty"`
	// Verified lists the checks that every body passed: "length", "digest",
	// "json", "gzip", "zstd".
	Verified []string `json:"verified,omitempty"`
	// Stopped says why the last page was the last.
	Stopped string `json:"stopped,omitempty"`
	// Unchanged says that the output was up to date (Request.IfChanged).
	Unchanged bool `json:"unchanged,omitempty"`
	// Charset is that of the first body, ConvertedFrom the one that was
	// converted to UTF-8. ContentEncoding is one that was stored as it came.
	Charset         string        `json:"charset,omitempty"`
	ConvertedFrom   string        `json:"converted_from,omitempty"`
	ContentEncoding string        `json:"content_encoding,omitempty"`
	ETag            string        `json:"etag,omitempty"`
	Elapsed         time.Duration `json:"-"`
	Seconds         float64       `json:"seconds"`
}
