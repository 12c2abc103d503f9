package db

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
)

func TestUpdateIsAllOrNothing(t *testing.T) {
	w, err := Open("")
	if err != nil {
		t.Fatal(err)
	}
	boom := errors.New("boom")
	err = w.Update(func() error {
		w.Networks.Insert(&Network{Meta: Meta{ID: "a"}, Std: Std{Name: "one"}})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	err = w.Update(func() error {
		p := w.Networks.Get("a")
		p.Name = "two"
		w.Networks.Put(p)
		w.Networks.Insert(&Network{Meta: Meta{ID: "b"}})
		w.Networks.Delete("a")
		return boom
	})
	if !errors.Is(err, boom) {
		t.Fatalf("err = %v", err)
	}
	if p := w.Networks.Get("a"); p == nil || p.Name != "one" || w.Networks.Get("b") != nil || w.Networks.Len() != 1 {
		t.Errorf("after a failed transaction: %+v, %d projects", p, w.Networks.Len())
	}
}

func TestUpdateUndoesAPanic(t *testing.T) {
	w, err := Open("")
	if err != nil {
		t.Fatal(err)
	}
	func() {
		defer func() { _ = recover() }()
		_ = w.Update(func() error {
			w.Networks.Insert(&Network{Meta: Meta{ID: "a"}})
			panic("in the middle")
		})
	}()
	if w.Networks.Len() != 0 {
		t.Error("a transaction that panicked left something")
	}
	if err := w.Update(func() error { return nil }); err != nil {
		t.Error(err) // and the lock is free
	}
}

func TestStateSurvives(t *testing.T) {
	dir := t.TempDir()
	w, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, id := range []string{"a", "b", "c"} {
		if err := w.Update(func() error {
			w.Flavors.Insert(&Flavor{Meta: Meta{ID: id}, Name: id, ExtraSpecs: map[string]string{"k": id}})
			return nil
		}); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Update(func() error { w.Flavors.Delete("b"); return nil }); err != nil {
		t.Fatal(err)
	}
	// No Close: the process was killed. The last line of the journal is one
	// that it was writing.
	j, err := os.OpenFile(filepath.Join(dir, journalFile), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := j.WriteString(`[{"t":"flavors","k":"z","v":{"ID":"z"`); err != nil {
		t.Fatal(err)
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	for range 2 { // the second time from the snapshot alone
		again, err := Open(dir)
		if err != nil {
			t.Fatal(err)
		}
		var ids string
		for _, f := range again.Flavors.All() {
			ids += f.ID + f.ExtraSpecs["k"]
		}
		if ids != "aacc" {
			t.Errorf("flavors after a restart: %q", ids)
		}
		var seq uint64
		if err := again.Update(func() error {
			f := again.Flavors.Insert(&Flavor{})
			seq = f.Seq
			again.Flavors.Delete(f.ID)
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		if seq <= 3 {
			t.Errorf("the count of records starts again: %d", seq)
		}
		if err := again.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestDamagedStateIsRefused(t *testing.T) {
	for name, content := range map[string]string{"not JSON": "{\n", "unknown table": `[{"t":"nosuch","k":"a","v":{}}]` + "\n", "wrong type": `[{"t":"flavors","k":"a","v":5}]` + "\n"} {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, snapshotFile), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := Open(dir); err == nil {
			t.Errorf("%s: opened", name)
		}
	}
}

func TestChangedEndsAtACommit(t *testing.T) {
	w, err := Open("")
	if err != nil {
		t.Fatal(err)
	}
	changed := w.Changed()
	_ = w.Update(func() error { return errors.New("undone") })
	select {
	case <-changed:
		t.Error("a transaction that was undone is reported")
	default:
	}
	if err := w.Update(func() error { w.Networks.Insert(&Network{Meta: Meta{ID: "a"}}); return nil }); err != nil {
		t.Fatal(err)
	}
	<-changed
}

func FuzzReplay(f *testing.F) {
	f.Add([]byte(`[{"t":"flavors","k":"a","v":{"ID":"a","Name":"m1"}}]` + "\n"))
	f.Add([]byte(`[{"t":"servers","k":"a","v":null},{"t":"ports","k":"p","v":{"FixedIPs":[{}]}}]` + "\n[]\n["))
	f.Fuzz(func(t *testing.T, data []byte) {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, journalFile), data, 0o600); err != nil {
			t.Fatal(err)
		}
		w, err := Open(dir)
		if err != nil {
			return
		}
		w.View(func() { w.Flavors.All(); w.Servers.All() })
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
	})
}
