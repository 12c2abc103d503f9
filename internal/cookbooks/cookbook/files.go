package cookbook

import (
	"crypto/md5"  //nolint:gosec // the identifier's definition
	"crypto/sha1" //nolint:gosec // the identifier's definition
	"encoding/hex"
	"fmt"
	"io"
	"io/fs"
	"math/big"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

// uploadedFile is a note that Chef leaves in cookbooks it has downloaded.
const uploadedFile = ".uploaded-cookbook-version.json"

// Files lists the files of the cookbook in a folder, relative and with
// slashes, in the order of their paths: all below it except in
// top-level folders whose names begin with a dot, and except those that the
// chefignore leaves out. Linked files count, linked folders are not entered.
func Files(dir string) ([]string, error) {
	ignore, err := FindIgnore(dir)
	if err != nil {
		return nil, err
	}
	var out []string
	err = filepath.WalkDir(dir, func(full string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(dir, full)
		if err != nil || rel == "." {
			return err
		}
		rel = filepath.ToSlash(rel)
		if d.IsDir() {
			if strings.HasPrefix(rel, ".") && !strings.Contains(rel, "/") {
				return fs.SkipDir
			}
			return nil
		}
		if path.Base(rel) == uploadedFile || ignore.Has(rel) {
			return nil
		}
		if d.Type()&fs.ModeSymlink != 0 {
			info, err := os.Stat(full)
			if err != nil || !info.Mode().IsRegular() {
				return nil // a broken link, or one to a folder
			}
		} else if !d.Type().IsRegular() {
			return nil
		}
		out = append(out, rel)
		return nil
	})
	slices.Sort(out)
	return out, err
}

// Identifier is the content identifier of a cookbook, as a Policyfile lock
// has it, 40 hexadecimal digits.
type Identifier string

// Identify computes the identifier of the cookbook in a folder, with the
// chefignore that counts there.
func Identify(dir string) (Identifier, error) {
	files, err := Files(dir)
	if err != nil {
		return "", err
	}
	sum := sha1.New() //nolint:gosec // the identifier's definition
	for _, rel := range files {
		digest, err := Checksum(filepath.Join(dir, filepath.FromSlash(rel)))
		if err != nil {
			return "", err
		}
		fmt.Fprintf(sum, "%s:%s\n", rel, digest)
	}
	return Identifier(hex.EncodeToString(sum.Sum(nil))), nil
}

// Checksum is the MD5 digest of a file in hexadecimal, by which a Chef Server
// names it.
func Checksum(file string) (string, error) {
	f, err := os.Open(file)
	if err != nil {
		return "", err
	}
	defer f.Close()
	sum := md5.New() //nolint:gosec // the API's definition
	if _, err := io.Copy(sum, f); err != nil {
		return "", err
	}
	return hex.EncodeToString(sum.Sum(nil)), nil
}

// Dotted is the identifier in the form of a version: three numbers.
func (id Identifier) Dotted() string {
	s := string(id)
	if len(s) != 40 {
		return ""
	}
	parts := []string{s[:14], s[14:28], s[28:]}
	for i, p := range parts {
		n, ok := new(big.Int).SetString(p, 16)
		if !ok {
			return ""
		}
		parts[i] = n.String()
	}
	return strings.Join(parts, ".")
}

// Is says whether a folder holds a cookbook: it has metadata.
func Is(dir string) bool {
	return exists(filepath.Join(dir, "metadata.json")) || exists(filepath.Join(dir, "metadata.rb"))
}

func exists(file string) bool {
	_, err := os.Stat(file)
	return err == nil
}

// HasRecipe says whether a cookbook has a recipe, as Ruby or as YAML.
func HasRecipe(dir, recipe string) bool {
	base := filepath.Join(dir, "recipes", filepath.FromSlash(recipe))
	return exists(base+".rb") || exists(base+".yml")
}
