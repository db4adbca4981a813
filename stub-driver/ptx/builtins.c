/*
 * vprintf, malloc, free, __assertfail and cudaGraphSetConditional, lane after lane. vprintf's second argument points to the values, packed as a C
 * structure would be: 4-byte integers, 8-byte integers, doubles and pointers, each aligned to its size.
 */
#include "builtins.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "numeric.h"

enum { TEXT = 4096 };

static u64 argument(struct warp *w, const struct call *call, u32 index, u32 lane) {
    const struct slot *slot = &call->args[index];
    u64 value = 0;
    if (slot->is_reg) {
        const unsigned char *r = ((slot->reg & 3) == BANK_FRAME ? w->frame->rows : w->bank[slot->reg & 3]) + (slot->reg & ~3);
        return slot->row_bytes == 8 ? ((const u64 *)(const void *)r)[lane] : ((const u32 *)(const void *)r)[lane];
    }
    memcpy(&value, w->local + (size_t)lane * w->local_bytes + w->frame->local_base + slot->offset, slot->size < 8 ? slot->size : 8);
    return value;
}

static void result(struct warp *w, const struct call *call, u32 lane, u64 value) {
    if (!call->result_count) return;
    const struct slot *slot = &call->results[0];
    if (slot->is_reg) {
        unsigned char *r = w->frame->rows + (slot->reg & ~3);
        if (slot->row_bytes == 8) ((u64 *)(void *)r)[lane] = value;
        else ((u32 *)(void *)r)[lane] = (u32)value;
    } else {
        memcpy(w->local + (size_t)lane * w->local_bytes + w->frame->local_base + slot->offset, &value, slot->size < 8 ? slot->size : 8);
    }
}

/* A string of the device's; false: not readable (the fault is recorded). Longer ones are cut. */
static bool string_at(struct warp *w, const struct insn *in, u32 lane, u64 address, char *text, size_t size) {
    size_t n = 0;
    for (; n + 1 < size; n++) {
        const unsigned char *p = memory_at(w, in, lane, address + n, 1, true, false);
        if (!p) return false;
        if (!(text[n] = (char)*p)) return true;
    }
    text[n] = 0;
    return true;
}

static bool value_at(struct warp *w, const struct insn *in, u32 lane, u64 *at, u32 size, u64 *value) {
    *at = (*at + size - 1) & ~(u64)(size - 1);
    const unsigned char *p = memory_at(w, in, lane, *at, size, true, false);
    if (!p) return false;
    *value = 0;
    memcpy(value, p, size);
    *at += size;
    return true;
}

static bool print(struct warp *w, const struct insn *in, u32 lane, u64 format_address, u64 values, s32 *count) {
    char format[TEXT], text[TEXT + 1200], piece[1200], spec[40], string[1024];
    size_t n = 0;
    *count = 0;
    if (!string_at(w, in, lane, format_address, format, sizeof format)) return false;
    for (const char *at = format; *at && n < TEXT;) {
        if (*at != '%') {
            text[n++] = *at++;
            continue;
        }
        if (at[1] == '%') {
            text[n++] = '%';
            at += 2;
            continue;
        }
        /* % flags width .precision length conversion; '*' takes an int */
        size_t s = 0;
        spec[s++] = *at++;
        bool is_long = false;
        u64 value;
        while (*at && strchr("-+ #0123456789.*hlLqjzt", *at) && s < 24) {
            if (*at == '*') {
                if (!value_at(w, in, lane, &values, 4, &value)) return false;
                s32 width = (s32)value;
                if (width > 999) width = 999;
                if (width < -999) width = -999;
                s += (size_t)snprintf(spec + s, 8, "%d", width);
                ++*count;
            } else if (strchr("lLqjzt", *at)) {
                is_long = true;
            } else if (*at != 'h') {
                spec[s++] = *at;
            }
            at++;
        }
        /* A width in the format itself is bounded as well. */
        for (size_t k = 1, run = 0; k < s; k++) {
            run = spec[k] >= '0' && spec[k] <= '9' ? run + 1 : 0;
            if (run > 3) s = k;
        }
        char conversion = *at ? *at++ : 0;
        piece[0] = 0;
        if (conversion && strchr("diouxXc", conversion)) {
            if (!value_at(w, in, lane, &values, is_long ? 8 : 4, &value)) return false;
            if (conversion == 'c') {
                spec[s++] = 'c';
                spec[s] = 0;
                snprintf(piece, sizeof piece, spec, (int)value);
            } else {
                spec[s++] = 'l';
                spec[s++] = 'l';
                spec[s++] = conversion;
                spec[s] = 0;
                if (!is_long && (conversion == 'd' || conversion == 'i')) value = (u64)(s64)(s32)value;
                snprintf(piece, sizeof piece, spec, (long long)value);
            }
        } else if (conversion && strchr("fFeEgGaA", conversion)) {
            if (!value_at(w, in, lane, &values, 8, &value)) return false;
            spec[s++] = conversion;
            spec[s] = 0;
            snprintf(piece, sizeof piece, spec, bits_f64(value));
        } else if (conversion == 's') {
            if (!value_at(w, in, lane, &values, 8, &value)) return false;
            if (!string_at(w, in, lane, value, string, sizeof string)) return false;
            spec[s++] = 's';
            spec[s] = 0;
            snprintf(piece, sizeof piece, spec, string);
        } else if (conversion == 'p') {
            if (!value_at(w, in, lane, &values, 8, &value)) return false;
            snprintf(piece, sizeof piece, "0x%llx", (unsigned long long)value);
        } else {
            break;
        }
        ++*count;
        size_t length = strlen(piece);
        memcpy(text + n, piece, length);
        n += length;
    }
    const struct run *run = w->worker->run;
    if (run->launch->print) {
        pthread_mutex_lock(run->lock);
        run->launch->print(run->launch->print_context, text, n);
        pthread_mutex_unlock(run->lock);
    }
    return true;
}

const struct insn *builtin_call(struct warp *w, const struct insn *in) {
    const struct call *call = in->call;
    const struct ptx_memory *memory = w->worker->run->launch->memory;
    EACH_LANE(w, i) {
        switch (call->builtin) {
            case BUILTIN_VPRINTF: {
                s32 count;
                if (!print(w, in, i, argument(w, call, 0, i), argument(w, call, 1, i), &count)) return NULL;
                result(w, call, i, (u32)count);
                break;
            }
            case BUILTIN_SET_CONDITION: {
                const struct ptx_launch *launch = w->worker->run->launch;
                if (launch->set_condition) launch->set_condition(argument(w, call, 0, i), (u32)argument(w, call, 1, i));
                break;
            }
            case BUILTIN_MALLOC: result(w, call, i, memory && memory->allocate ? memory->allocate(memory->context, argument(w, call, 0, i)) : 0); break;
            case BUILTIN_FREE: {
                u64 address = argument(w, call, 0, i);
                if (address && (!memory || !memory->release || !memory->release(memory->context, address))) return warp_fault(w, in, PTX_FAULT_ADDRESS, i, address, "free() of memory that malloc() did not give:");
                if (address) memset(w->worker->spans, 0, sizeof w->worker->spans);
                break;
            }
            case BUILTIN_ASSERT: {
                char what[160], file[200], function[120], text[512];
                if (!string_at(w, in, i, argument(w, call, 0, i), what, sizeof what) || !string_at(w, in, i, argument(w, call, 1, i), file, sizeof file) ||
                    !string_at(w, in, i, argument(w, call, 3, i), function, sizeof function))
                    return NULL;
                const u32 *tid = (const u32 *)(const void *)(w->specials + SR_TID_X * ROW64);
                const u32 *tid_y = (const u32 *)(const void *)(w->specials + SR_TID_Y * ROW64), *tid_z = (const u32 *)(const void *)(w->specials + SR_TID_Z * ROW64);
                int n = snprintf(text, sizeof text, "%s:%u: %s: block: [%u,%u,%u], thread: [%u,%u,%u] Assertion `%s` failed.\n", file, (u32)argument(w, call, 2, i), function,
                                 w->block->index[0], w->block->index[1], w->block->index[2], tid[i], tid_y[i], tid_z[i], what);
                const struct run *run = w->worker->run;
                if (run->launch->complain) {
                    pthread_mutex_lock(run->lock);
                    run->launch->complain(run->launch->print_context, text, (size_t)n < sizeof text ? (size_t)n : sizeof text - 1);
                    pthread_mutex_unlock(run->lock);
                }
                snprintf(text, sizeof text, "assertion `%s` failed in %s (%s)", what, function, file);
                return warp_fault(w, in, PTX_FAULT_ASSERT, i, 0, text);
            }
            default: break;
        }
    }
    return in + 1;
}
