// Memory and threads: see system.h.
#include "system.h"

#include <stdlib.h>

#if defined(_WIN32)
#include <malloc.h>
#include <windows.h>
#else
#include <pthread.h>
#endif

namespace {

// The beginning of a thread's memory, which starts behind it.
struct alignas(64) Header {
  size_t bytes;
};

#if defined(_WIN32)
typedef DWORD Key;
void CALLBACK release(void *memory) { ba::free_aligned(memory); }
bool make(Key *key) { return (*key = FlsAlloc(release)) != FLS_OUT_OF_INDEXES; }
void *kept(Key key) { return FlsGetValue(key); }
bool keep(Key key, void *memory) { return FlsSetValue(key, memory) != 0; }

typedef HANDLE Id;
struct Call {
  void (*work)(void *item);
  void *item;
  Id id;
  bool started;
};
DWORD WINAPI enter(void *call) {
  ((Call *)call)->work(((Call *)call)->item);
  return 0;
}
bool start(Call *call) { return (call->id = CreateThread(nullptr, 0, enter, call, 0, nullptr)) != nullptr; }
void join(const Call &call) {
  WaitForSingleObject(call.id, INFINITE);
  CloseHandle(call.id);
}
#else
typedef pthread_key_t Key;
void release(void *memory) { ba::free_aligned(memory); }
bool make(Key *key) { return pthread_key_create(key, release) == 0; }
void *kept(Key key) { return pthread_getspecific(key); }
bool keep(Key key, void *memory) { return pthread_setspecific(key, memory) == 0; }

typedef pthread_t Id;
struct Call {
  void (*work)(void *item);
  void *item;
  Id id;
  bool started;
};
void *enter(void *call) {
  ((Call *)call)->work(((Call *)call)->item);
  return nullptr;
}
bool start(Call *call) { return pthread_create(&call->id, nullptr, enter, call) == 0; }
void join(const Call &call) { pthread_join(call.id, nullptr); }
#endif

struct ThreadKey {
  Key key;
  bool made;
};

ThreadKey make_thread_key() {
  ThreadKey k = {};
  k.made = make(&k.key);
  return k;
}

// Made when the library is loaded.
const ThreadKey thread_key = make_thread_key();

}  // namespace

namespace ba {

void *allocate_aligned(size_t bytes) {
#if defined(_WIN32)
  return _aligned_malloc(bytes, 64);
#else
  void *memory = nullptr;
  return posix_memalign(&memory, 64, bytes) == 0 ? memory : nullptr;
#endif
}

void free_aligned(void *memory) {
#if defined(_WIN32)
  _aligned_free(memory);
#else
  free(memory);
#endif
}

void *thread_memory(size_t bytes) {
  if (!thread_key.made) return nullptr;
  Header *header = (Header *)kept(thread_key.key);
  if (header == nullptr || header->bytes < bytes) {
    if (!keep(thread_key.key, nullptr)) return nullptr;
    free_aligned(header);
    header = (Header *)allocate_aligned(sizeof(Header) + bytes);
    if (header == nullptr) return nullptr;
    header->bytes = bytes;
    if (!keep(thread_key.key, header)) {
      free_aligned(header);
      return nullptr;
    }
  }
  return header + 1;
}

void run_threads(void (*work)(void *item), void *items, size_t item_bytes, int32_t n) {
  Call *const calls = n > 1 ? (Call *)calloc((size_t)n, sizeof(Call)) : nullptr;
  for (int32_t i = 1; calls && i < n; i++) {
    calls[i].work = work;
    calls[i].item = (char *)items + (size_t)i * item_bytes;
    calls[i].started = start(&calls[i]);
  }
  for (int32_t i = 0; i < n; i++)
    if (i == 0 || !calls || !calls[i].started) work((char *)items + (size_t)i * item_bytes);
  for (int32_t i = 1; calls && i < n; i++)
    if (calls[i].started) join(calls[i]);
  free(calls);
}

}  // namespace ba
