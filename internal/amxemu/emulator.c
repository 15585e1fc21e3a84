//go:build amxemu && linux && amd64

#define _GNU_SOURCE
#include <immintrin.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <ucontext.h>
#include <unistd.h>

enum { TILES = 8, ROWS = 16, ROW_BYTES = 64 };

typedef struct {
	int rows, bytes; // 0 where the configuration leaves the tile out
	uint8_t data[ROWS][ROW_BYTES];
} tile;

static __thread struct {
	int configured;
	tile tiles[TILES];
} state;

static struct sigaction next;

static void fail(const char *why, const uint8_t *code) {
	char text[128];
	int n = snprintf(text, sizeof text, "amxemu: %s: %02x %02x %02x %02x %02x at %p\n", why, code[0], code[1], code[2], code[3], code[4], (void *)code);
	if (write(STDERR_FILENO, text, n) < 0) {
		_exit(2);
	}
	abort();
}

static tile *tile_of(int i, const uint8_t *code) {
	if (!state.configured) {
		fail("tiles are not configured", code);
	}
	if (i >= TILES || state.tiles[i].rows == 0) {
		fail("the configuration has no such tile", code);
	}
	return &state.tiles[i];
}

// configure is LDTILECFG: byte 0 palette, 1 first row, 16 on the bytes of a row of each tile (16 bits), 48 on their rows.
static void configure(const uint8_t *c, const uint8_t *code) {
	if (state.configured) {
		fail("configured twice without a release", code);
	}
	if (c[0] != 1 || c[1] != 0) {
		fail("palette or first row", code);
	}
	memset(&state, 0, sizeof state);
	for (int i = 0; i < TILES; i++) {
		tile *t = &state.tiles[i];
		t->bytes = c[16 + 2 * i] | c[17 + 2 * i] << 8;
		t->rows = c[48 + i];
		if (t->bytes > ROW_BYTES || t->rows > ROWS || !t->bytes != !t->rows) {
			fail("shape of a tile", code);
		}
	}
	for (int i = 0; i < 64; i++) {
		int used = i < 2 || (i >= 16 && i < 32) || (i >= 48 && i < 56);
		if (!used && c[i] != 0) {
			fail("reserved bytes of the configuration", code);
		}
	}
	state.configured = 1;
}

static float widen(const uint8_t *p) {
	uint32_t bits = (uint32_t)(p[0] | p[1] << 8) << 16;
	float x;
	memcpy(&x, &bits, 4);
	return x;
}

// multiply_pairs is TDPBF16PS: even and odd products have chains of their own, which meet before they join the sum. Denormal numbers count as zeros, rounding is
// to nearest whatever the thread has set.
__attribute__((target("fma"))) static void multiply_pairs(tile *c, const tile *a, const tile *b) {
	unsigned mode = _mm_getcsr();
	_mm_setcsr(0x9fc0);
	for (int m = 0; m < c->rows; m++) {
		for (int n = 0; n < c->bytes / 4; n++) {
			float even = 0, odd = 0, sum;
			for (int k = 0; k < b->rows; k++) {
				even = __builtin_fmaf(widen(&a->data[m][4 * k]), widen(&b->data[k][4 * n]), even);
				odd = __builtin_fmaf(widen(&a->data[m][4 * k + 2]), widen(&b->data[k][4 * n + 2]), odd);
			}
			memcpy(&sum, &c->data[m][4 * n], 4);
			sum += even + odd;
			memcpy(&c->data[m][4 * n], &sum, 4);
		}
	}
	_mm_setcsr(mode);
}

// multiply_bytes is TDPBSSD and its kin: the prefix says which operand is signed.
static void multiply_bytes(tile *c, const tile *a, const tile *b, int a_signed, int b_signed) {
	for (int m = 0; m < c->rows; m++) {
		for (int n = 0; n < c->bytes / 4; n++) {
			int32_t sum;
			memcpy(&sum, &c->data[m][4 * n], 4);
			for (int k = 0; k < 4 * b->rows; k++) {
				uint8_t x = a->data[m][k], y = b->data[k / 4][4 * n + k % 4];
				sum += (a_signed ? (int8_t)x : (int)x) * (b_signed ? (int8_t)y : (int)y);
			}
			memcpy(&c->data[m][4 * n], &sum, 4);
		}
	}
}

static const int registers[16] = {REG_RAX, REG_RCX, REG_RDX, REG_RBX, REG_RSP, REG_RBP, REG_RSI, REG_RDI,
	REG_R8, REG_R9, REG_R10, REG_R11, REG_R12, REG_R13, REG_R14, REG_R15};

// execute does the tile instruction at code, VEX.128.map2.W0, and returns its length, or 0 if it is none.
static int execute(const uint8_t *code, const greg_t *g) {
	if (code[0] != 0xc4 || (code[1] & 0x1f) != 2 || code[2] & 0x84) {
		return 0;
	}
	int high_reg = !(code[1] & 0x80) << 3, high_index = !(code[1] & 0x40) << 3, high_rm = !(code[1] & 0x20) << 3;
	int v = ~(code[2] >> 3) & 15, prefix = code[2] & 3, opcode = code[3]; // prefix: none, 66, F3, F2
	int mod = code[4] >> 6, reg = (code[4] >> 3 & 7) | high_reg, rm = code[4] & 7, length = 5;

	uint8_t *address = NULL;
	int64_t stride = 0;
	if (mod != 3) {
		int base = rm;
		if (rm == 4) {
			int sib = code[length++];
			int index = (sib >> 3 & 7) | high_index;
			base = sib & 7;
			if (index != 4) {
				stride = g[registers[index]] << (sib >> 6);
			}
		}
		if (mod == 0 && base == 5) {
			fail("an address without base", code);
		}
		address = (uint8_t *)g[registers[base | high_rm]];
		if (mod == 1) {
			address += (int8_t)code[length++];
		} else if (mod == 2) {
			int32_t distance;
			memcpy(&distance, code + length, 4);
			address += distance;
			length += 4;
		}
	}

	switch (opcode) {
	case 0x49:
		if (prefix == 0 && mod != 3) {
			configure(address, code);
		} else if (prefix == 0) { // TILERELEASE
			memset(&state, 0, sizeof state);
		} else if (prefix == 3 && mod == 3) { // TILEZERO
			memset(tile_of(reg, code)->data, 0, sizeof state.tiles[0].data);
		} else {
			return 0;
		}
		return length;
	case 0x4b: {
		if (mod == 3 || rm != 4 || prefix == 0) {
			return 0;
		}
		tile *t = tile_of(reg, code);
		if (prefix != 2) { // TILELOADD, TILELOADDT1
			memset(t->data, 0, sizeof t->data);
		}
		for (int i = 0; i < t->rows; i++) {
			if (prefix == 2) { // TILESTORED
				memcpy(address + i * stride, t->data[i], t->bytes);
			} else {
				memcpy(t->data[i], address + i * stride, t->bytes);
			}
		}
		return length;
	}
	case 0x5c:
	case 0x5e: {
		if (mod != 3 || (opcode == 0x5c && prefix != 2)) {
			return 0;
		}
		tile *c = tile_of(reg, code), *a = tile_of(rm | high_rm, code), *b = tile_of(v, code);
		if (c == a || c == b || a == b) {
			fail("one tile as two operands", code);
		}
		if (a->bytes != 4 * b->rows || c->rows != a->rows || c->bytes != b->bytes || c->bytes % 4 != 0) {
			fail("shapes that do not fit", code);
		}
		if (opcode == 0x5c) {
			multiply_pairs(c, a, b);
		} else {
			multiply_bytes(c, a, b, prefix == 2 || prefix == 3, prefix == 1 || prefix == 3);
		}
		return length;
	}
	}
	return 0;
}

static void illegal(int signal, siginfo_t *info, void *context) {
	greg_t *g = ((ucontext_t *)context)->uc_mcontext.gregs;
	int length = execute((const uint8_t *)g[REG_RIP], g);
	if (length > 0) {
		g[REG_RIP] += length;
	} else if (next.sa_flags & SA_SIGINFO) {
		next.sa_sigaction(signal, info, context);
	} else {
		abort();
	}
}

void pith_amx_install(void) {
	struct sigaction s;
	memset(&s, 0, sizeof s);
	s.sa_sigaction = illegal;
	s.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_RESTART;
	sigfillset(&s.sa_mask);
	sigaction(SIGILL, &s, &next);
}
