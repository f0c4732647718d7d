/* What a processor's matrix unit (AMX) does, as Intel's manual has it, for processors without one: included before the
   kernels. */

#include <immintrin.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define syscall(...) 0L
#undef _tile_loadd
#undef _tile_stored
#undef _tile_dpbf16ps
#define _tile_loadconfig emulated_configuration
#define _tile_release emulated_release
#define _tile_loadd emulated_load
#define _tile_stored emulated_store
#define _tile_dpbf16ps emulated_products

static _Thread_local uint32_t tiles[8][16][16];
static _Thread_local int configured;

static inline void emulated_configuration(const void *given) {
    uint8_t bytes[64], expected[64] = {1};
    memcpy(bytes, given, 64);
    for (int t = 0; t < 8; t++) expected[16 + 2 * t] = 64, expected[48 + t] = 16;
    if (memcmp(bytes, expected, 64)) abort();
    configured = 1;
}

static inline void emulated_release(void) { configured = 0; }

static inline void emulated_load(int tile, const void *from, long apart) {
    if (!configured) abort();
    for (int row = 0; row < 16; row++) memcpy(tiles[tile][row], (const char *)from + row * apart, 64);
}

static inline void emulated_store(int tile, void *to, long apart) {
    if (!configured) abort();
    for (int row = 0; row < 16; row++) memcpy((char *)to + row * apart, tiles[tile][row], 64);
}

static inline float of_bits(uint32_t bits) {
    float x;
    memcpy(&x, &bits, 4);
    return x;
}

static inline void emulated_products(int to, int a, int b) {
    if (!configured) abort();
    for (int m = 0; m < 16; m++)
        for (int n = 0; n < 16; n++) {
            float even = 0, odd = 0, sum;
            for (int k = 0; k < 16; k++) {
                const uint32_t x = tiles[a][m][k], y = tiles[b][k][n];
                even += of_bits(x << 16) * of_bits(y << 16);
                odd += of_bits(x & 0xffff0000u) * of_bits(y & 0xffff0000u);
            }
            memcpy(&sum, &tiles[to][m][n], 4);
            sum += even + odd;
            memcpy(&tiles[to][m][n], &sum, 4);
        }
}
