// The barrier between graph nodes, for threads that may have to share their cores. Linux only.
//
// ggml's own barrier spins until the last thread arrives. When there are fewer free cores than threads, the one that
// spins may hold the core that the missing one needs, for a whole time slice, hundreds of times per token. This one
// spins for as long as waiting on a quiet machine takes, and then sleeps, which lends the core to the missing thread.
//
// It takes the place of ggml's in one library alone, by the entry through which that library's own calls go
// (ba_barrier_install), and reads the thread pool of the pinned release; ba_barrier_fits says whether a pool looks like it.
#include "barrier.h"

#include "export.h"

#if defined(__linux__) && (defined(__x86_64__) || defined(__aarch64__))
#include <elf.h>
#include <limits.h>
#include <link.h>
#include <linux/futex.h>
#include <pthread.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

namespace {

// The beginning of ggml_threadpool, as far as the barrier needs it, and what identifies it.
struct Pool {
  pthread_mutex_t mutex;
  pthread_cond_t cond;
  void *graph, *plan;
  int32_t n_graph;  // the low half: how many threads work on the graph
  alignas(64) int32_t arrived;
  alignas(64) int32_t passed;
  alignas(64) int32_t chunk;
  bool stop, pause;
  int32_t abort;
  void *workers;
  int32_t threads, priority;
  uint32_t poll;
};
enum { THREADS_MASK = 0xffff };

// Where every thread has a core, nearly all waits are shorter than LONG_NS, most than SHORT_NS; a thread that was taken
// off its core comes back after some 3 ms. PROBE_NS is several times what going to sleep and waking up takes.
const int64_t SHORT_NS = 2000, PROBE_NS = 50000, LONG_NS = 1000000;

// Whether spinning pays for this thread. Every wait that outlasts LONG_NS speaks against it, every one that ends before
// that for it; where enough speaks against it threads go to sleep after SHORT_NS, but for a probe now and then.
struct Habit {
  int32_t against, waits;
};
enum { FAILED = 8, TOO_MANY = 32, MOST = 64, PROBE = 32 };
__thread Habit habit;

// Threads of all pools that sleep, or are about to. Only then does the last one call the kernel.
int32_t sleepers;
int64_t counts[3];  // waits, of these slept, installed

int64_t now_ns() {
  timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * INT64_C(1000000000) + t.tv_nsec;
}

void relax() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#else
  __asm__ volatile("yield" ::: "memory");
#endif
}

bool spin(const int32_t *at, int32_t old, int64_t ns) {
  const int64_t end = now_ns() + ns;
  do {
    for (int i = 0; i < 16; i++) {
      if (__atomic_load_n(at, __ATOMIC_ACQUIRE) != old) return true;
      relax();
    }
  } while (now_ns() < end);
  return false;
}

void sleep_until_changed(int32_t *at, int32_t old) {
  // Whoever came into ggml's own barrier just before it was replaced wakes nobody.
  const timespec limit = {0, 20000000};
  __atomic_fetch_add(&sleepers, 1, __ATOMIC_SEQ_CST);
  while (__atomic_load_n(at, __ATOMIC_SEQ_CST) == old)
    syscall(SYS_futex, at, FUTEX_WAIT_PRIVATE, old, &limit, nullptr, 0);
  __atomic_fetch_sub(&sleepers, 1, __ATOMIC_SEQ_CST);
}

void wait_for_change(int32_t *at, int32_t old) {
  Habit &h = habit;
  __atomic_fetch_add(&counts[0], 1, __ATOMIC_RELAXED);
  if (spin(at, old, SHORT_NS)) return;
  const bool patient = h.against < TOO_MANY, tries = patient || ++h.waits % PROBE == 0;
  if (tries && spin(at, old, patient ? LONG_NS : PROBE_NS)) {
    h.against = h.against > 0 ? h.against - (patient ? 1 : FAILED) : 0;
    return;
  }
  if (tries && h.against < MOST) h.against += FAILED;
  __atomic_fetch_add(&counts[1], 1, __ATOMIC_RELAXED);
  sleep_until_changed(at, old);
}

void barrier(Pool *pool) {
  const int32_t threads = __atomic_load_n(&pool->n_graph, __ATOMIC_RELAXED) & THREADS_MASK;
  if (threads == 1) return;
  const int32_t passed = __atomic_load_n(&pool->passed, __ATOMIC_RELAXED);
  if (__atomic_fetch_add(&pool->arrived, 1, __ATOMIC_SEQ_CST) == threads - 1) {
    __atomic_store_n(&pool->arrived, 0, __ATOMIC_RELAXED);
    __atomic_fetch_add(&pool->passed, 1, __ATOMIC_SEQ_CST);
    if (__atomic_load_n(&sleepers, __ATOMIC_SEQ_CST) > 0)
      syscall(SYS_futex, &pool->passed, FUTEX_WAKE_PRIVATE, INT_MAX, nullptr, nullptr, 0);
    return;
  }
  wait_for_change(&pool->passed, passed);
}

// --- taking its place ----------------------------------------------------------------------------------------------

struct Search {
  uintptr_t inside;
  int32_t replaced;
};

template <class T>
T *at_address(uintptr_t base, uintptr_t address) {
  // musl leaves the addresses of the dynamic section as they are in the file.
  return (T *)(address < base ? base + address : address);
}

bool write_entry(uintptr_t slot, uintptr_t target) {
  const uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE), from = slot & ~(page - 1);
  // Where the linker has made the table read-only it becomes writable, and stays so: the page also holds other data.
  if (mprotect((void *)from, page, PROT_READ | PROT_WRITE) != 0) return false;
  __atomic_store_n((uintptr_t *)slot, target, __ATOMIC_SEQ_CST);
  return true;
}

int32_t replace_in(uintptr_t base, const ElfW(Dyn) * dynamic) {
  const ElfW(Rela) *entries = nullptr;
  const ElfW(Sym) *symbols = nullptr;
  const char *names = nullptr;
  size_t bytes = 0;
  for (; dynamic->d_tag != DT_NULL; dynamic++) {
    if (dynamic->d_tag == DT_JMPREL) entries = at_address<const ElfW(Rela)>(base, dynamic->d_un.d_ptr);
    if (dynamic->d_tag == DT_PLTRELSZ) bytes = dynamic->d_un.d_val;
    if (dynamic->d_tag == DT_SYMTAB) symbols = at_address<const ElfW(Sym)>(base, dynamic->d_un.d_ptr);
    if (dynamic->d_tag == DT_STRTAB) names = at_address<const char>(base, dynamic->d_un.d_ptr);
  }
  if (!entries || !symbols || !names) return 0;
  int32_t replaced = 0;
  for (size_t i = 0; i < bytes / sizeof *entries; i++) {
    const ElfW(Sym) &symbol = symbols[ELF64_R_SYM(entries[i].r_info)];
    if (strcmp(names + symbol.st_name, "ggml_barrier") == 0 &&
        write_entry(base + entries[i].r_offset, (uintptr_t)&barrier))
      replaced++;
  }
  return replaced;
}

int visit(dl_phdr_info *info, size_t, void *data) {
  Search &search = *(Search *)data;
  const ElfW(Dyn) *dynamic = nullptr;
  bool here = false;
  for (int i = 0; i < info->dlpi_phnum; i++) {
    const ElfW(Phdr) &part = info->dlpi_phdr[i];
    const uintptr_t from = info->dlpi_addr + part.p_vaddr;
    if (part.p_type == PT_LOAD && search.inside >= from && search.inside < from + part.p_memsz) here = true;
    if (part.p_type == PT_DYNAMIC) dynamic = (const ElfW(Dyn) *)from;
  }
  if (!here) return 0;
  if (dynamic) search.replaced = replace_in(info->dlpi_addr, dynamic);
  return 1;
}

}  // namespace

EXPORT int32_t ba_barrier_fits(const void *pool, int32_t threads, uint32_t poll) {
  const Pool &p = *(const Pool *)pool;
  return p.threads == threads && p.poll == poll && p.arrived == 0 && p.passed == 0 && (p.n_graph & THREADS_MASK) == 0 &&
         p.abort == -1 && p.workers != nullptr && !p.stop;
}

EXPORT int32_t ba_barrier_install(const void *inside) {
  Search search = {(uintptr_t)inside, 0};
  dl_iterate_phdr(visit, &search);
  counts[2] += search.replaced;
  return search.replaced > 0;
}

EXPORT void ba_barrier_counts(int64_t *out) { memcpy(out, counts, sizeof counts); }

#else
EXPORT int32_t ba_barrier_fits(const void *, int32_t, uint32_t) { return 0; }
EXPORT int32_t ba_barrier_install(const void *) { return 0; }
EXPORT void ba_barrier_counts(int64_t *out) { out[0] = out[1] = out[2] = 0; }
#endif
