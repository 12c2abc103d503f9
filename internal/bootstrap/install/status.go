package install

// ExitAdvice returns what the exit status of a client's run asks for, "" where
// it says nothing of itself (Chef's RFC 62). again is how the client is run
// again, as "converge again".
func ExitAdvice(status int, again string) string {
	switch status {
	case 35:
		return "the machine is rebooting, as a recipe asked: when it is back, " + again
	case 37:
		return "a recipe asks for a reboot: reboot the machine, and " + again
	case 41:
		return "the reboot that a recipe asked for failed: reboot the machine, and " + again
	case 213:
		return "the client was upgraded in the run: " + again
	}
	return ""
}
