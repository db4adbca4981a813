/* The targets that .target may name, and the PTX version that each came with (PTX ISA, "Release Notes"; ptxas says the same). */
#include <stdlib.h>
#include <string.h>

#include "parser.h"

static const struct {
    uint16_t sm, version, of_architecture, of_family; /* versions x 10: of sm_N, of sm_Na and of sm_Nf; 0: there is none */
} targets[] = {
    {10, 10, 0, 0},    {11, 10, 0, 0},   {12, 12, 0, 0},    {13, 12, 0, 0},     {20, 20, 0, 0},     {21, 20, 0, 0},     {30, 30, 0, 0},     {32, 40, 0, 0},     {35, 31, 0, 0},    {37, 41, 0, 0},
    {50, 40, 0, 0},    {52, 41, 0, 0},   {53, 42, 0, 0},    {60, 50, 0, 0},     {61, 50, 0, 0},     {62, 50, 0, 0},     {70, 60, 0, 0},     {72, 61, 0, 0},     {75, 63, 0, 0},    {80, 70, 0, 0},
    {86, 71, 0, 0},    {87, 74, 0, 0},   {88, 88, 0, 0},    {89, 78, 0, 0},     {90, 78, 80, 0},    {100, 86, 86, 88},  {101, 86, 86, 88},  {103, 88, 88, 88},  {110, 90, 90, 90}, {120, 87, 87, 88},
    {121, 88, 88, 88},
};

unsigned target_version(const char *number) {
    char *end;
    const unsigned long sm = strtoul(number, &end, 10);
    for (size_t i = 0; i < sizeof targets / sizeof targets[0]; i++)
        if (targets[i].sm == sm) return !*end ? targets[i].version : strcmp(end, "a") == 0 ? targets[i].of_architecture : strcmp(end, "f") == 0 ? targets[i].of_family : 0;
    return 0;
}

/* Of 9.1 to 9.9 those that do not exist yet will. */
bool version_exists(unsigned version) {
    static const uint8_t last[] = {[1] = 5, [2] = 3, [3] = 2, [4] = 3, [5] = 1, [6] = 5, [7] = 8, [8] = 8, [9] = 9};
    return version / 10 >= 1 && version / 10 < sizeof last && version % 10 <= last[version / 10];
}
