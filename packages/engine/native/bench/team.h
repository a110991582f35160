// Threads that wait, spinning, for the next piece of work, as ggml's do within a graph.
#pragma once
#include <atomic>
#include <functional>
#include <thread>
#include <vector>

class Team {
 public:
  explicit Team(int threads) : size_(threads) {
    for (int i = 1; i < threads; i++) threads_.emplace_back([this, i] { serve(i); });
  }
  Team(const Team &) = delete;
  Team &operator=(const Team &) = delete;
  ~Team() {
    stop_ = true;
    round_++;
    for (std::thread &t : threads_) t.join();
  }

  // Calls work(0) ... work(threads - 1) at once and returns when all have returned.
  void run(const std::function<void(int)> &work) {
    work_ = &work;
    done_ = 0;
    round_++;
    work(0);
    while (done_ < size_ - 1) {}
  }

 private:
  // Spins for a while; on a machine that is busy with something else, lets that run.
  template <class F>
  static void wait(F until) {
    for (int spins = 0; !until(); spins++)
      if (spins > 10000) std::this_thread::yield();
  }

  void serve(int i) {
    for (int seen = 0;;) {
      while (round_ == seen) {}
      seen++;
      if (stop_) return;
      (*work_)(i);
      done_++;
    }
  }

  const int size_;
  const std::function<void(int)> *work_ = nullptr;
  std::atomic<int> round_{0}, done_{0};
  std::atomic<bool> stop_{false};
  std::vector<std::thread> threads_;
};
