package ruby

import (
	"crypto/rand"
	"encoding/hex"
	"os/user"
	"runtime"
	"strings"
)

func secureRandomMethods() []builtin {
	return []builtin{
		{"hex", 0, 1, secureRandom},
	}
}

func secureRandom(in *Interp, c *call) Value {
	n := in.optInt(c, 0, 16)
	in.raiseIf(n < 0, "ArgumentError", "negative string size (or size too big)")
	in.alloc(n)
	b := make([]byte, n)
	_, _ = rand.Read(b) // never fails
	return in.str(hex.EncodeToString(b))
}

func etcGetlogin(in *Interp, _ *call) Value {
	if u, err := user.Current(); err == nil {
		return in.str(u.Username)
	}
	return nil
}

func rubyPlatform() string {
	switch arch := map[string]string{"amd64": "x86_64", "arm64": "aarch64", "386": "i686"}[runtime.GOARCH]; runtime.GOOS {
	case "darwin":
		return strings.Replace(arch, "aarch64", "arm64", 1) + "-darwin23"
	case "windows":
		return "x64-mingw32"
	default:
		return arch + "-" + runtime.GOOS
	}
}
