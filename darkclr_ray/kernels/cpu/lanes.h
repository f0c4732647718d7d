/* Vectors of rows, and sums of products over them.

   A vector holds one feature of 16 rows (8 with AVX2), so that a layer of any width fills it; a weight is spread over it.
   With BFLOAT16 products are of pairs of bfloat16, summed in float32; everything between them is float32. */

#pragma once

#include <immintrin.h>
#include <stdint.h>
#include <string.h>

/* Twice as many sums as UNITS, and what they are made of, fill the registers. */
#if defined(__AVX512F__)
#define LANES 16
#define UNITS 8
#elif defined(__AVX2__) && defined(__FMA__)
#define LANES 8
#define UNITS 4
#else
#error "for vectors of this processor nothing is written"
#endif

#define INLINE static inline __attribute__((always_inline))

typedef float lanes __attribute__((vector_size(4 * LANES)));
typedef uint32_t words __attribute__((vector_size(4 * LANES)));

/* a where the condition holds, else b. */
INLINE lanes where(words condition, lanes a, lanes b) {
    return (lanes)((condition & (words)a) | (~condition & (words)b));
}

/* x where a byte of the mask is -1, 0 where it is 0. */
INLINE lanes masked(const int8_t *mask, lanes x) {
#if LANES == 16
    __m512i wide = _mm512_cvtepi8_epi32(_mm_loadu_si128((const __m128i *)mask));
#else
    __m256i wide = _mm256_cvtepi8_epi32(_mm_loadl_epi64((const __m128i *)mask));
#endif
    return (lanes)((words)x & (words)wide);
}

#ifdef BFLOAT16
#define PER 2            /* features a value */
typedef uint32_t weight; /* as many as a value has features */
typedef uint16_t number; /* one of them */
typedef words value;

INLINE value pack(lanes even, lanes odd) {
    const __m512i in_turn = _mm512_set_epi16(31, 15, 30, 14, 29, 13, 28, 12, 27, 11, 26, 10, 25, 9, 24, 8, 23, 7, 22, 6,
                                             21, 5, 20, 4, 19, 3, 18, 2, 17, 1, 16, 0);
    __m512bh both = _mm512_cvtne2ps_pbh((__m512)odd, (__m512)even);
    return (value)_mm512_permutexvar_epi16(in_turn, (__m512i)both);
}

INLINE void store_rounded(number *place, lanes x) {
    __m256bh some = _mm512_cvtneps_pbh((__m512)x);
    memcpy(place, &some, sizeof some);
}

INLINE lanes add_product(lanes sum, weight w, value x) {
    return (lanes)_mm512_dpbf16_ps((__m512)sum, (__m512bh)_mm512_set1_epi32((int)w), (__m512bh)x);
}
#else
#define PER 1
typedef float weight;
typedef float number;
typedef lanes value;

INLINE void store_rounded(number *place, lanes x) { memcpy(place, &x, sizeof x); }
INLINE lanes add_product(lanes sum, weight w, value x) { return sum + w * x; }
#endif

/* Adds to UNITS sums of V vectors each. Weights are `unit` apart from sum to sum and `step` from term to term; vectors are
   `next` apart from term to term. */
INLINE void products(int V, const weight *w, long unit, long step, int terms, const value *x, long next, lanes (*sums)[2]) {
    lanes s[UNITS][2];
#pragma GCC unroll 8
    for (int u = 0; u < UNITS; u++)
#pragma GCC unroll 2
        for (int v = 0; v < V; v++) s[u][v] = sums[u][v];
    for (int k = 0; k < terms; k++)
#pragma GCC unroll 8
        for (int u = 0; u < UNITS; u++)
#pragma GCC unroll 2
            for (int v = 0; v < V; v++) s[u][v] = add_product(s[u][v], w[u * unit + k * step], x[k * next + v]);
#pragma GCC unroll 8
    for (int u = 0; u < UNITS; u++)
#pragma GCC unroll 2
        for (int v = 0; v < V; v++) sums[u][v] = s[u][v];
}

/* `units` features of V vectors, from feature n on, as products take them. */
INLINE void put(int units, int V, value *x, int n, lanes (*features)[2]) {
#if PER == 2
    for (int u = 0; u < units; u += 2)
        for (int v = 0; v < V; v++) x[(n + u) / 2 * V + v] = pack(features[u][v], features[u + 1][v]);
#else
    for (int u = 0; u < units; u++)
        for (int v = 0; v < V; v++) x[(n + u) * V + v] = features[u][v];
#endif
}

INLINE void start(int units, int V, const float *from, lanes (*sums)[2]) {
    for (int u = 0; u < units; u++)
        for (int v = 0; v < V; v++) sums[u][v] = (lanes){0} + (from ? from[u] : 0.0f);
}
