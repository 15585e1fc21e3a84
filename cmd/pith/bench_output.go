package main

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/spf13/cobra"
)

// benchRow is one measured test.
type benchRow struct {
	Model   string  `json:"model"`
	Size    int64   `json:"size"`
	Params  int64   `json:"params"`
	Backend string  `json:"backend"`
	Threads int     `json:"threads"`
	Exact   bool    `json:"exact"`
	KV      string  `json:"kv"`
	Keep    string  `json:"keep,omitempty"`
	Test    string  `json:"test"`
	Prompt  int     `json:"n_prompt"`
	Gen     int     `json:"n_gen"`
	Depth   int     `json:"n_depth"`
	Mean    float64 `json:"avg_ts"`
	SD      float64 `json:"stddev_ts"`
	Median  float64 `json:"median_ts"`

	Read   float64 `json:"read_gbps,omitempty"`   // weights and cache at the median rate; generation only
	Memory float64 `json:"memory_gbps,omitempty"` // at which weights alone are read, nothing done with them

	Samples   []float64      `json:"samples_ts"`
	KVBytes   int64          `json:"kv_bytes"`
	FullBytes int64          `json:"full_bytes"`
	Packed    int64          `json:"packed_bytes"`             // weights in anonymous memory
	Unpacked  int64          `json:"unpacked_bytes,omitempty"` // weights for which memory was too short
	Peak      *residentBytes `json:"peak_resident_bytes,omitempty"`
}

// summary returns mean, standard deviation of the sample, and median.
func summary(x []float64) (mean, sd, median float64) {
	n := float64(len(x))
	for _, v := range x {
		mean += v / n
	}
	for _, v := range x {
		sd += (v - mean) * (v - mean)
	}
	if len(x) > 1 {
		sd = math.Sqrt(sd / (n - 1))
	}
	sorted := slices.Sorted(slices.Values(x))
	median = (sorted[(len(x)-1)/2] + sorted[len(x)/2]) / 2
	return mean, sd, median
}

func writeBench(cmd *cobra.Command, rows []benchRow, format string) error {
	out := cmd.OutOrStdout()
	if format == "json" {
		return writeJSON(out, rows)
	}
	t := table{header: []string{"model", "size", "params", "backend", "threads", "kv", "keep", "test", "t/s", "median", "GB/s", "of memory", "cache", "full cache", "peak anon", "peak file"},
		right: map[int]bool{1: true, 2: true, 4: true, 6: true, 7: true, 8: true, 9: true, 10: true, 11: true, 12: true, 13: true, 14: true, 15: true}}
	if format == "csv" {
		t.header = strings.Split("model,size,params,backend,threads,kv,keep,test,avg_ts,stddev_ts,median_ts,read_gbps,memory_gbps,kv_bytes,full_bytes,peak_anonymous_bytes,peak_file_bytes", ",")
	}
	for _, r := range rows {
		anon, file := "", ""
		if r.Peak != nil {
			anon, file = bytesText(r.Peak.Anonymous), bytesText(r.Peak.File)
			if format == "csv" {
				anon, file = fmt.Sprint(r.Peak.Anonymous), fmt.Sprint(r.Peak.File)
			}
		}
		read, of := "", ""
		if r.Memory > 0 {
			read, of = fmt.Sprintf("%.1f", r.Read), fmt.Sprintf("%.0f%%", 100*r.Read/r.Memory)
			if format == "csv" {
				of = fmt.Sprintf("%.1f", r.Memory)
			}
		}
		if format == "csv" {
			t.add(r.Model, fmt.Sprint(r.Size), fmt.Sprint(r.Params), r.Backend, fmt.Sprint(r.Threads), r.KV, r.Keep, r.Test, fmt.Sprintf("%.3f", r.Mean),
				fmt.Sprintf("%.3f", r.SD), fmt.Sprintf("%.3f", r.Median), read, of, fmt.Sprint(r.KVBytes), fmt.Sprint(r.FullBytes), anon, file)
			continue
		}
		t.add(r.Model, bytesText(r.Size), countText(r.Params), r.Backend, fmt.Sprint(r.Threads), r.KV, r.Keep, r.Test,
			fmt.Sprintf("%.2f ± %.2f", r.Mean, r.SD), fmt.Sprintf("%.2f", r.Median), read, of, bytesText(r.KVBytes), bytesText(r.FullBytes), anon, file)
	}
	if format == "csv" {
		return t.csv(out)
	}
	return t.markdown(out)
}
