package cli

// app is the receiver of the commands that are built by methods.
type app struct{ *deps }
