// Is every access right? Keeps the diary of all memory and writes down what is wrong with a launch.
#include "check.h"

#include <cstdio>
#include <cstring>

#include "check_races.h"

#define EXPORT extern "C" __attribute__((visibility("default")))

namespace emulator {
namespace {

constexpr size_t MOST = 100;  // different findings; more would help nobody

std::vector<Finding> findings;
Order order;
Races races(order);
std::vector<Shadow> shadows;  // of the buffers
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

void add_race(const Access& access, long long offset, const Race& race) {
    Finding finding = facts("race", access);
    finding.offset = offset;
    finding.earlier_act = int(race.act);
    finding.earlier_site = race.earlier.site;
    finding.earlier_block = (race.earlier.block - 1) % block_count();
    finding.earlier_thread = race.earlier.thread;
    add_finding(finding);
}

// Whether an earlier launch or the host has written there.
bool was_set(const Access& access, size_t more) {
    return access.buffer != SHARED && buffers[access.buffer].set && buffers[access.buffer].set[(access.offset + more) / 4];
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
        ++known.count;
        return;
    }
    if (findings.size() == MOST) return;
    findings.push_back(finding);
    if (finding.count == 0) findings.back().count = 1;
}

void check_launch_start() {
    findings.clear();
    shadows.clear();
    if (mode != Mode::check) return;
    order.start_launch();
    rounds = 0;
    races.forget();
    for (const Buffer& buffer : buffers) shadows.emplace_back(buffer.bytes, buffer.element);
    shared_shadow = Shadow(shared_memory.size, 4);
}

void check_block_start() {
    order.start_block(number_in_round(), block_size.x * block_size.y * block_size.z);
    races.forget_lanes();
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
    shared_shadow = std::move(*static_cast<Shadow*>(kept));
    delete static_cast<Shadow*>(kept);
}

void check_access(const Access& access, const void* address) {
    bool shared = access.buffer == SHARED;
    size_t count;
    Shadow& shadow = shared ? shared_shadow : shadows[access.buffer];
    Cell* cells = shadow.cells(access.offset, access.size, &count);
    if (access.act == Act::atomic) order.atomic(access.thread, address);
    if (access.act == Act::write && !shared) order.wrote(access.thread);
    Touch touch = order.touch(access.thread, access.site);
    bool garbage = access.act != Act::write && (shared || buffers[access.buffer].output);  // until it is written
    bool unwritten = false, raced = false;  // has this access been reported already?
    Race race;
    for (size_t i = 0; i < count; ++i) {
        if (garbage && !unwritten && !races.written(cells[i]) && !was_set(access, i * shadow.granule())) {
            unwritten = true;
            add_finding(facts("uninitialised", access));
        }
        if (races.enter(cells[i], access.act, touch, &race) && !raced) {
            raced = true;
            add_race(access, access.offset + i * shadow.granule(), race);
        }
    }
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
}

void check_warp_barrier(unsigned warp, unsigned lanes) { order.warp_barrier(warp, lanes); }

void check_fence() { order.fence(current->number); }

// Which elements of the outputs did nobody write?
void check_launch_end() {
    for (size_t b = 0; b < buffers.size(); ++b) {
        if (!buffers[b].output) continue;
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
        if (!unwritten) continue;
        Finding finding{};
        finding.kind = "unwritten";
        finding.buffer = b;
        finding.offset = first * shadows[b].granule();
        finding.block = finding.thread = finding.earlier_block = finding.earlier_thread = NOBODY;
        finding.count = unwritten * shadows[b].granule() / buffers[b].element;
        findings.push_back(finding);
    }
}

}  // namespace emulator

EXPORT size_t emulator_findings(const void** first) {
    *first = emulator::findings.data();
    return emulator::findings.size();
}
