#!/bin/sh
# Makes kernel/{attention,elementwise,...}_amd64.s and their stubs. Run it from anywhere.
set -e
cd "$(dirname "$0")/.."
make() { # part, name of the files
	go run ./attention -part $1 -out ../$2_amd64.s -stubs ../$2_asm_amd64.go -pkg kernel
	sed -i "1r attention/layout/$1.txt" ../$2_amd64.s
	# Short of registers, avo takes the upper sixteen, which need AVX-512.
	awk '/^TEXT/ { name = $2 } name ~ /AVX2/ && /[XY](1[6-9]|2[0-9]|3[01])/ { print name ": " $0; bad = 1 } END { exit bad }' ../$2_amd64.s
}
make attention attention
make convert rows_convert
make elementwise elementwise
make group rows_group
make group512 rows_group_avx512
make peak peak
make rows rows
make rows512 rows_avx512
make bf16 attention_bf16
make select select
make sketch sketch
