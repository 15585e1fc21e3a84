package main

import (
	"bytes"
	"os"
	"strconv"
)

// readResident reads /proc/self/statm: the second field counts resident pages, the third those of files and shared memory.
func readResident() (residentBytes, bool) {
	b, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		return residentBytes{}, false
	}
	f := bytes.Fields(b)
	if len(f) < 3 {
		return residentBytes{}, false
	}
	all, err1 := strconv.ParseInt(string(f[1]), 10, 64)
	file, err2 := strconv.ParseInt(string(f[2]), 10, 64)
	if err1 != nil || err2 != nil {
		return residentBytes{}, false
	}
	page := int64(os.Getpagesize())
	return residentBytes{Anonymous: (all - file) * page, File: file * page}, true
}
