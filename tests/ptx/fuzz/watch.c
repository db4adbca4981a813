/* The limit on one input's time, in time of the processor: a fuzzer's own limit is of the clock on the wall, which goes on
 * while a busy machine or whoever stops the process runs something else. */
#include <signal.h>
#include <stdlib.h>
#include <sys/time.h>
#include <unistd.h>

#include "target.h"

enum { SECONDS = 10 };

static void too_long(int number) {
    static const char text[] = "ERROR: this input took 10 s of the processor's time\n";
    (void)number;
    (void)!write(2, text, sizeof text - 1);
    abort(); /* with the stack of what runs, and with libFuzzer the input is kept */
}

void watch(bool on) {
    static bool ready;
    if (!ready) ready = signal(SIGPROF, too_long) != SIG_ERR;
    setitimer(ITIMER_PROF, &(struct itimerval){.it_value = {.tv_sec = on ? SECONDS : 0}}, NULL);
}
