/* Tiles of as many rows as two vectors hold, feature after feature; and the forms in which products over rows take them. */

#pragma once

#include "lanes.h"

#define TILE (2 * LANES)
#define DEPTH (TILE / PER) /* terms of a product over the rows of a tile */

typedef lanes pair[2]; /* one feature of a tile */

/* Of two vectors, lanes i from the first and i ^ by from the second, in the place of the lanes that i & by tells apart. */
#define LOW(i, by) ((i) & (by) ? LANES + ((i) ^ (by)) : (i))
#define HIGH(i, by) ((i) & (by) ? LANES + (i) : (i) ^ (by))
#define PARTNER(i, by) ((i) ^ (by))
#define EIGHT(of, i, by)                                                                                               \
    of(i, by), of(i + 1, by), of(i + 2, by), of(i + 3, by), of(i + 4, by), of(i + 5, by), of(i + 6, by), of(i + 7, by)
#if LANES == 16
#define ALL(of, by) {EIGHT(of, 0, by), EIGHT(of, 8, by)}
#else
#define ALL(of, by) {EIGHT(of, 0, by)}
#endif

INLINE void exchange(lanes *m, int by, words low, words high) {
#pragma GCC unroll 16
    for (int i = 0; i < LANES; i++)
        if (!(i & by)) {
            lanes a = m[i], b = m[i | by];
            m[i] = __builtin_shuffle(a, b, low);
            m[i | by] = __builtin_shuffle(a, b, high);
        }
}

/* LANES vectors as a matrix, transposed. */
INLINE void transpose(lanes *m) {
    exchange(m, 1, (words)ALL(LOW, 1), (words)ALL(HIGH, 1));
    exchange(m, 2, (words)ALL(LOW, 2), (words)ALL(HIGH, 2));
    exchange(m, 4, (words)ALL(LOW, 4), (words)ALL(HIGH, 4));
#if LANES == 16
    exchange(m, 8, (words)ALL(LOW, 8), (words)ALL(HIGH, 8));
#endif
}

/* A tile of float32 (count, d), zero where there are no rows. */
INLINE void load(const float *rows, long count, int d, long tile, pair *x) {
    for (int v = 0; v < 2; v++)
        for (int f = 0; f < d; f += LANES) {
            lanes m[LANES];
            for (int i = 0; i < LANES; i++) {
                long row = tile * TILE + v * LANES + i;
                if (row < count)
                    memcpy(&m[i], rows + row * d + f, sizeof m[i]);
                else
                    m[i] = (lanes){0};
            }
            transpose(m);
            for (int i = 0; i < LANES; i++) x[f + i][v] = m[i];
        }
}

INLINE void store(float *rows, long count, int d, long tile, const pair *x) {
    for (int v = 0; v < 2; v++)
        for (int f = 0; f < d; f += LANES) {
            lanes m[LANES];
            for (int i = 0; i < LANES; i++) m[i] = x[f + i][v];
            transpose(m);
            for (int i = 0; i < LANES; i++) {
                long row = tile * TILE + v * LANES + i;
                if (row < count) memcpy(rows + row * d + f, &m[i], sizeof m[i]);
            }
        }
}

/* Features f, f + 1, ... (PER of them) of what is packed. */
INLINE void unpack(value x, lanes *features) {
#if PER == 2
    features[0] = (lanes)(x << 16);
    features[1] = (lanes)(x & 0xffff0000u);
#else
    features[0] = x;
#endif
}

/* Over all rows of a tile: each time a lane takes its partner's share, until all have the whole. */
INLINE float sum(pair x) {
    lanes both = x[0] + x[1];
    both += __builtin_shuffle(both, (words)ALL(PARTNER, 1));
    both += __builtin_shuffle(both, (words)ALL(PARTNER, 2));
    both += __builtin_shuffle(both, (words)ALL(PARTNER, 4));
#if LANES == 16
    both += __builtin_shuffle(both, (words)ALL(PARTNER, 8));
#endif
    return both[0];
}

/* A feature of a tile as weights of a product over its rows. */
INLINE void over_rows(pair x, weight *w) {
#if PER == 2
    __m512bh both = _mm512_cvtne2ps_pbh((__m512)x[1], (__m512)x[0]);
    memcpy(w, &both, sizeof both);
#else
    memcpy(w, x, 2 * sizeof *x);
#endif
}

/* LANES features of a tile, given one after the other, as the vectors of a product over its rows, `next` apart. */
INLINE void across_rows(pair *x, value *place, long next) {
    for (int v = 0; v < 2; v++) {
        lanes m[LANES];
        for (int i = 0; i < LANES; i++) m[i] = x[i][v];
        transpose(m);
        for (int i = 0; i < LANES / PER; i++)
#if PER == 2
            place[(v * LANES / PER + i) * next] = pack(m[2 * i], m[2 * i + 1]);
#else
            place[(v * LANES / PER + i) * next] = m[i];
#endif
    }
}

/* The same of features that are packed, any multiple of LANES PER of them. */
INLINE void across_rows_packed(const value *x, int features, value *place) {
    const long next = features / LANES;
    for (int f = 0; f < features; f += LANES * PER)
        for (int v = 0; v < 2; v++) {
            lanes m[LANES];
            for (int i = 0; i < LANES; i++) m[i] = (lanes)x[(f / PER + i) * 2 + v];
            transpose(m);
            value *target = place + v * LANES / PER * next + f / LANES;
#if PER == 2
            typedef uint16_t halves __attribute__((vector_size(64)));
            const halves first = {0, 32, 1, 33, 2, 34, 3, 35, 4, 36, 5, 37, 6, 38, 7, 39,
                                  8, 40, 9, 41, 10, 42, 11, 43, 12, 44, 13, 45, 14, 46, 15, 47};
            for (int i = 0; i < LANES / 2; i++, target += next) {
                halves even = (halves)m[2 * i], odd = (halves)m[2 * i + 1];
                target[0] = (value)__builtin_shuffle(even, odd, first);
                target[1] = (value)__builtin_shuffle(even, odd, first + 16);
            }
#else
            for (int i = 0; i < LANES; i++, target += next) target[0] = m[i];
#endif
        }
}

INLINE void across_rows_all(pair *x, int features, value *place) {
    for (int f = 0; f < features; f += LANES) across_rows(x + f, place + f / LANES, features / LANES);
}

INLINE void pack_all(pair *x, int features, value *packed) {
    for (int f = 0; f < features; f += UNITS) put(UNITS, 2, packed, f, x + f);
}
