/* Products of layers, OUTPUTS at a time: in vectors or, with TILES, by a processor's matrix unit (AMX).

   A tile of the unit has 16 rows of 64 bytes: float32 sums of 16 outputs for the 16 rows of a vector, or 32 bfloat16
   weights of each of 16 outputs, or 16 vectors of pairs of features. Four tiles of sums hide how long each takes. */

#pragma once

#include "tiles.h"

#ifdef TILES
#include <sys/syscall.h>
#include <unistd.h>

#define OUTPUTS 32
/* what a tile is loaded from has to be in memory, which the compiler does not see */
#define IN_MEMORY __asm__ volatile("" ::: "memory")

/* Whether this process may use the unit: Linux wants to be asked (XTILEDATA is state number 18). */
int may_multiply(void) { return syscall(SYS_arch_prctl, 0x1023, 18) == 0; }

/* For each thread, before and after its products. */
INLINE void begin_multiplying(void) {
    struct {
        uint8_t palette, start_row, zero[14];
        uint16_t bytes[16];
        uint8_t rows[16];
    } configuration = {.palette = 1};
    for (int t = 0; t < 8; t++) configuration.bytes[t] = 64, configuration.rows[t] = 16;
    IN_MEMORY;
    _tile_loadconfig(&configuration);
}

INLINE void end_multiplying(void) { _tile_release(); }

/* As below; terms are a multiple of 16. */
INLINE void multiply(const weight *w, long unit, int terms, const value *x, long next, float *sums, long apart) {
    float *more = sums + 16 * apart;
    IN_MEMORY;
    _tile_loadd(0, sums, 4 * apart);
    _tile_loadd(1, sums + 16, 4 * apart);
    _tile_loadd(2, more, 4 * apart);
    _tile_loadd(3, more + 16, 4 * apart);
    for (int k = 0; k < terms; k += 16) {
        _tile_loadd(6, x + k * next, 64 * next);
        _tile_loadd(4, w + k, 4 * unit);
        _tile_loadd(7, x + k * next + 1, 64 * next);
        _tile_loadd(5, w + 16 * unit + k, 4 * unit);
        _tile_dpbf16ps(0, 4, 6);
        _tile_dpbf16ps(1, 4, 7);
        _tile_dpbf16ps(2, 5, 6);
        _tile_dpbf16ps(3, 5, 7);
    }
    _tile_stored(0, sums, 4 * apart);
    _tile_stored(1, sums + 16, 4 * apart);
    _tile_stored(2, more, 4 * apart);
    _tile_stored(3, more + 16, 4 * apart);
}

INLINE void multiply_layer(int V, const weight *w, int inputs, const value *x, pair *sums) {
    if (V == 2) multiply(w, inputs / PER, inputs / PER, x, 2, (float *)sums, 2 * LANES);
}
#else
#define OUTPUTS UNITS

INLINE void begin_multiplying(void) {}
INLINE void end_multiplying(void) {}

/* Adds to OUTPUTS outputs of a layer with so many inputs, packed, for V vectors of rows; two with TILES. */
INLINE void multiply_layer(int V, const weight *w, int inputs, const value *x, pair *sums) {
    products(V, w, inputs / PER, 1, inputs / PER, x, V, sums);
}

/* Adds to OUTPUTS sums of two vectors, `apart` floats from each other; for the rest see `products`. */
INLINE void multiply(const weight *w, long unit, int terms, const value *x, long next, float *sums, long apart) {
    pair own[UNITS];
    for (int u = 0; u < UNITS; u++) memcpy(own[u], sums + u * apart, sizeof own[u]);
    products(2, w, unit, 1, terms, x, next, own);
    for (int u = 0; u < UNITS; u++) memcpy(sums + u * apart, own[u], sizeof own[u]);
}
#endif
