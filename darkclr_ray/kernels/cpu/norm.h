/* Layer norm over the features of a tile. */

#pragma once

#include "tiles.h"

#include <math.h>

INLINE void moments(const pair *x, int d, float eps, lanes *mean, lanes *inverse) {
    for (int v = 0; v < 2; v++) {
        lanes total = {0}, squares = {0};
        for (int f = 0; f < d; f++) total += x[f][v];
        mean[v] = total / (float)d;
        for (int f = 0; f < d; f++) squares += (x[f][v] - mean[v]) * (x[f][v] - mean[v]);
        squares = squares / (float)d + eps;
        for (int i = 0; i < LANES; i++) inverse[v][i] = 1.0f / sqrtf(squares[i]);
    }
}

/* `vectors`: weight (d,) and bias (d,). */
INLINE void norm(const pair *x, int d, float eps, const float *vectors, pair *result) {
    lanes mean[2], inverse[2];
    moments(x, d, eps, mean, inverse);
    for (int f = 0; f < d; f++)
        for (int v = 0; v < 2; v++) result[f][v] = (x[f][v] - mean[v]) * inverse[v] * vectors[f] + vectors[d + f];
}

/* From the gradient of the result to that of x, in place; sums for weight and bias. */
INLINE void norm_backward(const pair *x, int d, float eps, const float *vectors, pair *gradient, float *of_vectors) {
    lanes mean[2], inverse[2], first[2] = {{0}, {0}}, second[2] = {{0}, {0}};
    moments(x, d, eps, mean, inverse);
    for (int f = 0; f < d; f++) {
        pair by_weight;
        for (int v = 0; v < 2; v++) {
            lanes normed = (x[f][v] - mean[v]) * inverse[v];
            by_weight[v] = gradient[f][v] * normed;
            first[v] += gradient[f][v] * vectors[f];
            second[v] += by_weight[v] * vectors[f];
        }
        of_vectors[f] += sum(by_weight);
        of_vectors[d + f] += sum(gradient[f]);
    }
    for (int f = 0; f < d; f++)
        for (int v = 0; v < 2; v++) {
            lanes normed = (x[f][v] - mean[v]) * inverse[v];
            gradient[f][v] = (gradient[f][v] * vectors[f] - (first[v] + normed * second[v]) / (float)d) * inverse[v];
        }
}
