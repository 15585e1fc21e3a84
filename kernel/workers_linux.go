package kernel

import (
	"os"
	"path/filepath"
)

// physicalCores counts the distinct sets of sibling threads that the kernel lists, 0 when it lists none.
func physicalCores() int {
	files, _ := filepath.Glob("/sys/devices/system/cpu/cpu[0-9]*/topology/thread_siblings_list")
	sets := map[string]bool{}
	for _, f := range files {
		if b, err := os.ReadFile(f); err == nil {
			sets[string(b)] = true
		}
	}
	return len(sets)
}
