package folder

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func open(t *testing.T, root string) *Store {
	t.Helper()
	store, err := Open(root)
	if err != nil {
		t.Fatal(err)
	}
	return store
}

func must[T any](t *testing.T) func(T, error) T {
	return func(value T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return value
	}
}

func write(t *testing.T, path, text string, mode os.FileMode) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, mode); err != nil {
		t.Fatal(err)
	}
}

func TestSnapshotKeepsBytesModesTimesAndLinks(t *testing.T) {
	store := open(t, t.TempDir())
	volume := must[Volume](t)(store.CreateVolume("pvc-1", 10, 0, Source{}))
	data := store.path(volumes, volume.ID)
	old := time.Date(2001, 2, 3, 4, 5, 6, 7, time.UTC)
	write(t, filepath.Join(data, "empty"), "", 0o644)
	if err := os.Mkdir(filepath.Join(data, "locked"), 0o755); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(data, "locked", "script"), "\x00\xff#!", os.ModeSetuid|0o751)
	if err := os.Symlink("/nowhere/at all", filepath.Join(data, "link")); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mkfifo(filepath.Join(data, "pipe"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"locked/script", "locked"} {
		if err := os.Chtimes(filepath.Join(data, name), old, old); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chmod(filepath.Join(data, "locked"), 0o555); err != nil {
		t.Fatal(err)
	}

	snapshot := must[Snapshot](t)(store.CreateSnapshot("snap-1", volume.ID, time.Now()))
	write(t, filepath.Join(data, "empty"), "changed after the snapshot", 0o644)
	restored := must[Volume](t)(
		store.CreateVolume("pvc-2", 10, 0, Source{Snapshot: snapshot.ID}))

	copied := store.path(volumes, restored.ID)
	if text := must[[]byte](t)(os.ReadFile(filepath.Join(copied, "empty"))); len(text) != 0 {
		t.Errorf("the snapshot changed with its volume: %q", text)
	}
	if text := must[[]byte](t)(os.ReadFile(filepath.Join(copied, "locked/script"))); string(text) != "\x00\xff#!" {
		t.Errorf("other bytes: %q", text)
	}
	script := must[os.FileInfo](t)(os.Stat(filepath.Join(copied, "locked/script")))
	if script.Mode() != os.ModeSetuid|0o751 || !script.ModTime().Equal(old) {
		t.Errorf("script: %v %v", script.Mode(), script.ModTime())
	}
	locked := must[os.FileInfo](t)(os.Stat(filepath.Join(copied, "locked")))
	if locked.Mode().Perm() != 0o555 || !locked.ModTime().Equal(old) {
		t.Errorf("locked: %v %v", locked.Mode(), locked.ModTime())
	}
	if target := must[string](t)(os.Readlink(filepath.Join(copied, "link"))); target != "/nowhere/at all" {
		t.Errorf("link points to %q", target)
	}
	if pipe := must[os.FileInfo](t)(os.Lstat(filepath.Join(copied, "pipe"))); pipe.Mode().Type() != os.ModeNamedPipe {
		t.Errorf("pipe: %v", pipe.Mode())
	}
	if err := store.DeleteVolume(volume.ID); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Lstat(data); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a deleted volume's folder is still there: %v", err)
	}
}

func TestStateSurvivesARestart(t *testing.T) {
	root := t.TempDir()
	store := open(t, root)
	volume := must[Volume](t)(store.CreateVolume("pvc-1", 7, 0, Source{}))
	snapshot := must[Snapshot](t)(store.CreateSnapshot("snap-1", volume.ID, time.Now().UTC()))

	again := open(t, root)

	if found := must[[]Volume](t)(again.Volumes()); len(found) != 1 || found[0] != volume {
		t.Errorf("volumes: %v, want %v", found, volume)
	}
	if found := must[[]Snapshot](t)(again.Snapshots()); len(found) != 1 || found[0] != snapshot {
		t.Errorf("snapshots: %v, want %v", found, snapshot)
	}
}

func TestACrashLeavesNothingHalf(t *testing.T) {
	root := t.TempDir()
	store := open(t, root)
	volume := must[Volume](t)(store.CreateVolume("pvc-1", 7, 0, Source{}))
	for _, left := range []string{"volumes/pvc-2", "snapshots/snap-2", "tmp/volumes-pvc-3"} {
		if err := os.MkdirAll(filepath.Join(root, left, "half"), 0o755); err != nil {
			t.Fatal(err)
		}
	}

	open(t, root)

	for _, kind := range []string{volumes, snapshots, "tmp"} {
		for _, entry := range must[[]os.DirEntry](t)(os.ReadDir(filepath.Join(root, kind))) {
			if entry.Name() != volume.ID {
				t.Errorf("%s/%s was left", kind, entry.Name())
			}
		}
	}
}

func TestNoIDLeavesTheRoot(t *testing.T) {
	home := t.TempDir()
	root := filepath.Join(home, "root")
	store := open(t, root)
	outside := filepath.Join(home, "precious")
	write(t, outside, "precious", 0o600)
	bad := []string{"..", "../precious", "../../precious", "/etc/passwd", "a/b", "", ".", "UPPER", "a\x00b"}
	for _, id := range bad {
		if err := store.DeleteVolume(id); err != nil {
			t.Errorf("DeleteVolume(%q): %v", id, err)
		}
		if err := store.DeleteSnapshot(id); err != nil {
			t.Errorf("DeleteSnapshot(%q): %v", id, err)
		}
		if _, err := store.Volume(id); !errors.Is(err, ErrNotFound) {
			t.Errorf("Volume(%q): %v", id, err)
		}
		if _, err := store.CreateVolume("from", 1, 0, Source{Snapshot: "x" + id + "/.."}); !errors.Is(err, ErrNotFound) {
			t.Errorf("CreateVolume from %q: %v", id, err)
		}
	}
	for _, name := range append(bad[:5], strings.Repeat("n", 300)) {
		volume := must[Volume](t)(store.CreateVolume(name, 1, 0, Source{}))
		if filepath.Dir(store.path(volumes, volume.ID)) != filepath.Join(root, volumes) {
			t.Errorf("the name %q became the id %q", name, volume.ID)
		}
	}
	if _, err := os.Stat(outside); err != nil {
		t.Error(err)
	}
}

func TestSizes(t *testing.T) {
	store := open(t, t.TempDir())
	create := func(name string, required, limit int64, source Source) (int64, error) {
		volume, err := store.CreateVolume(name, required, limit, source)
		return volume.Size, err
	}
	for _, wish := range []struct {
		name                  string
		required, limit, size int64
		err                   error
	}{
		{"nothing", 0, 0, DefaultSize, nil},
		{"little", 0, 5, 5, nil},
		{"some", 20, 0, 20, nil},
		{"some", 15, 30, 20, nil},
		{"some", 21, 0, 0, ErrConflict},
		{"some", 1, 19, 0, ErrConflict},
		{"torn", 20, 10, 0, ErrTooSmall},
	} {
		size, err := create(wish.name, wish.required, wish.limit, Source{})
		if size != wish.size || !errors.Is(err, wish.err) {
			t.Errorf("%+v: got %d, %v", wish, size, err)
		}
	}
	if size, err := create("clone", 5, 0, Source{Volume: "some"}); size != 20 || err != nil {
		t.Errorf("a clone may not be smaller than its source: %d, %v", size, err)
	}
}
