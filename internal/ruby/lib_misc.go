package ruby

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"os"
	"os/user"
	"runtime"
	"strings"
)

func base64Encode(in *Interp, c *call) Value {
	return in.str(base64.StdEncoding.EncodeToString([]byte(in.argString(c.args[0]))))
}

func base64Decode(in *Interp, c *call) Value {
	b, err := base64.RawStdEncoding.DecodeString(strings.TrimRight(in.argString(c.args[0]), "="))
	in.raiseIf(err != nil, "ArgumentError", "invalid base64")
	for _, c := range b {
		in.unsupportedIf(c >= 0x80, "a text that is not ASCII in Base64")
	}
	return in.str(string(b))
}

func secureRandom(in *Interp, c *call) Value {
	n := in.optInt(c, 0, 16)
	in.raiseIf(n < 0, "ArgumentError", "negative string size (or size too big)")
	in.alloc(n)
	b := make([]byte, n)
	_, _ = rand.Read(b) // never fails
	if c.name == "hex" {
		return in.str(hex.EncodeToString(b))
	}
	return in.str(base64.StdEncoding.EncodeToString(b))
}

func etcGetlogin(in *Interp, _ *call) Value {
	if u, err := user.Current(); err == nil {
		return in.str(u.Username)
	}
	return nil
}

func hostname(in *Interp, _ *call) Value {
	name, err := os.Hostname()
	if err != nil {
		in.raise("IOError", "%v", err)
	}
	return in.str(name)
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

// rbConfig is RbConfig::CONFIG with the entries that tell the platform.
func rbConfig() *Hash {
	cpu, system, _ := strings.Cut(rubyPlatform(), "-")
	return fromMap(map[string]string{
		"host_os": system, "target_os": strings.TrimRight(system, "0123456789"), "host_cpu": cpu, "arch": rubyPlatform(),
	})
}
