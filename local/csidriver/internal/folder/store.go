package folder

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"sort"
	"sync"
	"time"
)

// Errors a caller can tell apart; everything else is an I/O error.
var (
	ErrNotFound = errors.New("not found")
	ErrConflict = errors.New("exists already and differs")
	ErrTooSmall = errors.New("the limit is smaller than what was asked for")
)

// DefaultSize in bytes is what a volume gets when nobody asks for a size.
const DefaultSize int64 = 1 << 30

// Source names what a new volume is filled from; both empty means an empty volume.
type Source struct {
	Snapshot string `json:"snapshot,omitempty"`
	Volume   string `json:"volume,omitempty"`
}

// Volume is what the store remembers of a volume. Size is in bytes and not enforced.
type Volume struct {
	ID     string `json:"id"`
	Name   string `json:"name"`
	Size   int64  `json:"size"`
	Source Source `json:"source"`
}

// Snapshot is what the store remembers of a snapshot.
type Snapshot struct {
	ID       string    `json:"id"`
	Name     string    `json:"name"`
	VolumeID string    `json:"volumeId"`
	Size     int64     `json:"size"`
	Created  time.Time `json:"created"`
	Group    string    `json:"group,omitempty"`
}

// Store is safe for concurrent use by one process; two processes must not share a root.
//
// Layout: data in volumes/<id>/ and snapshots/<id>/, one JSON file each in meta/volumes/ and
// meta/snapshots/. A thing exists when its JSON file does: written after the data, removed
// before it. What lies about without one is left from a crash, and swept by Open.
type Store struct {
	root  string
	mutex sync.Mutex
}

const (
	volumes   = "volumes"
	snapshots = "snapshots"
)

var plainID = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,127}$`)

// idFor is the same for the same name, so that a repeated create finds the first one. A name
// that cannot be a folder name becomes its hash.
func idFor(name string) string {
	if plainID.MatchString(name) {
		return name
	}
	sum := sha256.Sum256([]byte(name))
	return "name-" + hex.EncodeToString(sum[:16])
}

// Open makes the layout below root if need be and sweeps what a crash left behind.
func Open(root string) (*Store, error) {
	absolute, err := filepath.Abs(root)
	if err != nil {
		return nil, err
	}
	store := &Store{root: absolute}
	if err := removeTree(store.path("tmp")); err != nil {
		return nil, err
	}
	for _, kind := range []string{volumes, snapshots} {
		for _, dir := range []string{store.path(kind), store.path("meta", kind)} {
			if err := os.MkdirAll(dir, 0o755); err != nil {
				return nil, err
			}
		}
		if err := store.sweep(kind); err != nil {
			return nil, err
		}
	}
	return store, os.MkdirAll(store.path("tmp"), 0o700)
}

// Root is the absolute path of the folder that holds everything.
func (s *Store) Root() string { return s.root }

// CreateVolume makes a volume of at least required bytes and at most limit (0: no limit),
// filled from source. The same name with compatible wishes returns the volume that is there.
// Errors: ErrConflict, ErrTooSmall, ErrNotFound for the source.
func (s *Store) CreateVolume(name string, required, limit int64, source Source) (Volume, error) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	var found Volume
	id := idFor(name)
	err := s.readMeta(volumes, id, &found)
	if err == nil {
		fits := found.Size >= required && (limit == 0 || found.Size <= limit)
		if found.Name != name || found.Source != source || !fits {
			return Volume{}, fmt.Errorf("volume %q %w", name, ErrConflict)
		}
		return found, nil
	}
	if !errors.Is(err, ErrNotFound) {
		return Volume{}, err
	}
	from, least, err := s.locate(source)
	if err != nil {
		return Volume{}, err
	}
	size := max(required, least)
	if size == 0 {
		size = DefaultSize
		if limit > 0 {
			size = min(size, limit)
		}
	}
	if limit > 0 && size > limit {
		return Volume{}, fmt.Errorf("volume %q of %d bytes, limit %d: %w", name, size, limit, ErrTooSmall)
	}
	volume := Volume{ID: id, Name: name, Size: size, Source: source}
	return volume, s.place(volumes, id, from, volume)
}

// CreateSnapshot copies a volume. The same name with the same volume returns what is there.
// Errors: ErrConflict, ErrNotFound for the volume.
func (s *Store) CreateSnapshot(name, volumeID string, now time.Time) (Snapshot, error) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	var found Snapshot
	id := idFor(name)
	err := s.readMeta(snapshots, id, &found)
	if err == nil {
		if found.Name != name || found.VolumeID != volumeID {
			return Snapshot{}, fmt.Errorf("snapshot %q %w", name, ErrConflict)
		}
		return found, nil
	}
	if !errors.Is(err, ErrNotFound) {
		return Snapshot{}, err
	}
	from, size, err := s.locate(Source{Volume: volumeID})
	if err != nil {
		return Snapshot{}, err
	}
	snapshot := Snapshot{ID: id, Name: name, VolumeID: volumeID, Size: size, Created: now}
	return snapshot, s.place(snapshots, id, from, snapshot)
}

// CreateGroup copies several volumes at one moment: nobody makes or removes anything meanwhile.
// The same name with the same volumes returns what is there; members come in the order of volumes.
// Errors: ErrConflict, ErrNotFound for a volume.
func (s *Store) CreateGroup(name string, volumeIDs []string, now time.Time) ([]Snapshot, error) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	group := idFor(name)
	there, err := s.members(group)
	if err != nil {
		return nil, err
	}
	if len(there) > len(volumeIDs) {
		return nil, fmt.Errorf("group %q %w", name, ErrConflict)
	}
	members := make([]Snapshot, len(volumeIDs))
	for i, volumeID := range volumeIDs {
		if members[i], err = s.member(group, name, volumeID, now, there); err != nil {
			return nil, err
		}
	}
	return members, nil
}

func (s *Store) member(
	group, name, volumeID string, now time.Time, there []Snapshot,
) (Snapshot, error) {
	for _, one := range there {
		if one.VolumeID == volumeID {
			return one, nil
		}
	}
	from, size, err := s.locate(Source{Volume: volumeID})
	if err != nil {
		return Snapshot{}, err
	}
	id := idFor(name + "/" + volumeID)
	one := Snapshot{ID: id, Name: id, VolumeID: volumeID, Size: size, Created: now, Group: group}
	return one, s.place(snapshots, id, from, one)
}

// Group returns the members of a group, or ErrNotFound.
func (s *Store) Group(id string) ([]Snapshot, error) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	found, err := s.members(id)
	if err == nil && len(found) == 0 {
		err = fmt.Errorf("group %q: %w", id, ErrNotFound)
	}
	return found, err
}

// GroupOf is the id that CreateGroup gives a group of this name.
func GroupOf(name string) string { return idFor(name) }

func (s *Store) members(group string) ([]Snapshot, error) {
	ids, err := s.ids(snapshots)
	if err != nil {
		return nil, err
	}
	var found []Snapshot
	for _, id := range ids {
		var one Snapshot
		if err := s.readMeta(snapshots, id, &one); err != nil {
			return nil, err
		}
		if one.Group == group {
			found = append(found, one)
		}
	}
	return found, nil
}

// DeleteVolume removes a volume; one that is not there is deleted already. Snapshots are
// copies and stay.
func (s *Store) DeleteVolume(id string) error { return s.remove(volumes, id) }

// DeleteSnapshot removes a snapshot; one that is not there is deleted already.
func (s *Store) DeleteSnapshot(id string) error { return s.remove(snapshots, id) }

// Volume returns one volume, or ErrNotFound.
func (s *Store) Volume(id string) (Volume, error) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	var volume Volume
	return volume, s.readMeta(volumes, id, &volume)
}

// Volumes returns every volume, sorted by id.
func (s *Store) Volumes() ([]Volume, error) { return readAll[Volume](s, volumes) }

// Snapshots returns every snapshot, sorted by id.
func (s *Store) Snapshots() ([]Snapshot, error) { return readAll[Snapshot](s, snapshots) }

func (s *Store) path(parts ...string) string {
	return filepath.Join(append([]string{s.root}, parts...)...)
}

// locate returns the folder that source means and the least size of a copy of it.
func (s *Store) locate(source Source) (string, int64, error) {
	switch {
	case source.Snapshot != "":
		var snapshot Snapshot
		err := s.readMeta(snapshots, source.Snapshot, &snapshot)
		return s.path(snapshots, source.Snapshot), snapshot.Size, err
	case source.Volume != "":
		var volume Volume
		err := s.readMeta(volumes, source.Volume, &volume)
		return s.path(volumes, source.Volume), volume.Size, err
	default:
		return "", 0, nil
	}
}

// place makes the data aside, moves it into place, and only then lets the thing exist.
func (s *Store) place(kind, id, from string, meta any) error {
	aside := s.path("tmp", kind+"-"+id)
	if err := removeTree(aside); err != nil {
		return err
	}
	if from == "" {
		if err := os.Mkdir(aside, 0o755); err != nil {
			return err
		}
	} else if err := copyTree(from, aside); err != nil {
		return errors.Join(err, removeTree(aside))
	}
	if err := removeTree(s.path(kind, id)); err != nil {
		return err
	}
	if err := os.Rename(aside, s.path(kind, id)); err != nil {
		return err
	}
	return s.writeMeta(kind, id, meta)
}

func (s *Store) remove(kind, id string) error {
	if !plainID.MatchString(id) {
		return nil // no id of ours, so nothing of ours to delete
	}
	s.mutex.Lock()
	defer s.mutex.Unlock()
	err := os.Remove(s.metaPath(kind, id))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return removeTree(s.path(kind, id))
}

func (s *Store) metaPath(kind, id string) string { return s.path("meta", kind, id+".json") }

func (s *Store) readMeta(kind, id string, into any) error {
	if !plainID.MatchString(id) {
		return fmt.Errorf("%s %q: %w", kind, id, ErrNotFound)
	}
	text, err := os.ReadFile(s.metaPath(kind, id))
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%s %q: %w", kind, id, ErrNotFound)
	}
	if err != nil {
		return err
	}
	return json.Unmarshal(text, into)
}

func (s *Store) writeMeta(kind, id string, meta any) error {
	text, err := json.MarshalIndent(meta, "", "  ")
	if err != nil {
		return err
	}
	aside := s.path("tmp", kind+"-"+id+".json")
	if err := os.WriteFile(aside, text, 0o644); err != nil {
		return err
	}
	return os.Rename(aside, s.metaPath(kind, id))
}

func (s *Store) ids(kind string) ([]string, error) {
	entries, err := os.ReadDir(s.path("meta", kind))
	if err != nil {
		return nil, err
	}
	var ids []string
	for _, entry := range entries {
		name := entry.Name()
		if id := name[:len(name)-len(filepath.Ext(name))]; plainID.MatchString(id) {
			ids = append(ids, id)
		}
	}
	sort.Strings(ids)
	return ids, nil
}

func (s *Store) sweep(kind string) error {
	ids, err := s.ids(kind)
	if err != nil {
		return err
	}
	exists := make(map[string]bool, len(ids))
	for _, id := range ids {
		exists[id] = true
	}
	entries, err := os.ReadDir(s.path(kind))
	if err != nil {
		return err
	}
	for _, entry := range entries {
		if exists[entry.Name()] {
			continue
		}
		if err := removeTree(s.path(kind, entry.Name())); err != nil {
			return err
		}
	}
	return nil
}

func readAll[T any](s *Store, kind string) ([]T, error) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	ids, err := s.ids(kind)
	if err != nil {
		return nil, err
	}
	all := make([]T, len(ids))
	for i, id := range ids {
		if err := s.readMeta(kind, id, &all[i]); err != nil {
			return nil, err
		}
	}
	return all, nil
}
