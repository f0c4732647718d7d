/* Parts of the attention within a jet: its rows gathered from tiles, one feature after the other, with some of them
   in a vector as queries and each alone as a key. */

#pragma once

#include "tiles.h"

INLINE lanes exponential(lanes x) {
    x = where((words)(x > -87.0f), x, (lanes){0} - 87.0f);
    lanes shifted = x * 1.44269504f + 12582912.0f, n = shifted - 12582912.0f;
    lanes r = x - n * 0.693359375f + n * 2.12194440e-4f;
    lanes p = (lanes){0} + 1.9875691500e-4f;
    p = p * r + 1.3981999507e-3f;
    p = p * r + 8.3334519073e-3f;
    p = p * r + 4.1665795894e-2f;
    p = p * r + 1.6666665459e-1f;
    p = p * r + 5.0000001201e-1f;
    p = p * r * r + r + 1.0f;
    return (lanes)((words)p + ((words)shifted << 23));
}

/* Rows first, ..., first + count - 1 of tiles with so many features, to vectors of PER features one after the other, `apart`
   rows from each other. Behind the last row there is whatever it may be. */
INLINE void gather(const value *tiles, int features, long first, long count, weight *place, long apart) {
    for (long done = 0; done < count;) {
        const long tile = (first + done) / TILE, lane = (first + done) % TILE, here = TILE - lane;
        const weight *source = (const weight *)(tiles + tile * (features / PER) * 2) + lane;
        for (int f = 0; f < features / PER; f++, source += TILE)
            for (long part = 0; part < here && part < count - done; part += LANES)
                memcpy(place + f * apart + done + part, source + part, sizeof(value));
        done += here;
    }
}

/* What was gathered, as weights of a product over rows: feature after feature, apart / PER weights from each other. */
INLINE const weight *over_rows_of(const weight *rows, int features, long count, long apart, weight *place) {
#if PER == 2
    typedef uint16_t halves __attribute__((vector_size(64)));
    const halves even = {0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30,
                         32, 34, 36, 38, 40, 42, 44, 46, 48, 50, 52, 54, 56, 58, 60, 62};
    for (int f = 0; f < features / 2; f++)
        for (long row = 0; row < count; row += TILE) {
            halves parts[2];
            for (int v = 0; v < 2; v++) {
                const long left = count - row - v * LANES;
                const __mmask16 there = left >= LANES ? 0xffff : left > 0 ? (__mmask16)((1 << left) - 1) : 0;
                parts[v] = (halves)_mm512_maskz_loadu_epi32(there, rows + f * apart + row + v * LANES);
            }
            for (int p = 0; p < 2; p++) {
                halves own = __builtin_shuffle(parts[0], parts[1], even + (uint16_t)p);
                memcpy(place + (2 * f + p) * (apart / 2) + row / 2, &own, sizeof own);
            }
        }
    return place;
#else
    return rows;
#endif
}

/* Each PER rows of so many vectors to one, in place, as products take them; what is missing of the last is zero. */
INLINE void pair_rows(float *rows, long count, int vectors, long apart) {
#if PER == 2
    for (long row = 0; row < count; row += 2)
        for (int v = 0; v < vectors; v++) {
            lanes even, odd = {0};
            memcpy(&even, rows + row * apart + v * LANES, sizeof even);
            if (row + 1 < count) memcpy(&odd, rows + (row + 1) * apart + v * LANES, sizeof odd);
            value both = pack(even, odd);
            memcpy(rows + row / 2 * apart + v * LANES, &both, sizeof both);
        }
#endif
}

/* The way back. */
INLINE void scatter(value *tiles, int features, long first, long count, const float *place, long apart) {
    for (long done = 0; done < count;) {
        const long tile = (first + done) / TILE, lane = (first + done) % TILE;
        const long here = TILE - lane < count - done ? TILE - lane : count - done;
        uint32_t *target = (uint32_t *)(tiles + tile * (features / PER) * 2) + lane;
        for (int f = 0; f < features; f += PER, target += TILE)
            for (long part = 0; part < here; part += LANES) {
                value x;
                lanes parts[PER];
                for (int p = 0; p < PER; p++) memcpy(&parts[p], place + (f + p) * apart + done + part, sizeof parts[p]);
#if PER == 2
                x = pack(parts[0], parts[1]);
#else
                x = parts[0];
#endif
                if (here - part >= LANES)
                    memcpy(target + part, &x, sizeof x);
                else
                    memcpy(target + part, &x, (here - part) * sizeof(uint32_t));
            }
        done += here;
    }
}

INLINE void combine_some(int V, int units, const weight *w, long unit, long step, int terms, const void *x, long apart,
                         float *result) {
    for (int n = 0; n < units; n += UNITS) {
        pair sums[UNITS];
        start(UNITS, V, NULL, sums);
        products(V, w + n * unit, unit, step, terms, x, apart / LANES, sums);
        for (int u = 0; u < UNITS; u++) memcpy(result + (n + u) * apart, sums[u], V * sizeof(lanes));
    }
}

/* result (units, rows) from x (terms, rows), so many vectors of rows: sums over terms of w[unit, term] x[term, rows]. */
INLINE void combine(int units, const weight *w, long unit, long step, int terms, const void *x, long apart, int vectors,
                    float *result) {
    const weight *from = x;
    int v = 0;
    for (; v + 1 < vectors; v += 2)
        combine_some(2, units, w, unit, step, terms, from + v * LANES, apart, result + v * LANES);
    if (v < vectors) combine_some(1, units, w, unit, step, terms, from + v * LANES, apart, result + v * LANES);
}

/* (rows, rows) from two of what was gathered: the sum over features of each pair of rows. */
INLINE void over_features(const weight *w, const weight *x, int features, long count, long apart, float *result) {
    const int units = (int)((count + UNITS - 1) / UNITS * UNITS), vectors = (int)((count + LANES - 1) / LANES);
    combine(units, w, 1, apart, features / PER, x, apart, vectors, result);
}

/* (features, rows) from what was gathered and (rows, rows), of which `pair_rows` made what it is: the sum over rows. */
INLINE void over_rows_by(const weight *rows, const float *paired, int features, long count, long apart, weight *memory,
                         float *result) {
    const int terms = (int)((count + PER - 1) / PER), vectors = (int)((count + LANES - 1) / LANES);
    const weight *w = over_rows_of(rows, features, count, apart, memory);
    combine(features, w, apart / PER, 1, terms, paired, apart, vectors, result);
}

/* Attention's weights of a head: (keys, queries), each `apart` floats from the next. */
INLINE void attend(const weight *q, const weight *k, int width, long count, long apart, float scale, float *weights) {
    const int vectors = (int)((count + LANES - 1) / LANES);
    over_features(k, q, width, count, apart, weights);
    for (int v = 0; v < vectors; v++) {
        lanes *w = (lanes *)(weights + v * LANES), largest = w[0], total = {0};
        const long next = apart / LANES;
        for (long i = 1; i < count; i++) largest = where((words)(w[i * next] > largest), w[i * next], largest);
        for (long i = 0; i < count; i++) total += w[i * next] = exponential((w[i * next] - largest) * scale);
        total = 1.0f / total;
        for (long i = 0; i < count; i++) w[i * next] *= total;
    }
}

/* (count, count) from one place to another, its axes exchanged. */
INLINE void exchanged(const float *from, float *to, int vectors, long apart) {
    for (int a = 0; a < vectors; a++)
        for (int b = 0; b < vectors; b++) {
            lanes m[LANES];
            for (int i = 0; i < LANES; i++) memcpy(&m[i], from + (a * LANES + i) * apart + b * LANES, sizeof m[i]);
            transpose(m);
            for (int i = 0; i < LANES; i++) memcpy(to + (b * LANES + i) * apart + a * LANES, &m[i], sizeof m[i]);
        }
}
