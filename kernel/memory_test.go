package kernel

import (
	"testing"
	"testing/fstest"
)

// What is free is the least of what the system and every group around the process leave.
func TestFreeMemory(t *testing.T) {
	const meminfo = "MemTotal:       24684096 kB\nMemFree:           1000 kB\nMemAvailable:    8192 kB\n"
	for _, c := range []struct {
		name  string
		files map[string]string
		want  int64
		known bool
	}{
		{"nothing is told", nil, 0, false},
		{"the system alone", map[string]string{"proc/meminfo": meminfo}, 8 << 20, true},
		{"version 2, a limit above the group, files that can go", map[string]string{"proc/meminfo": meminfo, "proc/self/cgroup": "0::/a/b\n",
			"sys/fs/cgroup/a/b/memory.max": "max\n", "sys/fs/cgroup/a/b/memory.current": "3000000\n",
			"sys/fs/cgroup/a/memory.max": "5000000\n", "sys/fs/cgroup/a/memory.current": "4000000\n",
			"sys/fs/cgroup/a/memory.stat": "anon 3000000\ninactive_file 600000\nactive_file 300000\n"}, 1900000, true},
		{"version 2, throttled before the limit", map[string]string{"proc/meminfo": meminfo, "proc/self/cgroup": "0::/\n",
			"sys/fs/cgroup/memory.max": "5000000\n", "sys/fs/cgroup/memory.high": "4500000\n", "sys/fs/cgroup/memory.current": "4000000\n"}, 500000, true},
		{"version 1 in a container: the path is the host's", map[string]string{"proc/meminfo": meminfo, "proc/self/cgroup": "9:cpuset:/x\n4:memory:/docker/1f\n0::/\n",
			"sys/fs/cgroup/memory/memory.limit_in_bytes": "7000000\n", "sys/fs/cgroup/memory/memory.usage_in_bytes": "2000000\n",
			"sys/fs/cgroup/memory/memory.stat": "inactive_file 1\ntotal_inactive_file 500000\ntotal_active_file 100000\n"}, 5600000, true},
		{"version 1 without a limit", map[string]string{"proc/meminfo": meminfo, "proc/self/cgroup": "4:cpu,memory:/\n",
			"sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712\n", "sys/fs/cgroup/memory/memory.usage_in_bytes": "2000000\n"}, 8 << 20, true},
		{"more is used than allowed", map[string]string{"proc/self/cgroup": "0::/a\n",
			"sys/fs/cgroup/a/memory.max": "5000000\n", "sys/fs/cgroup/a/memory.current": "6000000\n"}, 0, true},
		{"nonsense", map[string]string{"proc/meminfo": "MemAvailable: much kB\n", "proc/self/cgroup": "0\n0::/../..\n:::\n",
			"sys/fs/cgroup/memory.max": "-\n", "sys/fs/cgroup/memory.current": "\n"}, 0, false},
	} {
		root := fstest.MapFS{}
		for name, text := range c.files {
			root[name] = &fstest.MapFile{Data: []byte(text)}
		}
		if got, known := freeMemory(root); got != c.want || known != c.known {
			t.Errorf("%s: %d, %v; want %d, %v", c.name, got, known, c.want, c.known)
		}
	}
}
