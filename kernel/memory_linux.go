package kernel

import "os"

// FreeMemory is about how many bytes this process may still take before the system or a control group runs short, known or not.
func FreeMemory() (bytes int64, known bool) { return freeMemory(os.DirFS("/")) }
