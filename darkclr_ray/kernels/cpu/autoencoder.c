/* An autoencoder on a CPU: energies, their gradients by rows, and whole Langevin chains.

   A step of a chain is some twenty small matrix products. Called one by one they take longer to start than to compute,
   and what lies between them goes through memory. Rows do not see each other: a block of them goes through all layers,
   and all steps of a chain, in one core's cache. Widths are padded to a multiple of `padding`, with zeros. */

#include "multiply.h"

#include <omp.h>

typedef struct {
    int layers;
    const int *widths;      /* (layers + 1,), padded */
    const weight *forward;  /* layer after layer (out, in) */
    const weight *backward; /* layer after layer (in, out) */
    const float *biases;    /* layer after layer (out,) */
    const float *slopes;    /* (layers,): of the activation after a layer, for negative values; 1: none */
} network;

typedef struct {
    lanes *z, *residual;
    lanes *hidden;   /* what enters activations; layer after layer */
    lanes *previous; /* z before the last step of a chain */
    value *x, *next;
} workspace;

INLINE void swap(workspace *own) {
    value *x = own->x;
    own->x = own->next;
    own->next = x;
}

/* Squared errors of own->z, V vectors; and their gradient, if asked, in place of own->residual. */
INLINE void energies(int V, const network *net, workspace *own, lanes *values, int gradient) {
    lanes sums[OUTPUTS][2];
    const int last = net->layers - 1;
    const weight *w = net->forward;
    const float *bias = net->biases;
    lanes *hidden = own->hidden;
    for (int n = 0; n < net->widths[0]; n += OUTPUTS) {
        for (int u = 0; u < OUTPUTS; u++)
            for (int v = 0; v < V; v++) sums[u][v] = own->z[(n + u) * V + v];
        put(OUTPUTS, V, own->x, n, sums);
    }
    for (int v = 0; v < V; v++) values[v] = (lanes){0};
    for (int l = 0; l <= last; l++) {
        const int inputs = net->widths[l], units = net->widths[l + 1];
        for (int n = 0; n < units; n += OUTPUTS) {
            start(OUTPUTS, V, bias + n, sums);
            multiply_layer(V, w + (size_t)n * inputs / PER, inputs, own->x, sums);
            for (int u = 0; u < OUTPUTS; u++)
                for (int v = 0; v < V; v++) {
                    const int place = (n + u) * V + v;
                    if (l == last) {
                        lanes rest = own->z[place] - sums[u][v];
                        values[v] += rest * rest;
                        own->residual[place] = sums[u][v] = rest;
                    } else {
                        lanes h = hidden[place] = sums[u][v];
                        sums[u][v] = where((words)(h > 0), h, net->slopes[l] * h);
                    }
                }
            put(OUTPUTS, V, own->next, n, sums);
        }
        swap(own);
        w += (size_t)units * inputs / PER;
        bias += units;
        if (l < last) hidden += units * V;
    }
    if (!gradient) return;
    w = net->backward;
    for (int l = 0; l <= last; l++) w += (size_t)net->widths[l] * (net->widths[l + 1] / PER);
    for (int l = last; l >= 0; l--) {
        const int inputs = net->widths[l + 1], units = net->widths[l];
        w -= (size_t)units * inputs / PER;
        const lanes slope = (lanes){0} + (l > 0 ? net->slopes[l - 1] : 1);
        if (l > 0) hidden -= units * V;
        for (int n = 0; n < units; n += OUTPUTS) {
            start(OUTPUTS, V, NULL, sums);
            multiply_layer(V, w + (size_t)n * inputs / PER, inputs, own->x, sums);
            for (int u = 0; u < OUTPUTS; u++)
                for (int v = 0; v < V; v++) {
                    const int place = (n + u) * V + v;
                    if (l == 0)
                        own->residual[place] = 2 * (own->residual[place] - sums[u][v]);
                    else
                        sums[u][v] = where((words)(hidden[place] > 0), sums[u][v], slope * sums[u][v]);
                }
            if (l > 0) put(OUTPUTS, V, own->next, n, sums);
        }
        swap(own);
    }
}

INLINE words rotated(words x, int by) { return x << by | x >> (32 - by); }

/* xoshiro128++ (Blackman, Vigna 2019), one for each chain. */
INLINE words random_words(words *s) {
    words result = rotated(s[0] + s[3], 7) + s[0], t = s[1] << 9;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = rotated(s[3], 11);
    return result;
}

static uint64_t splitmix(uint64_t *state) {
    uint64_t x = *state += 0x9e3779b97f4a7c15u;
    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
    x = (x ^ x >> 27) * 0x94d049bb133111ebu;
    return x ^ x >> 31;
}

/* The generators of the chains from number `first` on: each depends on seed and number alone. */
INLINE void seed_words(int V, uint64_t seed, long first, words (*s)[4]) {
    for (int v = 0; v < V; v++)
        for (int i = 0; i < LANES; i++) {
            uint64_t state = (uint64_t)(first + v * LANES + i);
            state = seed ^ splitmix(&state);
            for (int half = 0; half < 2; half++) {
                uint64_t x = splitmix(&state);
                s[v][2 * half][i] = (uint32_t)x;
                s[v][2 * half + 1][i] = (uint32_t)(x >> 32);
            }
        }
}

INLINE lanes normal(words places, const float *quantiles) {
    lanes result;
    for (int i = 0; i < LANES; i++) result[i] = quantiles[places[i]];
    return result;
}

/* z <- z - step_size gradient + noise eps, with two normal numbers from each random word; the sum of eps^2, if asked. */
INLINE void move(int V, int d_z, workspace *own, float step_size, float noise, const float *quantiles, words (*s)[4],
                 lanes *squares) {
    for (int v = 0; v < V; v++) {
        lanes total = {0};
        for (int d = 0; d < d_z; d += 2) {
            words random = random_words(s[v]);
            for (int half = 0; half < 2 && d + half < d_z; half++) {
                const int place = (d + half) * V + v;
                lanes eps = normal(half ? random >> 16 : random & 0xffff, quantiles);
                own->z[place] += noise * eps - step_size * own->residual[place];
                total += eps * eps;
            }
        }
        if (squares) squares[v] = total;
    }
}

/* `units` columns of rows, each `stride` long, to vectors and back. */
INLINE void gather(int V, const float *rows, long there, int stride, int units, lanes *z) {
    for (int v = 0; v < V; v++)
        for (int i = 0; i < LANES && v * LANES + i < there; i++)
            for (int d = 0; d < units; d++) z[d * V + v][i] = rows[(v * LANES + i) * (long)stride + d];
}

INLINE void scatter(int V, float *rows, long there, int stride, int units, const lanes *z) {
    for (int v = 0; v < V; v++)
        for (int i = 0; i < LANES && v * LANES + i < there; i++)
            for (int d = 0; d < units; d++) rows[(v * LANES + i) * (long)stride + d] = z[d * V + v][i];
}

typedef struct {
    network net;
    int widest, all;  /* of the widths, and their sum */
    const int *sizes; /* (layers + 1,): widths without padding */
    float *z;         /* (rows, d_z) */
    float *values;    /* (rows,), or NULL: chains */
    float *gradient;  /* (rows, d_z), or NULL */
    long rows;
    int steps;
    float step_size, noise;
    uint64_t seed;
    const float *quantiles; /* (65536,) */
    float *last;            /* (4, rows): of a chain's last step, see `chains` */
} job;

/* All steps of the chains in own->z. What is told of the last: the energy before and after it, and the squared lengths of
   its eps and of the noise that would take it back. */
INLINE void chains(int V, const job *j, long first, workspace *own) {
    words s[2][4];
    const int d_z = j->sizes[0];
    enum { BEFORE, AFTER, NOISE, BACK };
    lanes told[4][2], values[2];
    seed_words(V, j->seed, first, s);
    for (int step = 0;; step++) {
        energies(V, &j->net, own, values, 1);
        if (step == j->steps) break;
        if (step < j->steps - 1) {
            move(V, d_z, own, j->step_size, j->noise, j->quantiles, s, NULL);
            continue;
        }
        memcpy(told[BEFORE], values, sizeof values);
        memcpy(own->previous, own->z, sizeof(lanes) * V * d_z);
        move(V, d_z, own, j->step_size, j->noise, j->quantiles, s, told[NOISE]);
    }
    for (int v = 0; v < V; v++) {
        told[AFTER][v] = values[v];
        told[BACK][v] = (lanes){0};
        for (int place = v; place < d_z * V; place += V) {
            lanes back = own->previous[place] - own->z[place] + j->step_size * own->residual[place];
            told[BACK][v] += back * back;
        }
    }
    for (int what = 0; what < 4; what++)
        for (long i = 0; i < V * LANES && first + i < j->rows; i++)
            j->last[what * j->rows + first + i] = told[what][i / LANES][i % LANES];
}

INLINE void block(int V, const job *j, long first, workspace own) {
    lanes values[2];
    const long there = j->rows - first;
    const int d_z = j->sizes[0];
    float *rows = j->z + first * d_z;
    memset(own.z, 0, sizeof(lanes) * V * j->net.widths[0]);
    gather(V, rows, there, d_z, d_z, own.z);
    if (j->values) {
        energies(V, &j->net, &own, values, j->gradient != NULL);
        for (int i = 0; i < V * LANES && i < there; i++) j->values[first + i] = values[i / LANES][i % LANES];
        if (j->gradient) scatter(V, j->gradient + first * d_z, there, d_z, d_z, own.residual);
        return;
    }
    chains(V, j, first, &own);
    scatter(V, rows, there, d_z, d_z, own.z);
}

static void two(const job *j, long first, workspace own) { block(2, j, first, own); }
static void one(const job *j, long first, workspace own) { block(1, j, first, own); }

/* Each thread has memory for 2 (5 widest + all) vectors. */
void run(const job *j, void *memory, int threads) {
    /* fewer rows at a time where not all threads would have some */
    const int V = (j->rows + TILE - 1) / TILE < threads && OUTPUTS == UNITS ? 1 : 2;
    const long wide = 2 * j->widest, size = 5 * wide + 2 * j->all;
#pragma omp parallel num_threads(threads)
    {
        lanes *m = (lanes *)memory + size * omp_get_thread_num();
        workspace own = {.z = m, .residual = m + wide, .x = (value *)(m + 2 * wide), .next = (value *)(m + 3 * wide),
                         .previous = m + 4 * wide, .hidden = m + 5 * wide};
        begin_multiplying();
#pragma omp for schedule(dynamic)
        for (long first = 0; first < j->rows; first += V * LANES) (V == 2 ? two : one)(j, first, own);
        end_multiplying();
    }
}

/* Of widths. */
int padding(void) { return OUTPUTS > LANES ? OUTPUTS : LANES; }

/* LANES rows of a layer's weights from n on, as many columns from k on, with zeros where there are none. */
INLINE void load_weights(const float *weights, int out, int in, int n, int k, lanes *m) {
    const int there = in - k < LANES ? in - k : LANES;
    for (int u = 0; u < LANES; u++) {
        m[u] = (lanes){0};
        if (n + u < out && there > 0) memcpy(&m[u], weights + (long)(n + u) * in + k, there * sizeof(float));
    }
}

/* Parameters of all layers as `network` has them; what pads biases has to be zero already. */
void prepare(int layers, const int *sizes, const int *widths, const float *const *weights, const float *const *biases,
             const float *const *slopes, number *forward, number *backward, float *all_biases, float *all_slopes,
             int threads) {
#pragma omp parallel num_threads(threads) firstprivate(forward, backward, all_biases)
    for (int l = 0; l < layers; l++) {
        const int in = sizes[l], out = sizes[l + 1], wide = widths[l], high = widths[l + 1];
#pragma omp for schedule(static) nowait
        for (int n = 0; n < high; n += LANES)
            for (int k = 0; k < wide; k += LANES) {
                lanes m[LANES];
                load_weights(weights[l], out, in, n, k, m);
                for (int u = 0; u < LANES; u++) store_rounded(forward + (long)(n + u) * wide + k, m[u]);
                transpose(m);
                for (int i = 0; i < LANES; i++) store_rounded(backward + (long)(k + i) * high + n, m[i]);
            }
#pragma omp single nowait
        {
            memcpy(all_biases, biases[l], out * sizeof(float));
            all_slopes[l] = *slopes[l];
        }
        forward += (long)high * wide;
        backward += (long)high * wide;
        all_biases += high;
    }
}
