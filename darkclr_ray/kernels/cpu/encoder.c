/* An encoder on a CPU, from the constituents to their sum, forward and backward, on packed jets.

   Rows (constituents) of all jets lie end to end and are cut into tiles. Everything but attention sees a row alone:
   a tile goes from one attention to the next in one core's cache. Attention is within jets, each gathered from its tiles,
   with queries side by side in vectors. Backward takes GROUP tiles at a time, so that the gradients of
   weights, which are products over rows, are read and written less often.

   The first layer's attention is narrow: it sees the constituents themselves, see first_layer.py. */

#include "attention.h"
#include "multiply.h"
#include "norm.h"

#include <omp.h>

#define GROUP 4
#define NUMBERS 4 /* of a constituent: pT, eta, phi and 1 */
#define INPUTS 32 /* what the first products take of them, and zeros: as many as a matrix unit wants */

typedef struct {
    int layers, d, hidden, heads, narrow; /* narrow: features of the first attention, in all heads */
    long rows, jets, longest;
    const int64_t *offsets; /* (jets + 1,) */
    const weight *forward;  /* layer after layer: projection (3 d, d), output (d, d), first (hidden, d), second (d, hidden);
                               of the first layer projection (d + narrow, INPUTS), output (d, narrow) */
    const weight *backward; /* each of them transposed */
    const float *vectors;   /* layer after layer: their biases (the first projection has none), then weight and bias of
                               both layer norms */
    float scale, eps;       /* of what survives a dropout; of layer norms */
    const int8_t *masks;    /* -1 or 0 for each value, the third dropout of a layer `shift` after the second; or NULL */
    long shift;
    const float *given; /* (rows, 3) */
    float *result;      /* (jets, d) */
    int kept;           /* layers that what follows is of; 1 where the way back is not taken */
    pair *x;            /* (tiles, d): rows as they are now */
    value *projected;   /* (kept, tiles, 3 d), in values of PER features; the first layer has less */
    value *mixed;       /* (kept, tiles, d), in such values, too */
    /* for the way back, or NULL */
    pair *totals; /* (2 layers, tiles, d): what enters the layer norms */
    value *fed;   /* (layers, tiles, hidden): between the layers of the feed-forward network */
    /* backward alone */
    const float *of_result; /* (jets, d) */
    value *of_mixed;        /* (tiles, d) */
    value *of_projected;    /* (tiles, 3 d); of the first layer queries alone: its keys and values are the constituents */
    float *of_weights;      /* (threads, as `forward`) */
    float *of_vectors;      /* (threads, as `vectors`) */
} job;

INLINE long tiles_of(const job *j) { return (j->rows + TILE - 1) / TILE; }

/* `scale` times what the mask of a feature lets through. */
INLINE void drop(const job *j, int use, long tile, int feature, int width, pair x) {
    if (!j->masks) return;
    const int8_t *mask = j->masks + use * j->shift + (tile * width + feature) * TILE;
    for (int v = 0; v < 2; v++) x[v] = masked(mask + v * LANES, x[v] * j->scale);
}

/* ---- where a layer's parameters and what is kept of it lie ---- */

/* Features of a layer's attention, in all heads. */
INLINE int across(const job *j, int layer) { return layer ? j->d : j->narrow; }

typedef struct {
    long projection, output, first, second, end;
} weights_of;

INLINE weights_of places(const job *j, int layer) {
    const long d = j->d, feed = 2L * j->hidden * d, narrow = (d + j->narrow) * INPUTS, first = narrow + d * j->narrow;
    const long begin = layer ? first + feed + (layer - 1) * (4 * d * d + feed) : 0;
    const long output = begin + (layer ? 3 * d * d : narrow), past = output + d * across(j, layer);
    return (weights_of){begin, output, past, past + feed / 2, past + feed};
}

typedef struct {
    long projection, output, first, second, norm1, norm2, end;
} vectors_of;

INLINE vectors_of vector_places(const job *j, int layer) {
    const long d = j->d, h = j->hidden, output = layer * (9 * d + h);
    return (vectors_of){output - 3 * d, output, output + d, output + d + h, output + 2 * d + h, output + 4 * d + h,
                        output + 6 * d + h};
}

INLINE const weight *forward_of(const job *j, long place) { return j->forward + place / PER; }

INLINE const weight *backward_of(const job *j, long place) { return j->backward + place / PER; }

INLINE int slot(const job *j, int layer) { return layer % j->kept; }

INLINE pair *total_of(const job *j, int layer, int norm, long tile) {
    return j->totals + ((2 * slot(j, layer) + norm) * tiles_of(j) + tile) * j->d;
}

INLINE value *of_tile(value *x, const job *j, int layer, long tile, long features) {
    return x + (slot(j, layer) * tiles_of(j) + tile) * features / PER * 2;
}

/* ---- what happens to a tile ---- */

/* Copies to what is kept for the way back past the cache, which it will have left by then. */
INLINE void keep(const void *from, size_t bytes, void *kept) {
    for (size_t place = 0; place < bytes; place += sizeof(lanes)) {
        lanes x;
        memcpy(&x, (const char *)from + place, sizeof x);
#if LANES == 16
        _mm512_stream_ps((float *)((char *)kept + place), (__m512)x);
#else
        _mm256_stream_ps((float *)((char *)kept + place), (__m256)x);
#endif
    }
}

/* The numbers of a tile's constituents: rounded as products take them, what is missing, and rounded again. */
INLINE void constituents(const job *j, long tile, pair *numbers) {
    memset(numbers, 0, INPUTS * sizeof *numbers);
    for (long i = 0; i < TILE && tile * TILE + i < j->rows; i++) {
        for (int f = 0; f < 3; f++) ((float *)numbers[f])[i] = j->given[(tile * TILE + i) * 3 + f];
        ((float *)numbers[3])[i] = 1.0f;
    }
    value packed[NUMBERS / PER * 2];
    put(NUMBERS, 2, packed, 0, numbers);
    for (int f = 0; f < NUMBERS; f++)
        for (int v = 0; v < 2; v++) {
            lanes parts[PER];
            unpack(packed[f / PER * 2 + v], parts);
            numbers[NUMBERS + f][v] = numbers[f][v] - parts[f % PER];
            numbers[2 * NUMBERS + f][v] = numbers[f][v] = parts[f % PER];
        }
}

/* A layer's outputs, as products take them. */
INLINE void project(int outputs, const weight *w, const float *bias, int inputs, const value *packed, value *projected) {
    for (int n = 0; n < outputs; n += OUTPUTS) {
        pair sums[OUTPUTS];
        start(OUTPUTS, 2, bias ? bias + n : NULL, sums);
        multiply_layer(2, w + (long)n * inputs / PER, inputs, packed, sums);
        put(OUTPUTS, 2, projected, n, sums);
    }
}

/* To the embedded constituents, in j->x, and the first attention. */
INLINE void embed(const job *j, long tile) {
    const int d = j->d;
    const weight *w = forward_of(j, places(j, 0).projection);
    pair numbers[INPUTS], *x = j->x + tile * d;
    value packed[INPUTS / PER * 2], *projected = of_tile(j->projected, j, 0, tile, 3 * j->narrow);
    constituents(j, tile, numbers);
    pack_all(numbers, INPUTS, packed);
    for (int n = 0; n < d; n += OUTPUTS) {
        start(OUTPUTS, 2, NULL, x + n);
        multiply_layer(2, w + n * INPUTS / PER, INPUTS, packed, x + n);
    }
    project(j->narrow, w + d * INPUTS / PER, NULL, INPUTS, packed, projected);
    memset(projected + j->narrow / PER * 2, 0, 2 * j->narrow / PER * 2 * sizeof(value));
    for (int n = j->narrow; n < 3 * j->narrow; n += j->narrow / j->heads) /* keys and values of each head */
        memcpy(projected + n / PER * 2, packed, 2 * NUMBERS / PER * 2 * sizeof(value));
}

/* From the rows in j->x to a layer's attention. */
INLINE void before_attention(const job *j, int layer, long tile) {
    const int d = j->d;
    value packed[d / PER * 2];
    pack_all(j->x + tile * d, d, packed);
    project(3 * d, forward_of(j, places(j, layer).projection), j->vectors + vector_places(j, layer).projection, d, packed,
            of_tile(j->projected, j, layer, tile, 3 * d));
}

INLINE void after_attention(const job *j, int layer, long tile) {
    const int d = j->d, hidden = j->hidden, mixed = across(j, layer);
    const weights_of w = places(j, layer);
    const vectors_of b = vector_places(j, layer);
    const float *vectors = j->vectors;
    pair *x = j->x + tile * d, sums[OUTPUTS], total[d];
    value packed[d / PER * 2], fed[hidden / PER * 2];
    for (int n = 0; n < d; n += OUTPUTS) {
        start(OUTPUTS, 2, vectors + b.output + n, sums);
        multiply_layer(2, forward_of(j, w.output + (long)n * mixed), mixed, of_tile(j->mixed, j, layer, tile, mixed), sums);
        for (int u = 0; u < OUTPUTS; u++) {
            drop(j, 3 * layer, tile, n + u, d, sums[u]);
            for (int v = 0; v < 2; v++) total[n + u][v] = x[n + u][v] + sums[u][v];
        }
    }
    if (j->totals) keep(total, sizeof total, total_of(j, layer, 0, tile));
    norm(total, d, j->eps, vectors + b.norm1, x);
    pack_all(x, d, packed);
    for (int n = 0; n < hidden; n += OUTPUTS) {
        start(OUTPUTS, 2, vectors + b.first + n, sums);
        multiply_layer(2, forward_of(j, w.first + (long)n * d), d, packed, sums);
        for (int u = 0; u < OUTPUTS; u++) {
            for (int v = 0; v < 2; v++) sums[u][v] = where((words)(sums[u][v] > 0), sums[u][v], (lanes){0});
            drop(j, 3 * layer + 1, tile, n + u, hidden, sums[u]);
        }
        put(OUTPUTS, 2, fed, n, sums);
    }
    if (j->fed) keep(fed, sizeof fed, of_tile(j->fed, j, layer, tile, hidden));
    for (int n = 0; n < d; n += OUTPUTS) {
        start(OUTPUTS, 2, vectors + b.second + n, sums);
        multiply_layer(2, forward_of(j, w.second + (long)n * hidden), hidden, fed, sums);
        for (int u = 0; u < OUTPUTS; u++) {
            drop(j, 3 * layer + 2, tile, n + u, d, sums[u]);
            for (int v = 0; v < 2; v++) total[n + u][v] = x[n + u][v] + sums[u][v];
        }
    }
    if (j->totals) keep(total, sizeof total, total_of(j, layer, 1, tile));
    norm(total, d, j->eps, vectors + b.norm2, x);
}

/* Memory for the gradients of weights: of a layer (out, in) the gradient of what leaves it, as weights, and what enters
   it, as vectors, for each row of a group of tiles. */
typedef struct {
    weight *out;
    value *in;
} signals;

INLINE void add_gradient(const signals *own, int out, int in, int tiles, float *of_weights) {
    const int terms = tiles * DEPTH, most = GROUP * DEPTH, vectors = in / LANES;
    for (int n = 0; n < out; n += OUTPUTS) {
        const weight *w = own->out + (long)n * most;
        float *place = of_weights + (long)n * in;
        for (int k = 0; k < vectors; k += 2) multiply(w, most, terms, own->in + k, vectors, place + k * LANES, in);
    }
}

INLINE signals signals_from(void **memory, int out, int in) {
    signals own = {*memory, (value *)((char *)*memory + (long)out * GROUP * DEPTH * sizeof(weight))};
    *memory = own.in + (long)GROUP * DEPTH * (in / LANES);
    return own;
}

/* From the gradient of a layer's result, in j->x, to that of its rows past the attention, and of what was mixed. */
static void feed_backward(const job *j, int layer, long tile, int place, signals *second, signals *first, signals *output,
                          float *of_vectors) {
    const int d = j->d, hidden = j->hidden, mixed = across(j, layer), most = GROUP * DEPTH;
    const weights_of w = places(j, layer);
    const vectors_of b = vector_places(j, layer);
    const float *vectors = j->vectors;
    pair *gradient = j->x + tile * d, *total = total_of(j, layer, 0, tile), sums[OUTPUTS], own[d];
    value *fed = of_tile(j->fed, j, layer, tile, hidden), packed[d / PER * 2], wide[hidden / PER * 2];

    norm_backward(total_of(j, layer, 1, tile), d, j->eps, vectors + b.norm2, gradient, of_vectors + b.norm2);
    memcpy(own, gradient, sizeof own);
    for (int f = 0; f < d; f++) {
        drop(j, 3 * layer + 2, tile, f, d, own[f]);
        of_vectors[b.second + f] += sum(own[f]);
        over_rows(own[f], second->out + (long)f * most + place * DEPTH);
    }
    pack_all(own, d, packed);
    across_rows_packed(fed, hidden, second->in + (long)place * DEPTH * (hidden / LANES));
    for (int n = 0; n < hidden; n += OUTPUTS) {
        start(OUTPUTS, 2, NULL, sums);
        multiply_layer(2, backward_of(j, w.second + (long)n * d), d, packed, sums);
        for (int u = 0; u < OUTPUTS; u++) {
            for (int v = 0; v < 2; v++) {
                lanes parts[PER];
                unpack(fed[(n + u) / PER * 2 + v], parts);
                sums[u][v] = where((words)(parts[u % PER] > 0), sums[u][v] * j->scale, (lanes){0});
            }
            of_vectors[b.first + n + u] += sum(sums[u]);
            over_rows(sums[u], first->out + (long)(n + u) * most + place * DEPTH);
        }
        put(OUTPUTS, 2, wide, n, sums);
    }
    for (int n = 0; n < d; n += OUTPUTS)
        multiply_layer(2, backward_of(j, w.first + (long)n * hidden), hidden, wide, gradient + n);
    norm(total, d, j->eps, vectors + b.norm1, own);
    across_rows_all(own, d, first->in + (long)place * DEPTH * (d / LANES));

    norm_backward(total, d, j->eps, vectors + b.norm1, gradient, of_vectors + b.norm1);
    memcpy(own, gradient, sizeof own);
    for (int f = 0; f < d; f++) {
        drop(j, 3 * layer, tile, f, d, own[f]);
        of_vectors[b.output + f] += sum(own[f]);
        over_rows(own[f], output->out + (long)f * most + place * DEPTH);
    }
    pack_all(own, d, packed);
    across_rows_packed(of_tile(j->mixed, j, layer, tile, mixed), mixed, output->in + (long)place * DEPTH * (mixed / LANES));
    project(mixed, backward_of(j, w.output), NULL, d, packed, j->of_mixed + tile * mixed / PER * 2);
}

/* The gradient of what a layer projects a tile to, for the gradient of its weights. */
INLINE void projected_backward(const value *of_projected, int features, weight *out, float *of_bias) {
    for (int f = 0; f < features; f += PER) {
        pair both[PER];
        for (int v = 0; v < 2; v++) {
            lanes parts[PER];
            unpack(of_projected[f / PER * 2 + v], parts);
            for (int p = 0; p < PER; p++) both[p][v] = parts[p];
        }
        for (int p = 0; p < PER; p++) {
            if (of_bias) of_bias[f + p] += sum(both[p]);
            over_rows(both[p], out + (long)(f + p) * GROUP * DEPTH);
        }
    }
}

/* Adds to the gradient of a layer's rows, in j->x, what came through its attention. */
static void project_backward(const job *j, int layer, long tile, int place, signals *projection, float *of_vectors) {
    const int d = j->d;
    const weights_of w = places(j, layer);
    pair *gradient = j->x + tile * d, own[d];
    const value *of_projected = j->of_projected + tile * 3 * d / PER * 2;
    of_vectors += vector_places(j, layer).projection;
    projected_backward(of_projected, 3 * d, projection->out + place * DEPTH, of_vectors);
    norm(total_of(j, layer - 1, 1, tile), d, j->eps, j->vectors + vector_places(j, layer - 1).norm2, own);
    across_rows_all(own, d, projection->in + (long)place * DEPTH * (d / LANES));
    for (int n = 0; n < d; n += OUTPUTS)
        multiply_layer(2, backward_of(j, w.projection + (long)n * 3 * d), 3 * d, of_projected, gradient + n);
}

/* The gradients of the embedded constituents, in j->x, and of the first queries. */
static void embed_backward(const job *j, long tile, int place, signals *projection) {
    const int d = j->d, most = GROUP * DEPTH;
    pair numbers[INPUTS];
    for (int f = 0; f < d; f++) over_rows(j->x[tile * d + f], projection->out + (long)f * most + place * DEPTH);
    projected_backward(j->of_projected + tile * j->narrow / PER * 2, j->narrow,
                       projection->out + (long)d * most + place * DEPTH, NULL);
    constituents(j, tile, numbers);
    across_rows_all(numbers, INPUTS, projection->in + (long)place * DEPTH * (INPUTS / LANES));
}

/* ---- what happens to a jet ---- */

/* Rows from one feature of a jet to the next in a thread's memory: whole tiles, with room to write a vector too much. */
INLINE long apart_of(const job *j) { return (j->longest + LANES + TILE - 1) / TILE * TILE; }

static void attention(const job *j, int layer, long jet, float *memory) {
    const int d = across(j, layer), width = d / j->heads;
    const long first = j->offsets[jet], count = j->offsets[jet + 1] - first, apart = apart_of(j);
    const long head_apart = width / PER * apart, next = d / PER * apart;
    float *weights = memory, *mixed = weights + apart * apart;
    weight *projected = (weight *)(mixed + d * apart), *spare = projected + 3 * next;
    const int vectors = (int)((count + LANES - 1) / LANES);
    gather(of_tile(j->projected, j, layer, 0, 3 * d), 3 * d, first, count, projected, apart);
    for (int head = 0; head < j->heads; head++) {
        const weight *q = projected + head * head_apart, *k = q + next, *v = k + next;
        attend(q, k, width, count, apart, 1.0f / sqrtf((float)width), weights);
        pair_rows(weights, count, vectors, apart);
        over_rows_by(v, weights, width, count, apart, spare, mixed + head * width * apart);
    }
    scatter(of_tile(j->mixed, j, layer, 0, d), d, first, count, mixed, apart);
}

static void attention_backward(const job *j, int layer, long jet, float *memory) {
    const int d = across(j, layer), width = d / j->heads;
    const long first = j->offsets[jet], count = j->offsets[jet + 1] - first, apart = apart_of(j);
    const long head_apart = width / PER * apart, next = d / PER * apart;
    float *weights = memory, *of_weights = weights + apart * apart, *turned = of_weights + apart * apart;
    float *of_projected = turned + apart * apart;
    weight *projected = (weight *)(of_projected + 3 * d * apart), *of_mixed = projected + 3 * next, *spare = of_mixed + next;
    const int vectors = (int)((count + LANES - 1) / LANES);
    const float scale = 1.0f / sqrtf((float)width);
    gather(of_tile(j->projected, j, layer, 0, 3 * d), 3 * d, first, count, projected, apart);
    gather(j->of_mixed, d, first, count, of_mixed, apart);
    for (int head = 0; head < j->heads; head++) {
        const weight *q = projected + head * head_apart, *k = q + next, *v = k + next, *of_out = of_mixed + head * head_apart;
        float *of_q = of_projected + head * width * apart, *of_k = of_q + d * apart, *of_v = of_k + d * apart;
        attend(q, k, width, count, apart, scale, weights);
        over_features(v, of_out, width, count, apart, of_weights);
        if (layer) {
            exchanged(weights, turned, vectors, apart);
            pair_rows(turned, count, vectors, apart);
            over_rows_by(of_out, turned, width, count, apart, spare, of_v);
        }
        for (int vector = 0; vector < vectors; vector++) {
            const long step = apart / LANES;
            lanes *w = (lanes *)(weights + vector * LANES), *g = (lanes *)(of_weights + vector * LANES), total = {0};
            for (long i = 0; i < count; i++) total += w[i * step] * g[i * step];
            for (long i = 0; i < count; i++) g[i * step] = w[i * step] * (g[i * step] - total) * scale;
        }
        if (layer) {
            exchanged(of_weights, turned, vectors, apart);
            pair_rows(turned, count, vectors, apart);
            over_rows_by(q, turned, width, count, apart, spare, of_k);
        }
        pair_rows(of_weights, count, vectors, apart);
        over_rows_by(k, of_weights, width, count, apart, spare, of_q);
    }
    scatter(j->of_projected, layer ? 3 * d : d, first, count, of_projected, apart);
}

/* A jet's rows in a tile, one feature after the other; the row behind the last of them. */
INLINE float *part_of(const job *j, long jet, long row, int *count) {
    const long end = j->offsets[jet + 1], in_tile = TILE - row % TILE;
    *count = (int)(end - row < in_tile ? end - row : in_tile);
    return (float *)(j->x + row / TILE * j->d) + row % TILE;
}

/* The sum over a jet's rows, in their order. */
static void pool(const job *j, long jet) {
    float *result = j->result + jet * j->d;
    int count;
    memset(result, 0, j->d * sizeof *result);
    for (long row = j->offsets[jet]; row < j->offsets[jet + 1]; row += count) {
        const float *part = part_of(j, jet, row, &count);
        for (int f = 0; f < j->d; f++) {
            float total = result[f];
            for (int i = 0; i < count; i++) total += part[f * TILE + i];
            result[f] = total;
        }
    }
}

static void pool_backward(const job *j, long jet) {
    const float *gradient = j->of_result + jet * j->d;
    int count;
    for (long row = j->offsets[jet]; row < j->offsets[jet + 1]; row += count) {
        float *part = part_of(j, jet, row, &count);
        for (int f = 0; f < j->d; f++)
            for (int i = 0; i < count; i++) part[f * TILE + i] = gradient[f];
    }
}

/* ---- all layers ---- */

/* Rows of a tile: masks are ordered by tiles. */
int tile_rows(void) { return TILE; }

/* Floats that a thread needs. */
long memory_of(const job *j) {
    const long apart = apart_of(j), d = j->d, hidden = j->hidden;
    const long jet = (7 * d + 3 * apart) * apart;
    const long group = (long)GROUP * TILE * (3 * d + d + d + hidden + hidden + d + d + d);
    return (jet > group ? jet : group) + 64;
}

void forward(const job *j, float *memory, int threads) {
    const long tiles = tiles_of(j), size = memory_of(j);
#pragma omp parallel num_threads(threads)
    {
        float *own = memory + size * omp_get_thread_num();
        begin_multiplying();
#pragma omp for schedule(static)
        for (long tile = 0; tile < tiles; tile++) embed(j, tile);
        for (int layer = 0; layer < j->layers; layer++) {
            const int d = across(j, layer);
#pragma omp single /* rows of no jet */
            memset(of_tile(j->mixed, j, layer, tiles - 1, d), 0, d / PER * 2 * sizeof(value));
#pragma omp for schedule(dynamic, 4)
            for (long jet = 0; jet < j->jets; jet++) attention(j, layer, jet, own);
#pragma omp for schedule(static)
            for (long tile = 0; tile < tiles; tile++) {
                after_attention(j, layer, tile);
                if (layer + 1 < j->layers) before_attention(j, layer + 1, tile);
            }
        }
#pragma omp for schedule(static)
        for (long jet = 0; jet < j->jets; jet++) pool(j, jet);
        _mm_sfence(); /* what was kept is there for all to see */
        end_multiplying();
    }
}

void backward(const job *j, float *memory, int threads) {
    const long tiles = tiles_of(j), size = memory_of(j), groups = (tiles + GROUP - 1) / GROUP;
    const int d = j->d, hidden = j->hidden;
    memset(j->x + (tiles - 1) * d, 0, d * sizeof(pair)); /* rows of no jet */
#pragma omp parallel num_threads(threads)
    {
        const int thread = omp_get_thread_num();
        float *own = memory + size * thread;
        float *of_weights = j->of_weights + thread * places(j, j->layers - 1).end;
        float *of_vectors = j->of_vectors + thread * vector_places(j, j->layers - 1).end;
        begin_multiplying();
#pragma omp for schedule(static)
        for (long jet = 0; jet < j->jets; jet++) pool_backward(j, jet);
        for (int layer = j->layers; layer >= 0; layer--) {
            /* always the same groups to the same thread: sums do not depend on who was faster */
#pragma omp for schedule(static)
            for (long group = 0; group < groups; group++) {
                const int there = (int)(tiles - group * GROUP < GROUP ? tiles - group * GROUP : GROUP);
                void *place = own;
                if (layer == 0) {
                    const int outputs = d + j->narrow;
                    signals projection = signals_from(&place, outputs, INPUTS);
                    for (int i = 0; i < there; i++) embed_backward(j, group * GROUP + i, i, &projection);
                    add_gradient(&projection, outputs, INPUTS, there, of_weights);
                    continue;
                }
                if (layer < j->layers) {
                    signals projection = signals_from(&place, 3 * d, d);
                    for (int i = 0; i < there; i++)
                        project_backward(j, layer, group * GROUP + i, i, &projection, of_vectors);
                    add_gradient(&projection, 3 * d, d, there, of_weights + places(j, layer).projection);
                }
                const int mixed = across(j, layer - 1);
                const weights_of w = places(j, layer - 1);
                place = own;
                signals second = signals_from(&place, d, hidden), first = signals_from(&place, hidden, d);
                signals output = signals_from(&place, d, mixed);
                for (int i = 0; i < there; i++)
                    feed_backward(j, layer - 1, group * GROUP + i, i, &second, &first, &output, of_vectors);
                add_gradient(&second, d, hidden, there, of_weights + w.second);
                add_gradient(&first, hidden, d, there, of_weights + w.first);
                add_gradient(&output, d, mixed, there, of_weights + w.output);
            }
            if (layer > 0) {
                const int features = layer > 1 ? 3 * d : j->narrow;
#pragma omp single /* rows of no jet */
                memset(j->of_projected + (tiles - 1) * features / PER * 2, 0, features / PER * 2 * sizeof(value));
#pragma omp for schedule(dynamic, 4)
                for (long jet = 0; jet < j->jets; jet++) attention_backward(j, layer - 1, jet, own);
            }
        }
        end_multiplying();
    }
}
