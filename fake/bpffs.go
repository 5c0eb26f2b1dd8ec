package fake

import (
	"path"
	"strings"

	"github.com/nkconform/nkconform/mprog"
)

// fileSystem is the tree of files that the paths of a machine lead to: folders,
// and what is pinned. Only bpf file systems have pins.
type fileSystem struct {
	folders map[string]bool // by path: whether it is on a bpf file system
	pins    map[string]file // by path
}

func newFileSystem() *fileSystem {
	return &fileSystem{
		folders: map[string]bool{"/": false, "/sys": false, "/sys/fs": false, "/tmp": false, mprog.BPFFS: true},
		pins:    make(map[string]file),
	}
}

// place is where a path leads to: to a folder, to a pin, or to nothing in a folder
// that exists.
type place struct {
	path   string // from the root, without detours
	bpf    bool   // the folder it is in is on a bpf file system
	slash  bool   // the path says that it is a folder
	folder bool
	pin    file
}

func (p *place) exists() bool { return p.folder || p.pin != nil }

const (
	pathMax = 4096 // PATH_MAX, with the final zero byte
	nameMax = 255  // NAME_MAX
)

// walk follows a path (link_path_walk, bpf_lookup). A relative path begins at the
// root.
func (fs *fileSystem) walk(name string) (place, error) {
	switch {
	case name == "":
		return place{}, refuse(pathMissing, "the path is empty")
	case len(name) >= pathMax:
		return place{}, refuse(pathLong, "the path has %d bytes", len(name))
	}
	at := place{path: "/", folder: true}
	for part := range strings.SplitSeq(name, "/") {
		switch {
		case part == "" || part == ".":
			at.slash = true
			continue
		case at.pin != nil:
			return place{}, refuse(pathNotFolder, "%s is no folder", at.path)
		case !at.folder:
			return place{}, refuse(pathMissing, "%s does not exist", at.path)
		}
		bpf := fs.folders[at.path]
		if part != ".." && bpf && strings.Contains(part, ".") {
			return place{}, refuse(pathDot, "%q in %s", part, at.path)
		}
		if len(part) > nameMax {
			return place{}, refuse(pathLong, "a name of the path has %d bytes", len(part))
		}
		at = place{path: path.Join(at.path, part), bpf: bpf}
		_, at.folder = fs.folders[at.path]
		at.pin = fs.pins[at.path]
	}
	return at, nil
}
