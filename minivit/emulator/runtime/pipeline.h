// <cuda/barrier>, <cuda/pipeline> and cooperative_groups/memcpy_async.h, in their usual forms: barriers of a block that
// are told of arrivals, and copies that go on in the background until somebody waits for them.
#pragma once
#include "async_copies.h"
#include "groups.h"

// Each thread of a group copies every so many-th word, as large as may be.
template <typename Group>
inline void emulator_share(const Group& group, void* to, const void* from, size_t bytes, emulator::Place here) {
    size_t odd = (size_t)to | (size_t)from | bytes, word = odd % 16 == 0 ? 16 : odd % 4 == 0 ? 4 : 1;
    for (size_t at = group.thread_rank() * word; at < bytes; at += group.size() * word)
        emulator::begin_copy((char*)to + at, (const char*)from + at, unsigned(word), 0, here);
}

namespace cuda {

enum thread_scope { thread_scope_thread, thread_scope_block, thread_scope_device, thread_scope_system };
template <size_t ALIGNMENT>
struct aligned_size_t {
    size_t value;
    explicit aligned_size_t(size_t bytes) : value(bytes) {}
    operator size_t() const { return value; }
};

// Rounds of arrivals. Whoever arrives publishes what it has done, and whoever waits for a round hears of those who have
// arrived in it: to the checker these are a fence, and atomics at one of two addresses, which rounds take in turns.
template <thread_scope SCOPE>
class barrier {
    static_assert(SCOPE == thread_scope_block, "of cuda::barrier there is that of a block");

public:
    typedef unsigned arrival_token;
    barrier() = default;
    arrival_token arrive(unsigned count = 1, EMULATOR_HERE) {
        emulator::on_copied(&expected_, sizeof expected_, false, here);  // who has made it ready must have met us since
        emulator::wait_for_copies(~0u);
        __threadfence_block();
        unsigned round = round_now();
        atomicAdd(&arrived_[round % 2], count, here);
        take(count);
        return round;
    }
    void wait(arrival_token round, EMULATOR_HERE) {
        while (emulator::on_atomic(&arrived_[round % 2], sizeof(unsigned), here), round_now() == round)
            emulator::wait_for_change(&arrived_[round % 2]);
    }
    void arrive_and_wait(EMULATOR_HERE) { wait(arrive(1, here), here); }
    void arrive_and_drop(EMULATOR_HERE) {
        drop();
        arrive(1, here);
    }
    friend void init(barrier* one, long long expected) {
        one->expected_ = one->missing_ = unsigned(expected);
        one->round_ = one->arrived_[0] = one->arrived_[1] = 0;
    }

private:
    EMULATOR_UNTRACED unsigned round_now() const { return round_; }
    EMULATOR_UNTRACED void drop() { --expected_; }
    EMULATOR_UNTRACED void take(unsigned count) {
        missing_ -= count;
        if (!missing_) missing_ = expected_, ++round_;
    }
    unsigned expected_, missing_, round_, arrived_[2];
};

enum class pipeline_role { producer, consumer };
template <thread_scope SCOPE, unsigned char STAGES>
struct pipeline_shared_state {
    barrier<thread_scope_block> filled[STAGES], empty[STAGES];
};

template <thread_scope SCOPE>
class pipeline;

// A thread's own: it waits for the copies that it has asked for itself.
template <>
class pipeline<thread_scope_thread> {
public:
    void producer_acquire() {}
    void producer_commit() {
        emulator::commit_copies();
        ++committed_;
    }
    void consumer_wait() { emulator::wait_for_copies(committed_ - taken_ - 1); }
    void consumer_release() { ++taken_; }
    void emulator_wait_prior(unsigned left) { emulator::wait_for_copies(left); }

private:
    unsigned committed_ = 0, taken_ = 0;  // groups of copies
};

// A block's: some threads fill its stages, which lie in a ring, and some empty them; or all do both.
template <>
class pipeline<thread_scope_block> {
public:
    pipeline(barrier<thread_scope_block>* filled, barrier<thread_scope_block>* empty, unsigned stages)
        : filled_(filled), empty_(empty), stages_(stages) {}
    void producer_acquire(EMULATOR_HERE) {
        if (produced_ >= stages_) empty_[produced_ % stages_].wait(produced_ / stages_ - 1, here);
    }
    void producer_commit(EMULATOR_HERE) { filled_[produced_++ % stages_].arrive(1, here); }
    void consumer_wait(EMULATOR_HERE) { filled_[consumed_ % stages_].wait(consumed_ / stages_, here); }
    void consumer_release(EMULATOR_HERE) { empty_[consumed_++ % stages_].arrive(1, here); }
    void quit() {}

private:
    barrier<thread_scope_block>*filled_, *empty_;
    unsigned stages_, produced_ = 0, consumed_ = 0;
};

inline pipeline<thread_scope_thread> make_pipeline() { return {}; }
template <unsigned char STAGES>
using emulator_state = pipeline_shared_state<thread_scope_block, STAGES>;
template <typename Group, unsigned char STAGES>
inline pipeline<thread_scope_block> emulator_pipeline(const Group& group, emulator_state<STAGES>* state,
                                                      unsigned producers, unsigned consumers, emulator::Place here) {
    if (group.thread_rank() == 0)
        for (unsigned i = 0; i < STAGES; ++i) init(&state->filled[i], producers), init(&state->empty[i], consumers);
    group.sync(here);
    return {state->filled, state->empty, STAGES};
}
template <typename Group, unsigned char STAGES>
inline pipeline<thread_scope_block> make_pipeline(const Group& group, emulator_state<STAGES>* state, EMULATOR_HERE) {
    return emulator_pipeline(group, state, group.size(), group.size(), here);
}
template <typename Group, unsigned char STAGES>
inline pipeline<thread_scope_block> make_pipeline(const Group& group, emulator_state<STAGES>* state, size_t producers,
                                                  EMULATOR_HERE) {
    return emulator_pipeline(group, state, unsigned(producers), group.size() - unsigned(producers), here);
}
template <typename Group, unsigned char STAGES>
inline pipeline<thread_scope_block> make_pipeline(const Group& group, emulator_state<STAGES>* state, pipeline_role role,
                                                  EMULATOR_HERE) {
    unsigned producers = emulator::syncthreads_votes(role == pipeline_role::producer, here, here.line).count;
    return emulator_pipeline(group, state, producers, group.size() - producers, here);
}
template <unsigned LEFT>
inline void pipeline_consumer_wait_prior(pipeline<thread_scope_thread>& pipe) {
    pipe.emulator_wait_prior(LEFT);
}

// What a barrier or a pipeline is told to wait for: a thread's own copy, or one that a group shares out among its
// threads.
template <typename Waiter>
inline void memcpy_async(void* to, const void* from, size_t bytes, Waiter&, EMULATOR_HERE) {
    emulator::begin_copy(to, from, unsigned(bytes), 0, here);
}
template <typename Group, typename Waiter>
inline void memcpy_async(const Group& group, void* to, const void* from, size_t bytes, Waiter&, EMULATOR_HERE) {
    emulator_share(group, to, from, bytes, here);
}

}  // namespace cuda

namespace cooperative_groups {

template <typename Group>
inline void memcpy_async(const Group& group, void* to, const void* from, size_t bytes, EMULATOR_HERE) {
    emulator_share(group, to, from, bytes, here);
    emulator::commit_copies();
}
template <typename Group, typename T>  // so many elements there, and here
inline void memcpy_async(const Group& group, T* to, size_t room, const T* from, size_t count, EMULATOR_HERE) {
    memcpy_async(group, (void*)to, (const void*)from, (room < count ? room : count) * sizeof(T), here);
}
template <typename Group>
inline void wait(const Group& group, EMULATOR_HERE) {
    emulator::wait_for_copies(~0u);
    group.sync(here);
}
template <unsigned LEFT, typename Group>
inline void wait_prior(const Group& group, EMULATOR_HERE) {
    emulator::wait_for_copies(LEFT);
    group.sync(here);
}

}  // namespace cooperative_groups
