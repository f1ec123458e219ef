// Package folder keeps volumes and snapshots as plain folders below one root.
//
// It knows nothing of CSI or gRPC: the driver package translates. It never touches a path
// outside its root, and never shows a half-made volume or snapshot.
package folder

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// copyTree copies the folder from to the new folder to: bytes, modes, times, owners where
// permitted, symlinks (as they are, never followed) and FIFOs. The source may be in use:
// an entry that vanishes while it is copied is left out, as on a disk it would be gone.
func copyTree(from, to string) error {
	info, err := os.Lstat(from)
	if err != nil {
		return err
	}
	if err := os.Mkdir(to, 0o700); err != nil {
		return err
	}
	entries, err := os.ReadDir(from)
	if err != nil {
		return err
	}
	for _, entry := range entries {
		err := copyEntry(filepath.Join(from, entry.Name()), filepath.Join(to, entry.Name()))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	// Mode and times come last: a read-only folder could not have been filled.
	return copyAttributes(to, info)
}

func copyEntry(from, to string) error {
	info, err := os.Lstat(from)
	if err != nil {
		return err
	}
	switch kind := info.Mode().Type(); kind {
	case fs.ModeDir:
		return copyTree(from, to)
	case fs.ModeSymlink:
		target, err := os.Readlink(from)
		if err != nil {
			return err
		}
		if err := os.Symlink(target, to); err != nil {
			return err
		}
		return copyOwner(to, info)
	case fs.ModeNamedPipe:
		if err := unix.Mkfifo(to, uint32(info.Mode().Perm())); err != nil {
			return err
		}
		return copyAttributes(to, info)
	case fs.ModeSocket:
		return nil // a socket belongs to the process that made it
	case 0:
		return copyFile(from, to, info)
	default:
		return fmt.Errorf("%s is a device (%s): device nodes are not copied", from, kind)
	}
}

func copyFile(from, to string, info fs.FileInfo) error {
	source, err := os.Open(from)
	if err != nil {
		return err
	}
	defer source.Close()
	target, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	// Between two files this is copy_file_range, which shares blocks where the file system can.
	if _, err := io.Copy(target, source); err != nil {
		target.Close()
		return err
	}
	if err := target.Close(); err != nil {
		return err
	}
	return copyAttributes(to, info)
}

func copyAttributes(path string, info fs.FileInfo) error {
	// Owner before mode: changing the owner clears set-user-ID bits.
	if err := copyOwner(path, info); err != nil {
		return err
	}
	special := info.Mode() & (fs.ModeSetuid | fs.ModeSetgid | fs.ModeSticky)
	if err := os.Chmod(path, info.Mode().Perm()|special); err != nil {
		return err
	}
	return os.Chtimes(path, time.Time{}, info.ModTime())
}

func copyOwner(path string, info fs.FileInfo) error {
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return fmt.Errorf("%s: this system reports no owner", path)
	}
	err := os.Lchown(path, int(stat.Uid), int(stat.Gid))
	if errors.Is(err, fs.ErrPermission) {
		return nil // only root may give files away; everyone else keeps what they copied
	}
	return err
}

// removeTree deletes a folder even if folders in it are read-only.
func removeTree(path string) error {
	err := os.RemoveAll(path)
	if err == nil {
		return nil
	}
	walk := func(entry string, info fs.DirEntry, _ error) error {
		if info != nil && info.IsDir() {
			return os.Chmod(entry, 0o700)
		}
		return nil
	}
	if err := filepath.WalkDir(path, walk); err != nil {
		return err
	}
	return os.RemoveAll(path)
}
