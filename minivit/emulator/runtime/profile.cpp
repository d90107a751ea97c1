// What a launch asks of memory. A request is one warp's one execution of an instruction: the first time each lane
// executes it since the lanes last met belongs together, then the second time, and so on.
//   global memory  moves in sectors of 32 bytes: the fewer different ones a request needs, the better
//   shared memory  has 32 banks, each 4 bytes wide: lanes that want different words of one bank take turns
#include <algorithm>
#include <cstring>
#include <unordered_map>

#include "trace.h"

#define EXPORT extern "C" __attribute__((visibility("default")))

namespace emulator {
namespace {

constexpr int KEPT = 8;  // requests of each instruction whose addresses are kept, to be drawn

struct Request {
    unsigned lanes = 0;
    long long at[32];
};

struct Site {  // Python reads this as it lies in memory
    unsigned long long site, requests, lanes, moved, ideal;  // moved: sectors, or turns of the banks
    unsigned most, size;
    int buffer, act;
    unsigned kept, kept_lanes[KEPT];
    long long kept_at[KEPT][32];
};

struct Pending {  // of one warp at one site
    std::vector<Request> requests;
    unsigned times[32] = {};
};

std::vector<Site> sites;
std::unordered_map<uint64_t, unsigned> number_of;         // (site, buffer): place in `sites`
std::vector<std::vector<Pending>> pending;                // warp, place
std::vector<std::vector<unsigned>> busy;                  // warp: places with something pending
std::vector<std::vector<bool>> sectors_read, sectors_written;  // buffer, sector

unsigned distinct(long long* values, int count) {
    std::sort(values, values + count);
    return std::unique(values, values + count) - values;
}

void count_sectors(Site& site, const Request& request) {
    std::vector<long long> sectors, addresses;
    for (int lane = 0; lane < 32; ++lane) {
        if (!(request.lanes >> lane & 1)) continue;
        addresses.push_back(request.at[lane]);
        for (long long s = request.at[lane] / 32; s * 32 < request.at[lane] + site.size; ++s) sectors.push_back(s);
    }
    unsigned moved = distinct(sectors.data(), sectors.size());
    site.moved += moved;
    site.ideal += (distinct(addresses.data(), addresses.size()) * site.size + 31) / 32;
    site.most = std::max(site.most, moved);
}

// 8-byte accesses go in two halves of a warp, 16-byte ones in four quarters. Lanes that read the same word share it;
// atomics on the same word take turns.
void count_turns(Site& site, const Request& request) {
    unsigned parts = std::clamp(site.size / 4, 1u, 4u), lanes = 32 / parts, moved = 0, ideal = 0, worst = 0;
    for (unsigned part = 0; part < parts; ++part) {
        std::vector<long long> words;
        for (unsigned lane = part * lanes; lane < (part + 1) * lanes; ++lane) {
            if (!(request.lanes >> lane & 1)) continue;
            for (unsigned byte = 0; byte < site.size; byte += 4) words.push_back((request.at[lane] + byte) / 4);
        }
        if (words.empty()) continue;
        if (site.act != int(Act::atomic)) words.resize(distinct(words.data(), words.size()));
        unsigned bank[32] = {}, turns = 0;
        for (long long word : words) turns = std::max(turns, ++bank[word % 32]);
        moved += turns;
        worst = std::max(worst, turns);
        ++ideal;
    }
    site.moved += moved;
    site.ideal += ideal;
    site.most = std::max(site.most, worst);
}

void count(Site& site, const Request& request) {
    ++site.requests;
    site.lanes += __builtin_popcount(request.lanes);
    if (site.buffer == SHARED)
        count_turns(site, request);
    else
        count_sectors(site, request);
    if (site.kept < KEPT) {
        site.kept_lanes[site.kept] = request.lanes;
        memcpy(site.kept_at[site.kept++], request.at, sizeof request.at);
    }
}

unsigned place_of(const Access& access) {
    auto [found, fresh] = number_of.try_emplace(uint64_t(access.site) << 16 | uint16_t(access.buffer), sites.size());
    if (fresh) {
        sites.push_back({});
        Site& site = sites.back();
        site.site = access.site;
        site.size = access.size;
        site.buffer = access.buffer;
        site.act = int(access.act);
    }
    return found->second;
}

// clang takes a vector of 16 bytes apart and loads it number by number. What a thread asks for side by side, one
// instruction after the other in one line of the source, is one request again.
#if defined(__clang__)
constexpr bool TAKEN_APART = true;
#else
constexpr bool TAKEN_APART = false;
#endif
std::vector<std::pair<unsigned, unsigned>> line_numbers;  // where a line begins in the program, and a number for it
Access latest;
unsigned latest_place, latest_line;

unsigned line_of(unsigned site) {
    auto after = std::upper_bound(line_numbers.begin(), line_numbers.end(), std::make_pair(site - 1, ~0u));
    return after == line_numbers.begin() ? 0 : (after - 1)->second;
}

// Does this continue the access before it? If so, that one has grown.
bool continues(const Access& access) {
    size_t together = latest.size + access.size;
    if (access.thread != latest.thread || access.buffer != latest.buffer || access.act != latest.act ||
        access.site == latest.site || access.offset != latest.offset + (long long)latest.size || together > 16 ||
        access.size < 4 || latest.offset / 16 != access.offset / 16 || line_of(access.site) != latest_line)
        return false;
    latest.size = together;
    latest.site = access.site;
    sites[latest_place].size = std::max(sites[latest_place].size, unsigned(together));
    return true;
}

}  // namespace

void profile_launch_start() {
    latest = {};
    latest.thread = ~0u;
    sites.clear();
    number_of.clear();
    pending.clear();
    busy.clear();
    sectors_read.clear();
    for (const Buffer& buffer : buffers) sectors_read.emplace_back(buffer.bytes / 32 + 1);
    sectors_written = sectors_read;
}

void profile_access(const Access& access) {
    if (TAKEN_APART && continues(access)) return;
    unsigned place = place_of(access), warp = access.thread / 32, lane = access.thread % 32;
    if (pending.size() <= warp) {
        pending.resize(warp + 1);
        busy.resize(warp + 1);
    }
    if (pending[warp].size() <= place) pending[warp].resize(place + 1);
    Pending& waiting = pending[warp][place];
    unsigned turn = waiting.times[lane]++;
    if (waiting.requests.empty()) busy[warp].push_back(place);
    if (waiting.requests.size() <= turn) waiting.requests.resize(turn + 1);
    Request& request = waiting.requests[turn];
    request.lanes |= 1u << lane;
    request.at[lane] = access.offset;
    if (TAKEN_APART) {
        latest = access;
        latest_place = place;
        latest_line = line_of(access.site);
    }
    if (access.buffer == SHARED) return;
    for (long long s = access.offset / 32; s * 32 < access.offset + (long long)access.size; ++s) {
        if (access.act != Act::write) sectors_read[access.buffer][s] = true;
        if (access.act != Act::read) sectors_written[access.buffer][s] = true;
    }
}

void profile_close(unsigned warp) {
    if (warp >= busy.size()) return;
    for (unsigned place : busy[warp]) {
        Pending& waiting = pending[warp][place];
        for (const Request& request : waiting.requests) count(sites[place], request);
        waiting.requests.clear();
        memset(waiting.times, 0, sizeof waiting.times);
    }
    busy[warp].clear();
}

void profile_close_all() {
    for (unsigned warp = 0; warp < busy.size(); ++warp) profile_close(warp);
}

}  // namespace emulator

EXPORT void emulator_lines(const unsigned* addresses, const unsigned* numbers, size_t count) {
    emulator::line_numbers.clear();
    for (size_t i = 0; i < count; ++i) emulator::line_numbers.emplace_back(addresses[i], numbers[i]);
}

EXPORT size_t emulator_sites(const void** first) {
    *first = emulator::sites.data();
    return emulator::sites.size();
}

// How many different sectors of a buffer the launch read, and wrote.
EXPORT void emulator_sectors(int buffer, unsigned long long* read, unsigned long long* written) {
    auto count = [](const std::vector<bool>& sectors) { return std::count(sectors.begin(), sectors.end(), true); };
    *read = count(emulator::sectors_read[buffer]);
    *written = count(emulator::sectors_written[buffer]);
}
