/* Parts of the attention within a jet: its rows gathered from tiles, one feature after the other, with some of them
   in a vector as queries and each alone as a key. In float32. */

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

/* Rows first, ..., first + count - 1 of tiles with so many features, to vectors of one feature after the other, `apart`
   floats from each other. Behind the last row there is whatever it may be. */
INLINE void gather(const value *tiles, int features, long first, long count, float *place, long apart) {
    for (long done = 0; done < count;) {
        const long tile = (first + done) / TILE, lane = (first + done) % TILE, here = TILE - lane;
        const uint32_t *source = (const uint32_t *)(tiles + tile * (features / PER) * 2) + lane;
        for (int f = 0; f < features; f += PER, source += TILE)
            for (long part = 0; part < here && part < count - done; part += LANES) {
                value x;
                lanes parts[PER];
                memcpy(&x, source + part, sizeof x);
                unpack(x, parts);
                for (int p = 0; p < PER; p++) memcpy(place + (f + p) * apart + done + part, &parts[p], sizeof parts[p]);
            }
        done += here;
    }
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

INLINE void combine_some(int V, int units, const float *w, long unit, long step, int terms, const float *x, long apart,
                         float *result) {
    for (int n = 0; n < units; n += UNITS) {
        pair sums[UNITS];
        start(UNITS, V, NULL, sums);
        float_products(V, w + n * unit, unit, step, terms, (const lanes *)x, apart / LANES, sums);
        for (int u = 0; u < UNITS; u++) memcpy(result + (n + u) * apart, sums[u], V * sizeof(lanes));
    }
}

/* result (units, rows) from x (terms, rows), so many vectors of rows: sums over terms of w[unit, term] x[term, rows]. */
INLINE void combine(int units, const float *w, long unit, long step, int terms, const float *x, long apart, int vectors,
                    float *result) {
    int v = 0;
    for (; v + 1 < vectors; v += 2)
        combine_some(2, units, w, unit, step, terms, x + v * LANES, apart, result + v * LANES);
    if (v < vectors) combine_some(1, units, w, unit, step, terms, x + v * LANES, apart, result + v * LANES);
}

/* Attention's weights of a head: (keys, queries), each `apart` floats from the next. */
INLINE void attend(const float *q, const float *k, int width, long count, long apart, float scale, float *weights) {
    const int vectors = (int)((count + LANES - 1) / LANES);
    combine((int)((count + UNITS - 1) / UNITS * UNITS), k, 1, apart, width, q, apart, vectors, weights);
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
