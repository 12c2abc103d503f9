package config

import "time"

// Reader reads keys of a section and collects their faults, so that they are
// reported together. What is at fault reads as the zero value.
type Reader struct {
	Section
	Faults
}

func get[T any](r *Reader, read func(string, T) (T, error), key string, def T) T {
	v, err := read(key, def)
	r.Add(err)
	return v
}

// Text is [Section.String].
func (r *Reader) Text(key, def string) string { return get(r, r.String, key, def) }

// File is [Section.Path].
func (r *Reader) File(key, def string) string { return get(r, r.Path, key, def) }

// Flag is [Section.Bool].
func (r *Reader) Flag(key string, def bool) bool { return get(r, r.Bool, key, def) }

// Number is [Section.Int].
func (r *Reader) Number(key string, def int) int { return get(r, r.Int, key, def) }

// Time is [Section.Seconds].
func (r *Reader) Time(key string, def time.Duration) time.Duration {
	return get(r, r.Seconds, key, def)
}

// List is [Section.StringList].
func (r *Reader) List(key string) []string {
	v, err := r.StringList(key)
	r.Add(err)
	return v
}

// Mapping is [Section.Map].
func (r *Reader) Mapping(key string) Section {
	v, err := r.Map(key)
	r.Add(err)
	return v
}

// Plain is the data of a mapping, nil without the key.
func (r *Reader) Plain(key string) map[string]any {
	if !r.Has(key) {
		return nil
	}
	data, _ := r.Mapping(key).Data().(map[string]any)
	return data
}

// Wrong notes that the value of a key is not what it should be.
func (r *Reader) Wrong(key, found, want string) {
	r.Add(&ValueError{Section: r.path, Key: key, Where: r.Where(key), Found: found, Want: want})
}
