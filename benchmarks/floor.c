/* The benchmark's task by hand, on one core: a floor for the time that any library can reach.

   24 features, 4 linear units, a logistic output; mean negative log-likelihood; plain gradient
   descent on batches, in a fresh order of the rows each epoch. benchmark.py compiles it. */

#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { FEATURES = 24, UNITS = 4, ROWS_AHEAD = 16 };
static const float LEARNING_RATE = 1e-4f;

typedef struct {
    float kernel[UNITS][FEATURES], bias[UNITS], out_kernel[UNITS], out_bias;
} Network;

/* Fisher and Yates's shuffle; the generator is Knuth's MMIX, of which the upper half is used. */
static void shuffle(int *order, int rows, uint64_t *state) {
    for (int last = rows - 1; last > 0; last--) {
        *state = *state * 6364136223846793005u + 1442695040888963407u;
        int other = ((*state >> 32) * (uint64_t)(last + 1)) >> 32;
        int kept = order[last];
        order[last] = order[other];
        order[other] = kept;
    }
}

/* Takes one step; returns the sum of the rows' losses from before it. z is scratch, [size]. */
static float step(Network *net, int size, const float (*x)[FEATURES], const float *y, float *z,
                  float (*latent)[UNITS]) {
    for (int i = 0; i < size; i++)
        for (int u = 0; u < UNITS; u++) {
            float sum = net->bias[u];
            for (int f = 0; f < FEATURES; f++) sum += x[i][f] * net->kernel[u][f];
            latent[i][u] = sum;
        }
    for (int i = 0; i < size; i++) {
        z[i] = net->out_bias;
        for (int u = 0; u < UNITS; u++) z[i] += latent[i][u] * net->out_kernel[u];
    }
    float loss = 0;
    for (int i = 0; i < size; i++) {
        float e = expf(-fabsf(z[i]));
        loss += fmaxf(z[i], 0) - y[i] * z[i] + logf(1 + e);
        /* From here on z is the loss's derivative in it. */
        z[i] = ((z[i] >= 0 ? 1 : e) / (1 + e) - y[i]) / size;
    }
    Network slope = {0};
    for (int i = 0; i < size; i++) {
        slope.out_bias += z[i];
        for (int u = 0; u < UNITS; u++) slope.out_kernel[u] += z[i] * latent[i][u];
        for (int u = 0; u < UNITS; u++) {
            float back = z[i] * net->out_kernel[u];
            for (int f = 0; f < FEATURES; f++) slope.kernel[u][f] += back * x[i][f];
        }
    }
    for (int u = 0; u < UNITS; u++) slope.bias[u] = slope.out_bias * net->out_kernel[u];
    float *weight = (float *)net;
    const float *gradient = (const float *)&slope;
    for (size_t w = 0; w < sizeof *net / sizeof *weight; w++)
        weight[w] -= LEARNING_RATE * gradient[w];
    return loss;
}

/* Trains the network; returns the mean loss of a row in the last epoch. `rows` is a multiple of
   `size`, the number of rows in a batch. */
float train(Network *net, const float (*features)[FEATURES], const float *labels, int rows,
            int size, int epochs) {
    int *order = malloc(rows * sizeof *order);
    float (*x)[FEATURES] = malloc(size * sizeof *x), (*latent)[UNITS] = malloc(size * sizeof *latent);
    float *y = malloc(size * sizeof *y), *z = malloc(size * sizeof *z);
    uint64_t state = 1;
    float loss = 0;
    for (int row = 0; row < rows; row++) order[row] = row;
    for (int epoch = 0; epoch < epochs; epoch++) {
        shuffle(order, rows, &state);
        loss = 0;
        for (int start = 0; start < rows; start += size) {
            for (int i = 0; i < size; i++) {
                int row = order[start + i];
                if (start + i + ROWS_AHEAD < rows)
                    __builtin_prefetch(features[order[start + i + ROWS_AHEAD]]);
                memcpy(x[i], features[row], sizeof x[i]);
                y[i] = labels[row];
            }
            loss += step(net, size, x, y, z, latent);
        }
    }
    free(order), free(x), free(latent), free(y), free(z);
    return loss / rows;
}
