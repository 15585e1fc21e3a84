#!/bin/sh
# Makes kernel/{attention,...}_amd64.s and their stubs. Run it from anywhere.
set -e
cd "$(dirname "$0")/.."
for part in attention elementwise peak rows; do
	go run ./attention -part $part -out ../${part}_amd64.s -stubs ../${part}_asm_amd64.go -pkg kernel
	# Short of registers, avo takes the upper sixteen, which need AVX-512.
	awk '/^TEXT/ { name = $2 } name ~ /AVX2/ && /[XY](1[6-9]|2[0-9]|3[01])/ { print name ": " $0; bad = 1 } END { exit bad }' ../${part}_amd64.s
done
