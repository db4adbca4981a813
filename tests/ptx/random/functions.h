/* What generated programs call of C's library: its names, which nvcc has for the GPU too. */
#ifndef RANDOM_FUNCTIONS_H
#define RANDOM_FUNCTIONS_H

#define FLOOR_f32 floorf
#define FLOOR_f64 floor
#define CEIL_f32 ceilf
#define CEIL_f64 ceil
#define TRUNC_f32 truncf
#define TRUNC_f64 trunc
#define FMA_f32 fmaf
#define FMA_f64 fma
#define ABS_f32 fabsf
#define ABS_f64 fabs
#define COPY(to, from) memcpy(&(to), &(from), sizeof(to))

#endif
