#!/bin/sh
# Writes the assembly of matrix products, and of attention with tiles: run it from anywhere after a change to a generator here, and commit what
# it writes. The module's users never need it.
set -e
cd "$(dirname "$0")"
for isa in avx2 avx512 vnni; do
	go run ./gemm -isa $isa -out ../gemm_${isa}_amd64.s -stubs ../gemm_${isa}_amd64.go -pkg kernel
	sed -i "1r layout/gemm.txt" ../gemm_${isa}_amd64.s
done
for part in pack tile dot; do
	go run ./$part -out ../${part}_avx2_amd64.s -stubs ../${part}_avx2_amd64.go -pkg kernel
	sed -i "1r layout/$part.txt" ../${part}_avx2_amd64.s
done
go run ./amx -part gemm -out ../gemm_amx_amd64.s -stubs ../gemm_amx_amd64.go -pkg kernel
sed -i "1r layout/amx.txt" ../gemm_amx_amd64.s
go run ./amx -part attention -out ../attention_amx_amd64.s -stubs ../attention_amx_asm_amd64.go -pkg kernel
sed -i "1r layout/amx_attention.txt" ../attention_amx_amd64.s
