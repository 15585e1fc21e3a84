#!/bin/sh
# Writes the assembly of arm64, kernel/*_arm64.s, and its stubs. Run it from anywhere after a change here, and commit what it writes.
set -e
cd "$(dirname "$0")/.."
for part in pack gemm_neon gemm_dotprod tile_neon tile_dotprod rows rows_group elementwise attention peak sketch; do
	go run ./neon -part $part
done
