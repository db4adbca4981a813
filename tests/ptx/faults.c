/* Faults: what a kernel does wrong stops it with the right kind and a message that names it; what a module has wrong is
 * refused with a line. argv: folder of the .ptx files. */
#include <time.h>

#include "device.h"

static struct program p;
static struct ptx_fault fault;

static void expect_fault(const char *kernel, unsigned threads, enum ptx_fault_kind kind, const char *words, const void *const *arguments) {
    memset(&fault, 0, sizeof fault);
    enum ptx_fault_kind got = launch_raw(&p, kernel, D3(2, 1, 1), D3(threads, 1, 1), 0, false, &fault, arguments);
    if (got != kind) die("%s: fault %d, not %d: %s", kernel, got, kind, fault.message);
    if (!strstr(fault.message, words) || !strstr(fault.message, kernel) || strcmp(fault.kernel, kernel) != 0) die("%s: the message lacks '%s': %s", kernel, words, fault.message);
    if (fault.line == 0) die("%s: no line: %s", kernel, fault.message);
    printf("%s\n", fault.message);
}

static void refused(const char *body, enum ptx_status status, const char *words) {
    static char text[65536], log[4096];
    struct ptx_module *module;
    int n = snprintf(text, sizeof text, "%s", body);
    enum ptx_status got = ptx_module_load(text, (size_t)n, NULL, &module, log, sizeof log);
    if (got == PTX_OK) ptx_module_free(module);
    if (got != status) die("status %d, not %d, for:\n%s\n%s", got, status, body, log);
    if (!strstr(log, words) || !strstr(log, "line")) die("the log lacks '%s': %s", words, log);
}

#define HEAD ".version 8.0\n.target sm_80\n.address_size 64\n"
#define KERNEL(body) HEAD ENTRY(body)
#define LATER(body) ".version 9.1\n.target sm_80\n.address_size 64\n" ENTRY(body)
#define ENTRY(body) ".visible .entry k(.param .u64 a) {\n.reg .pred %p<4>; .reg .b16 %h<4>; .reg .b32 %r<8>; .reg .b64 %d<8>; .reg .f32 %f<4>;\n" body "\nret;\n}\n"

static double seconds(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static atomic_int stop;
static void *stopper(void *unused) {
    (void)unused;
    nanosleep(&(struct timespec){0, 50000000}, NULL);
    atomic_store(&stop, 1);
    return NULL;
}

int main(int argc, char **argv) {
    (void)argc;
    char path[512];
    size_t length;
    snprintf(path, sizeof path, "%s/basics.ptx", argv[1]);
    char *text = read_file(path, &length);
    p = program_load(text);
    uint64_t a = device_alloc(64), null = 0;
    int n = 3, far = 16, back = -1, deep = 100000;

    expect_fault("out_of_bounds", 1, PTX_FAULT_ADDRESS, "illegal address", ARGS(&a, &far));
    if (fault.address != a + 64) die("address %llx", (unsigned long long)fault.address);
    if (!strstr(fault.source_file, "basics.cu") || fault.source_line == 0) die("no source line: %s", fault.message);
    expect_fault("out_of_bounds", 1, PTX_FAULT_ADDRESS, "illegal address", ARGS(&a, &back));
    expect_fault("out_of_bounds", 1, PTX_FAULT_ADDRESS, "write 0x0", ARGS(&null, &null));
    expect_fault("misaligned", 1, PTX_FAULT_MISALIGNED, "misaligned address", ARGS(&a));
    expect_fault("failing_assert", 32, PTX_FAULT_ASSERT, "threadIdx.x < n", ARGS(&n));
    if (fault.thread[0] != 3) die("thread %u", fault.thread[0]);
    if (!device.printed || !strstr(device.printed, "Assertion `threadIdx.x < n` failed.")) die("assert printed nothing");
    expect_fault("overflow", 1, PTX_FAULT_STACK, "stack overflow", ARGS(&a, &deep));
    expect_fault("traps", 32, PTX_FAULT_TRAP, "thread (5,0,0)", NULL);

    struct ptx_launch launch = {.grid = {4, 1, 1}, .block = {64, 1, 1}, .params = &a, .param_bytes = 8, .workers = 2, .memory = &device_memory, .stop = &stop};
    pthread_t thread;
    memset(host_of(a), 0, 64);
    double before = seconds();
    pthread_create(&thread, NULL, stopper, NULL);
    if (ptx_launch(p.instance, program_kernel(&p, "forever"), &launch, &fault) != PTX_FAULT_STOPPED) die("not stopped: %s", fault.message);
    pthread_join(thread, NULL);
    printf("stopped after %.0f ms\n", (seconds() - before) * 1000);
    if (seconds() - before > 10) die("stopped too late");
    launch.stop = NULL;
    launch.param_bytes = 4;
    if (ptx_launch(p.instance, program_kernel(&p, "forever"), &launch, &fault) != PTX_FAULT_LAUNCH) die("too few parameters were taken");
    launch.param_bytes = 8;
    launch.block[0] = 2000;
    if (ptx_launch(p.instance, program_kernel(&p, "forever"), &launch, &fault) != PTX_FAULT_LAUNCH) die("2000 threads were taken");
    program_free(&p);
    free(text);

    /* A barrier that some threads never reach: those that wait, wait for ever. */
    p = program_load(KERNEL("mov.u32 %r1, %tid.x; and.b32 %r1, %r1, 64; setp.ne.u32 %p1, %r1, 0;\n@%p1 bar.sync 0, 128;\n@!%p1 bar.sync 1, 128;"));
    expect_fault("k", 128, PTX_FAULT_DEADLOCK, "wait for ever at barrier", ARGS(&a));
    program_free(&p);
    p = program_load(KERNEL("mov.u32 %r1, %laneid; setp.lt.u32 %p1, %r1, 16;\n@%p1 bra A;\nshfl.sync.idx.b32 %r2, %r1, 0, 31, -1;\nbra B;\nA: vote.sync.any.pred %p2, %p1, -1;\nB:"));
    expect_fault("k", 32, PTX_FAULT_DEADLOCK, "wait for ever", ARGS(&a));
    program_free(&p);
    p = program_load(KERNEL("mov.u64 %d1, 4096;\nproto: .callprototype ()_();\n{ .param .b64 x; call %d1, (), proto; }"));
    expect_fault("k", 32, PTX_FAULT_CALL, "no function", ARGS(&a));
    program_free(&p);
    p = program_load(KERNEL("brkpt;"));
    expect_fault("k", 32, PTX_FAULT_TRAP, "trap", ARGS(&a));
    program_free(&p);
    p = program_load(KERNEL("t: .branchtargets L, L;\nmov.u32 %r1, %tid.x;\nbrx.idx %r1, t;\nL:"));
    expect_fault("k", 32, PTX_FAULT_BRANCH, "beyond its table", ARGS(&a));
    program_free(&p);
    p = program_load(HEAD ".shared .b32 s[4];\n.visible .entry k() {\n.reg .b32 %r<3>;\nmov.u32 %r1, s;\nst.shared.u32 [%r1+16], %r1;\nret;\n}");
    expect_fault("k", 32, PTX_FAULT_ADDRESS, "shared-memory write", NULL);
    program_free(&p);

    refused("", PTX_INVALID, ".version");
    refused("hello", PTX_INVALID, ".version");
    refused(".version 10.0\n.target sm_80\n", PTX_NEWER, "not supported: .version 10.0 (the text is of a later .version than 9.0");
    /* A text of a later version runs as far as it is known, and what is not known may be right. */
    p = program_load(LATER("brkpt;"));
    expect_fault("k", 32, PTX_FAULT_TRAP, "trap", ARGS(&a));
    program_free(&p);
    refused(LATER("frobnicate.u32 %r1, %r2;"), PTX_NEWER, "instruction 'frobnicate.u32' is unknown (the text is of a later .version than 9.0");
    refused(LATER("add.u32 %r1, %r2, %d3;"), PTX_NEWER, "where .u32 is needed (the text is of a later .version");
    refused(LATER("add.u33 %r1, %r2, %r3;"), PTX_UNSUPPORTED, "'add.u33': this form is not known");
    refused(".version 9.3\n.target sm_199\n", PTX_NEWER, "no .target 'sm_199'");
    refused(".version 7.0\n.target sm_80\n.address_size 32\n", PTX_UNSUPPORTED, ".address_size");
    refused(KERNEL("frobnicate.u32 %r1, %r2;"), PTX_INVALID, "line 6: error: instruction 'frobnicate.u32' is unknown");
    refused(KERNEL("add.u33 %r1, %r2, %r3;"), PTX_UNSUPPORTED, "'add.u33': this form is not known");
    refused(KERNEL("add.u32 %r1, %r2;"), PTX_INVALID, "an operand is missing");
    refused(KERNEL("add.u32 %r1, %r2, %r3, %r4;"), PTX_INVALID, "4 operands");
    refused(KERNEL("add.u32 %r1, %r2, %d3;"), PTX_INVALID, "a .b64 register where .u32 is needed");
    refused(KERNEL("add.u32 %r1, %r2, %f3;"), PTX_INVALID, "a .f32 register where .u32 is needed");
    refused(KERNEL("add.f32 %f1, %f2, 1;"), PTX_INVALID, "an integer where a .f32 is needed");
    refused(KERNEL("add.u32 %r1, %r2, %r99;"), PTX_INVALID, "register '%r99' is not declared");
    refused(KERNEL("add.u32 5, %r2, %r1;"), PTX_INVALID, "destination");
    refused(KERNEL("bra NOWHERE;"), PTX_INVALID, "label 'NOWHERE'");
    refused(KERNEL("@%r1 bra X;\nX:"), PTX_INVALID, "no declared predicate");
    refused(KERNEL("ld.global.u32 %r1, [nothing];"), PTX_INVALID, "'nothing' is not declared");
    refused(KERNEL("ld.param.u32 %r1, [a+8];"), PTX_INVALID, "beyond");
    refused(HEAD ".extern .func (.param .b32 r) missing(.param .b32 x);\n.visible .entry k() {\n.param .b32 x; .param .b32 r;\ncall (r), missing, (x);\nret;\n}", PTX_UNRESOLVED, "'missing', used by 'k', is defined nowhere");
    refused(HEAD ".visible .entry k() { ret; }\n.visible .entry k() { ret; }", PTX_INVALID, "'k' is defined twice");
    refused(HEAD ".visible .entry k() {\nret;\n", PTX_INVALID, "ends inside 'k'");
    refused(HEAD ".global .u32 x[2] = {1,2,3};", PTX_INVALID, "more initial values");

    for (size_t i = 0; i < device.count; i++) free(device.list[i].host);
    free(device.printed);
    puts("done");
    return 0;
}
