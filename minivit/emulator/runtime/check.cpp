// Is every access right? Keeps the diary of all memory and writes down what is wrong with a launch.
#include "check.h"

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <unordered_set>

#include "check_races.h"

#define EXPORT extern "C" __attribute__((visibility("default")))

namespace emulator {
namespace {

constexpr size_t MOST = 100;  // different findings; more would help nobody

std::vector<Finding> findings;
uint64_t since_barrier[MAX_THREADS], since_warp_barrier[MAX_THREADS];  // where each thread has been, see mark_of
std::unordered_set<unsigned> guesses;  // instructions that read what an atomicCAS then compares
Order order;
Races races(order);
std::vector<Shadow> shadows;     // of the buffers
std::vector<char> read_first;    // of each, whether something in it was read before it was written
Shadow shared_shadow;
unsigned rounds;  // barriers of the grid that all have passed: each block has another number in each round

unsigned block_count() { return grid_size.x * grid_size.y * grid_size.z; }
unsigned number_in_round() { return rounds * block_count() + block_number() + 1; }

Finding facts(const char* kind, const Access& access) {
    Finding finding{};
    finding.kind = kind;
    finding.offset = access.offset;
    finding.buffer = access.buffer;
    finding.act = int(access.act);
    finding.size = access.size;
    finding.site = access.site;
    finding.block = block_number();
    finding.thread = access.thread;
    finding.earlier_block = finding.earlier_thread = NOBODY;
    return finding;
}

unsigned reach(const Finding& f) { return f.block != f.earlier_block ? 2 : f.thread / 32 != f.earlier_thread / 32; }

bool same_place(const Finding& a, const Finding& b) {
    return !strcmp(a.kind, b.kind) && a.site == b.site && a.earlier_site == b.earlier_site && a.buffer == b.buffer &&
           a.act == b.act && a.earlier_act == b.earlier_act && reach(a) == reach(b);
}

// Two of 64 bits for a place in the program: a set of places in one number, which may take one for another, but rarely.
uint64_t mark_of(unsigned site) {
    unsigned mixed = site * 0x9e3779b1u;
    return 1ull << (mixed >> 26) | 1ull << (mixed >> 20 & 63);
}

// Has this thread, since the barrier, been where the other one was? Then that place comes before this one.
bool comes_after(const Access& access, const Touch& earlier) {
    if (earlier.block != order.block() || earlier.site == access.site) return false;
    const uint64_t* since = earlier.warp() == access.thread / 32 ? since_warp_barrier : since_barrier;
    return !(mark_of(earlier.site) & ~since[access.thread]);
}

void add_race(const Access& access, long long offset, const Race& race) {
    Finding finding = facts("race", access);
    finding.offset = offset;
    finding.earlier_act = int(race.act);
    finding.after = comes_after(access, race.earlier);
    finding.earlier_site = race.earlier.site;
    finding.earlier_block = (race.earlier.block - 1) % block_count();
    finding.earlier_thread = race.earlier.thread;
    add_finding(finding);
}

void forget_places() {
    size_t bytes = block_size.x * block_size.y * block_size.z * sizeof *since_barrier;
    memset(since_barrier, 0, bytes);
    memset(since_warp_barrier, 0, bytes);
}

bool is_guess(const Finding& f) {
    if (strcmp(f.kind, "race")) return false;
    const int read = int(Act::read), atomic = int(Act::atomic);
    return (f.act == read && f.earlier_act == atomic && guesses.count(f.site)) ||
           (f.act == atomic && f.earlier_act == read && guesses.count(f.earlier_site));
}

// Whether an earlier launch or the host has written there.
bool was_set(const Access& access, size_t more) {
    if (access.buffer == SHARED) return false;
    const unsigned char* set = buffers[access.buffer].set;
    return set && set[(access.offset + more) / 4];
}

}  // namespace

Finding here(const char* kind, Place place) {
    Finding finding{};
    finding.kind = kind;
    finding.site = site_of(place);
    finding.buffer = NOWHERE;
    finding.block = block_number();
    finding.thread = current->number;
    finding.earlier_block = finding.earlier_thread = NOBODY;
    return finding;
}

void add_finding(const Finding& finding) {
    for (Finding& known : findings) {
        if (!same_place(known, finding)) continue;
        if (!running_again()) ++known.count;
        known.after |= finding.after;
        return;
    }
    if (findings.size() == MOST) return;
    findings.push_back(finding);
    if (finding.count == 0) findings.back().count = 1;
}

bool check_launch_start() {
    findings.clear();
    guesses.clear();
    if (mode != Mode::check) return true;
    again_launch_start();
    if (check_start_again()) return true;
    Finding finding{};
    finding.kind = NO_ROOM;
    finding.buffer = NOWHERE;
    finding.block = finding.thread = finding.earlier_block = finding.earlier_thread = NOBODY;
    add_finding(finding);
    return false;
}

bool check_start_again() {
    order.start_launch();
    rounds = 0;
    races.forget();
    shadows.clear();
    read_first.assign(buffers.size(), false);
    for (const Buffer& buffer : buffers) shadows.emplace_back(buffer.bytes, buffer.element);
    shared_shadow = Shadow(shared_memory.size, 4);
    return std::all_of(shadows.begin(), shadows.end(), [](const Shadow& shadow) { return shadow.there(); }) &&
           shared_shadow.there();
}

bool check_released() { return order.released(); }

void check_block_start() {
    order.start_block(number_in_round(), block_size.x * block_size.y * block_size.z);
    races.forget_lanes();
    forget_places();
    size_t dynamic = shared_memory.dynamic - shared_memory.start;  // static arrays lie before and after it
    shared_shadow.clear(0, dynamic + shared_memory.dynamic_size);
    shared_shadow.clear(dynamic + MAX_SHARED + SHARED_GUARD, shared_memory.size);
}

void check_grid_barrier() { order.grid_barrier(++rounds * block_count()); }

void* check_block_left() {
    Shadow* kept = new Shadow(std::move(shared_shadow));
    shared_shadow = Shadow(shared_memory.size, 4);
    return kept;
}

void check_block_back(void* kept) {
    order.start_block(number_in_round(), block_size.x * block_size.y * block_size.z);
    races.forget_lanes();
    forget_places();
    shared_shadow = std::move(*static_cast<Shadow*>(kept));
    delete static_cast<Shadow*>(kept);
}

void check_access(const Access& access, const void* address) {
    again_access();
    bool shared = access.buffer == SHARED;
    size_t count;
    Shadow& shadow = shared ? shared_shadow : shadows[access.buffer];
    Cell* cells = shadow.cells(access.offset, access.size, &count);
    if (access.act == Act::atomic) order.hear(access.thread, address);
    Touch touch = order.touch(access.thread, access.site);
    if (!shared && access.act != Act::write && !races.written(*cells)) read_first[access.buffer] = true;
    bool garbage = access.act != Act::write && (shared || buffers[access.buffer].output);  // until it is written
    bool unwritten = false, raced = false;  // has this access been reported already?
    Race race;
    for (size_t i = 0; i < count; ++i) {
        if (garbage && !unwritten && !races.written(cells[i]) && !was_set(access, i * shadow.granule())) {
            unwritten = true;
            add_finding(facts("uninitialised", access));
        }
        if (races.enter(cells[i], access.act, address, touch, &race, access.looks) && !raced) {
            raced = true;
            add_race(access, access.offset + i * shadow.granule(), race);
        }
    }
    uint64_t mark = mark_of(access.site);
    since_barrier[access.thread] |= mark;
    since_warp_barrier[access.thread] |= mark;
}

void stop_for(const char* kind, const Access& access) {
    add_finding(facts(kind, access));
    stop_launch();
}

void stop_launch() { fail(STOPPED, {"", 0}, "%s", ""); }

void note_failure(const char* kind, Place place, const char* text) {
    if (kind == STOPPED) return;  // it has been entered already
    static char kept[1024];
    snprintf(kept, sizeof kept, "%s", text);
    Finding finding = here(kind, place);
    finding.text = kept;
    add_finding(finding);
}

void check_block_barrier(Place place) {
    unsigned threads = block_size.x * block_size.y * block_size.z;
    for (unsigned t = 0; t < threads; ++t) {
        if (fibers[t].state != EXITED) continue;
        Finding finding = here("barrier after return", place);
        finding.earlier_block = finding.block;
        finding.earlier_thread = t;
        add_finding(finding);
        break;
    }
    order.block_barrier();
    races.forget_lanes();
    forget_places();
}

void check_warp_barrier(unsigned warp, unsigned lanes) {
    order.warp_barrier(warp, lanes);
    for (unsigned lane = 0; lane < 32; ++lane)
        if (lanes >> lane & 1) since_warp_barrier[warp * 32 + lane] = 0;
}

void check_fence(bool device) { order.fence(current->number, device ? Scope::device : Scope::block); }

void check_atomic_written(const void* address) { order.release(current->number, address); }

// Whoever reads a number and then puts another in its place with atomicCAS, if it is still the same, may read it while
// others do so, too: a wrong guess costs one more round.
void check_compared(const Access& access) {
    size_t count;
    Shadow& shadow = access.buffer == SHARED ? shared_shadow : shadows[access.buffer];
    if (unsigned site = races.own_read(*shadow.cells(access.offset, access.size, &count), access.thread))
        guesses.insert(site);
}

// Which elements of the outputs did nobody write? And of what looks like an output, though nobody has said so?
void check_launch_end() {
    for (size_t b = 0; b < buffers.size(); ++b) {
        if (!buffers[b].output && (buffers[b].read_only || read_first[b])) continue;
        size_t count, unwritten = 0, first = 0;
        Cell* cells = shadows[b].cells(0, buffers[b].bytes, &count);
        if (buffers[b].set) {  // which of its elements this launch is to write nobody has said
            for (size_t i = 0; i < count; ++i)
                if (races.written(cells[i])) buffers[b].set[i * shadows[b].granule() / 4] = 1;
            continue;
        }
        for (size_t i = count; i-- > 0;) {
            if (races.written(cells[i])) continue;
            first = i;
            ++unwritten;
        }
        if (!unwritten || (!buffers[b].output && unwritten == count)) continue;
        Finding finding{};
        finding.kind = buffers[b].output ? "unwritten" : "perhaps unwritten";
        finding.buffer = b;
        finding.offset = first * shadows[b].granule();
        finding.block = finding.thread = finding.earlier_block = finding.earlier_thread = NOBODY;
        finding.count = unwritten * shadows[b].granule() / buffers[b].element;
        findings.push_back(finding);
    }
}

}  // namespace emulator

EXPORT size_t emulator_findings(const void** first) {
    using namespace emulator;
    findings.erase(std::remove_if(findings.begin(), findings.end(), is_guess), findings.end());
    *first = emulator::findings.data();
    return emulator::findings.size();
}
