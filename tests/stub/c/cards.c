/* Several processes on one card: its memory is one, freed frames stay dirty, the dead leave nothing behind. */
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "check.h"

#define FRAME ((size_t)2 << 20)
#define TOTAL ((size_t)64 << 20)

static int ready[2], go[2]; /* pipes: child to parent, parent to child */

static void tell(int fd) { CHECK(write(fd, "x", 1) == 1); }

static void await(int fd) {
  char byte = 0;
  CHECK(read(fd, &byte, 1) == 1);
}

static pid_t child(void (*body)(void)) {
  const pid_t pid = fork();
  CHECK(pid >= 0);
  if (pid == 0) {
    body();
    _exit(0);
  }
  return pid;
}

static void ended_well(pid_t pid) {
  int status = 0;
  CHECK(waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static void hold_memory(void) {
  CUdeviceptr a = 0;
  begin();
  OK(cuMemAlloc_v2(&a, 10 * FRAME));
  OK(cuMemsetD8_v2(a, 0xd1, 10 * FRAME));
  tell(ready[1]);
  await(go[0]); /* killed, or told to end without freeing */
}

static void free_memory_dirty(void) {
  CUdeviceptr a = 0;
  begin();
  CHECK(free_memory() == TOTAL);
  OK(cuMemAlloc_v2(&a, TOTAL));
  OK(cuMemsetD8_v2(a, 0xd2, TOTAL));
  OK(cuMemFree_v2(a));
}

static void see_dirt(void) {
  CUdeviceptr a = 0;
  uint8_t byte = 0;
  begin();
  OK(cuMemAlloc_v2(&a, TOTAL));
  OK(cuMemcpyDtoH_v2(&byte, a + TOTAL / 2 + 123, 1));
  CHECK(byte == 0xd2);
}


static void churn(void) {
  enum { ROUNDS = 2000 };
  CUdeviceptr held[4] = {0};
  begin();
  for (unsigned i = 0; i < ROUNDS; i++) {
    CUdeviceptr *const slot = &held[i % 4];
    if (*slot) {
      unsigned value = 0;
      OK(cuMemcpyDtoH_v2(&value, *slot + FRAME - 4, 4));
      CHECK(value == (unsigned)getpid()); /* nobody else wrote to our frames */
      OK(cuMemFree_v2(*slot));
    }
    OK(cuMemAlloc_v2(slot, FRAME * (1 + i % 2)));
    OK(cuMemsetD32_v2(*slot + FRAME - 4, (unsigned)getpid(), 1));
  }
}

/* Until it is killed, wherever that finds it: also inside the card's lock. */
static void churn_until_killed(void) {
  CUdeviceptr a = 0, b = 0;
  begin();
  tell(ready[1]);
  for (;;) {
    OK(cuMemAlloc_v2(&a, 3 * FRAME));
    OK(cuMemAlloc_v2(&b, FRAME));
    OK(cuMemFree_v2(a));
    OK(cuMemFree_v2(b));
  }
}

static void kill_at_random(void) {
  for (int round = 0; round < 30; round++) {
    pid_t pids[3];
    for (int i = 0; i < 3; i++) pids[i] = child(churn_until_killed);
    for (int i = 0; i < 3; i++) await(ready[0]);
    usleep((useconds_t)(round * 37 % 1000));
    for (int i = 0; i < 3; i++) kill(pids[i], SIGKILL);
    for (int i = 0; i < 3; i++) {
      int status = 0;
      CHECK(waitpid(pids[i], &status, 0) == pids[i] && WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    }
  }
}

int main(void) {
  char number[20];
  const int fd = memfd_create("card", 0);
  CHECK(fd >= 0 && !pipe(ready) && !pipe(go));
  snprintf(number, sizeof number, "%d", fd);
  setenv("RINGFENCE_STUB_CARD_FD", number, 1);
  setenv("RINGFENCE_STUB_MEMORY", "64Mi", 1);

  /* this process looks on from another process, so that it can fork: a child of an initialised one has no GPU */
  const pid_t holder = child(hold_memory);
  await(ready[0]);
  const pid_t second = child(hold_memory);
  await(ready[0]);
  int status = 0;
  CHECK(kill(holder, SIGKILL) == 0);
  /* `holder` is dead, perhaps still a zombie: its frames are free all the same */
  siginfo_t info;
  CHECK(waitid(P_PID, (id_t)holder, &info, WEXITED | WNOWAIT) == 0);
  const pid_t looker = fork();
  if (looker == 0) {
    begin();
    CHECK(free_memory() == TOTAL - 10 * FRAME);
    tell(go[1]); /* `second` ends without freeing */
    for (int i = 0; free_memory() != TOTAL && i < 5000; i++) usleep(1000);
    CHECK(free_memory() == TOTAL);
    _exit(0);
  }
  ended_well(looker);
  CHECK(waitpid(holder, &status, 0) == holder && WIFSIGNALED(status));
  ended_well(second);

  ended_well(child(free_memory_dirty));
  ended_well(child(see_dirt));

  pid_t churners[4];
  for (int i = 0; i < 4; i++) churners[i] = child(churn);
  for (int i = 0; i < 4; i++) ended_well(churners[i]);

  kill_at_random();

  /* another size on the same card is refused, not guessed */
  const pid_t misfit = fork();
  if (misfit == 0) {
    setenv("RINGFENCE_STUB_MEMORY", "128Mi", 1);
    FAILS(OPERATING_SYSTEM, cuInit(0));
    _exit(0);
  }
  ended_well(misfit);

  CUdeviceptr all = 0;
  begin();
  CHECK(free_memory() == TOTAL);
  OK(cuMemAlloc_v2(&all, TOTAL)); /* every frame can be had */
  return 0;
}
