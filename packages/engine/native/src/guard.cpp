// Guarded mappings: see guard.h. The handler takes no lock and allocates nothing.
#include "guard.h"

#include "export.h"

#if !defined(_WIN32)
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

#ifndef MAP_ANONYMOUS
#define MAP_ANONYMOUS MAP_ANON
#endif

namespace {

enum { MOST = 1 << 16 };

// `to` is 0 while the slot is free or changes hands.
struct Slot {
  uintptr_t from, to;
  int64_t faults;
  int32_t next;  // free slots
};
Slot slots[MOST];
int32_t used, free_list = -1;
int64_t total;
uintptr_t page;
struct sigaction before;
enum { UNKNOWN, INSTALLED, REFUSED } state = UNKNOWN;
pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

bool replace_page(uintptr_t address) {
  void *const at = (void *)(address & ~(page - 1));
  return mmap(at, page, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == at;
}

bool handle(uintptr_t address) {
  const int32_t n = __atomic_load_n(&used, __ATOMIC_ACQUIRE);
  for (int32_t i = 0; i < n; i++) {
    if (address >= __atomic_load_n(&slots[i].to, __ATOMIC_ACQUIRE) || address < slots[i].from) continue;
    // Marked first: another thread may read the new page at once.
    __atomic_fetch_add(&slots[i].faults, 1, __ATOMIC_SEQ_CST);
    __atomic_fetch_add(&total, 1, __ATOMIC_SEQ_CST);
    return replace_page(address);
  }
  return false;
}

void on_bus(int signal, siginfo_t *info, void *context) {
  const int error = errno;
  if (handle((uintptr_t)info->si_addr)) {
    errno = error;
    return;
  }
  if (before.sa_flags & SA_SIGINFO) return before.sa_sigaction(signal, info, context);
  if (before.sa_handler != SIG_DFL && before.sa_handler != SIG_IGN) return before.sa_handler(signal);
  // As if there had been no handler: the instruction runs again.
  sigaction(SIGBUS, &before, nullptr);
}

bool install() {
  if (state == UNKNOWN) {
    page = (uintptr_t)sysconf(_SC_PAGESIZE);
    struct sigaction mine = {};
    mine.sa_sigaction = on_bus;
    mine.sa_flags = SA_SIGINFO | SA_ONSTACK;
    sigemptyset(&mine.sa_mask);
    state = sigaction(SIGBUS, &mine, &before) == 0 ? INSTALLED : REFUSED;
  }
  return state == INSTALLED;
}

}  // namespace

EXPORT int32_t ba_guard_add(const void *address, int64_t bytes) {
  pthread_mutex_lock(&lock);
  int32_t i = -1;
  if (bytes > 0 && install()) {
    if (free_list >= 0) {
      i = free_list;
      free_list = slots[i].next;
    } else if (used < MOST) {
      i = used;
    }
  }
  if (i >= 0) {
    slots[i].from = (uintptr_t)address;
    __atomic_store_n(&slots[i].faults, 0, __ATOMIC_RELAXED);
    __atomic_store_n(&slots[i].to, (uintptr_t)address + (uintptr_t)bytes, __ATOMIC_RELEASE);
    if (i == used) __atomic_store_n(&used, i + 1, __ATOMIC_RELEASE);
  }
  pthread_mutex_unlock(&lock);
  return i;
}

EXPORT void ba_guard_remove(int32_t slot) {
  pthread_mutex_lock(&lock);
  if (slot >= 0 && slot < used && slots[slot].to != 0) {
    __atomic_store_n(&slots[slot].to, (uintptr_t)0, __ATOMIC_SEQ_CST);
    slots[slot].next = free_list;
    free_list = slot;
  }
  pthread_mutex_unlock(&lock);
}

EXPORT int64_t ba_guard_faults(int32_t slot) {
  return slot >= 0 && slot < MOST ? __atomic_load_n(&slots[slot].faults, __ATOMIC_SEQ_CST) : 0;
}

EXPORT const int64_t *ba_guard_total(void) { return &total; }

#else
// Windows lets nobody truncate a mapped file.
namespace {
const int64_t total = 0;
}
EXPORT int32_t ba_guard_add(const void *, int64_t) { return -1; }
EXPORT void ba_guard_remove(int32_t) {}
EXPORT int64_t ba_guard_faults(int32_t) { return 0; }
EXPORT const int64_t *ba_guard_total(void) { return &total; }
#endif
