package policyfile

import (
	"strings"
	"testing"
)

const small = `{
  "revision_id": "?",
  "name": "lab",
  "run_list": [
    "recipe[a::default]"
  ],
  "included_policy_locks": [

  ],
  "cookbook_locks": {
    "a": {
      "version": "1.0.0",
      "identifier": "32bf7ff00e8d727d078f646aa6551557e9bade00",
      "dotted_decimal_identifier": "14284305044770162.35192684535260757.23467327675904",
      "source": "a",
      "cache_key": null,
      "scm_info": null,
      "source_options": {
        "path": "a"
      }
    }
  },
  "default_attributes": {
    "c": {
      "y": [
        1,
        {
          "z": 2.5
        }
      ]
    }
  },
  "override_attributes": {

  },
  "solution_dependencies": {
    "Policyfile": [
      [
        "a",
        ">= 0.0.0"
      ]
    ],
    "dependencies": {
      "a (1.0.0)": [

      ]
    }
  }
}
`

func TestLockIsWrittenAsRead(t *testing.T) {
	l, err := ParseLock([]byte(small), "x")
	if err != nil {
		t.Fatal(err)
	}
	want := strings.Replace(small, "?", l.RevisionID(), 1)
	if got := string(l.Marshal()); got != want {
		t.Errorf("got\n%s", got)
	}
}

func FuzzLock(f *testing.F) {
	f.Add([]byte(small))
	f.Add([]byte(`{"name":"x","run_list":[],"cookbook_locks":{},"default_attributes":{},"override_attributes":{},"solution_dependencies":{"Policyfile":[],"dependencies":{}}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		l, err := ParseLock(data, "x")
		if err != nil {
			return
		}
		text := l.Marshal()
		again, err := ParseLock(text, "x")
		if err != nil {
			t.Fatalf("%q was written as %q: %v", data, text, err)
		}
		if string(again.Marshal()) != string(text) {
			t.Errorf("%q was written as %q", data, text)
		}
	})
}
