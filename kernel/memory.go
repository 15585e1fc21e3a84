package kernel

import (
	"fmt"
	"io/fs"
	"math"
	"path"
	"slices"
	"strconv"
	"strings"
)

// freeMemory reads Linux's account of free memory below root: what the system has to hand out, and what the limits of the process's control
// groups leave, whichever is least. Pages of files count as free, since they can be dropped.
func freeMemory(root fs.FS) (bytes int64, known bool) {
	bytes = math.MaxInt64
	if kib, ok := field(root, "proc/meminfo", "MemAvailable:"); ok {
		bytes, known = kib<<10, true
	}
	groups, _ := fs.ReadFile(root, "proc/self/cgroup")
	for line := range strings.Lines(string(groups)) {
		parts := strings.SplitN(strings.TrimSpace(line), ":", 3) // hierarchy, controllers, path
		if len(parts) < 3 {
			continue
		}
		var g groupFiles
		switch {
		case parts[0] == "0":
			g = groupFiles{"sys/fs/cgroup", []string{"memory.max", "memory.high"}, "memory.current", ""}
		case slices.Contains(strings.Split(parts[1], ","), "memory"):
			g = groupFiles{"sys/fs/cgroup/memory", []string{"memory.limit_in_bytes"}, "memory.usage_in_bytes", "total_"}
		default:
			continue
		}
		// A group is within the limits of those above it. In a container the path may be the host's: then only the root is there.
		for at := path.Clean("/" + parts[2]); ; at = path.Dir(at) {
			if left, ok := g.left(root, path.Join(g.mount, at)); ok {
				bytes, known = min(bytes, left), true
			}
			if at == "/" {
				break
			}
		}
	}
	if !known {
		return 0, false
	}
	return bytes, true
}

// groupFiles are the files in which one version of control groups tells limits and use.
type groupFiles struct {
	mount  string
	limits []string
	usage  string
	prefix string // of memory.stat's sums over a group and those below it
}

// left is what the limits of the group at dir leave.
func (g *groupFiles) left(root fs.FS, dir string) (int64, bool) {
	limit := int64(math.MaxInt64)
	for _, name := range g.limits {
		if n, ok := number(root, path.Join(dir, name)); ok {
			limit = min(limit, n)
		}
	}
	used, ok := number(root, path.Join(dir, g.usage))
	if !ok || limit == math.MaxInt64 {
		return 0, false
	}
	for _, name := range []string{"inactive_file", "active_file"} {
		n, _ := field(root, path.Join(dir, "memory.stat"), g.prefix+name)
		used -= n
	}
	return max(0, limit-max(0, used)), true
}

// number reads a file that holds one number; "max" is none.
func number(root fs.FS, name string) (int64, bool) {
	data, err := fs.ReadFile(root, name)
	if err != nil {
		return 0, false
	}
	n, err := strconv.ParseInt(strings.TrimSpace(string(data)), 10, 64)
	return n, err == nil
}

// field reads the number behind a name that begins a line.
func field(root fs.FS, file, name string) (n int64, ok bool) {
	data, _ := fs.ReadFile(root, file)
	for line := range strings.Lines(string(data)) {
		if rest, found := strings.CutPrefix(line, name+" "); found {
			_, err := fmt.Sscan(rest, &n)
			return n, err == nil
		}
	}
	return 0, false
}
