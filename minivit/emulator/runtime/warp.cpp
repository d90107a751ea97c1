// Operations of a warp. The lanes of the mask meet: each brings a value and waits, the last one gives all a result.
// This file and runtime.cpp are compiled as one.
#include <string.h>

#include "runtime.h"

namespace emulator {

static const char* name_of(Operation operation) {
    switch (operation) {
        case SYNCWARP: return "__syncwarp";
        case SHUFFLE: return "shuffle";
        case VOTE: return "vote";
        case MATCH: return "match";
        case ACTIVE: return "__activemask";
    }
    return "";
}

static void give_shuffled(Warp& warp, const Meeting& meeting) {
    for (unsigned lane = 0; lane < LANES; ++lane) {
        if (!(meeting.arrived >> lane & 1)) continue;
        unsigned source = warp.source[lane] & (LANES - 1);
        if (!(meeting.arrived >> source & 1)) {
            unsigned first = unsigned(&warp - warps) * LANES;
            current = &fibers[first + lane];
            fail("shuffle from an absent lane", meeting.place, "lane %u shuffles with lane %u, %s", lane, source,
                 first + source >= threads     ? "but the block has no such thread: make its size a multiple of 32"
                 : !(warp.alive >> source & 1) ? "which has left the loop, or returned: let all lanes come here equally often"
                                               : "which is not in the mask");
        }
        warp.result[lane] = warp.value[source];
    }
}

static void give_all(Warp& warp, const Meeting& meeting, Bits result) {
    for (unsigned lane = 0; lane < LANES; ++lane)
        if (meeting.arrived >> lane & 1) warp.result[lane] = result;
}

static void give_votes(Warp& warp, const Meeting& meeting) {
    Bits votes = 0;
    for (unsigned lane = 0; lane < LANES; ++lane)
        if (meeting.arrived >> lane & 1 && warp.value[lane]) votes |= 1u << lane;
    give_all(warp, meeting, votes);
}

static void give_matches(Warp& warp, const Meeting& meeting) {
    for (unsigned lane = 0; lane < LANES; ++lane) {
        if (!(meeting.arrived >> lane & 1)) continue;
        warp.result[lane] = 0;
        for (unsigned other = 0; other < LANES; ++other)
            if (meeting.arrived >> other & 1 && warp.value[other] == warp.value[lane]) warp.result[lane] |= 1u << other;
    }
}

static bool complete(const Warp& warp, const Meeting& meeting) {
    return (meeting.mask & warp.alive & ~meeting.arrived) == 0;
}

static void end_meeting(Warp& warp, Meeting& meeting) {
    on_warp_operation(unsigned(&warp - warps), meeting);
    if (meeting.operation == SHUFFLE) give_shuffled(warp, meeting);
    if (meeting.operation == VOTE) give_votes(warp, meeting);
    if (meeting.operation == MATCH) give_matches(warp, meeting);
    if (meeting.operation == ACTIVE) give_all(warp, meeting, meeting.arrived);
    warp.ready |= meeting.arrived;
    meeting = warp.meetings[--warp.meeting_count];  // the last one takes the place that is free
}

static bool same_place(Place a, Place b) { return a.line == b.line && (a.file == b.file || !strcmp(a.file, b.file)); }

static Meeting& new_meeting(Warp& warp, Operation operation, unsigned mask, Place place) {
    Meeting& meeting = warp.meetings[warp.meeting_count++];
    meeting = {mask, 0, operation, place};
    return meeting;
}

static Meeting& meeting_for(Warp& warp, Operation operation, unsigned mask, Place place) {
    for (unsigned i = 0; i < warp.meeting_count; ++i) {
        Meeting& meeting = warp.meetings[i];
        if (meeting.mask != mask || meeting.operation == ACTIVE) continue;
        if (operation != meeting.operation || (operation != SYNCWARP && !same_place(place, meeting.place)))
            fail("divergent warp operation", place,
                 "lane %u is at a %s while other lanes of its mask 0x%08x wait at the %s in %s:%d. All lanes of a mask "
                 "must come to the same one: take it out of the branch, or give each branch a mask of its own lanes.",
                 current->number % LANES, name_of(operation), mask, name_of(meeting.operation), meeting.place.file,
                 meeting.place.line);
        return meeting;
    }
    return new_meeting(warp, operation, mask, place);
}

// Wait in the meeting, or end it if all are there now.
static Bits join(Warp& warp, Meeting& meeting, Place place) {
    unsigned lane = current->number % LANES;
    meeting.arrived |= 1u << lane;
    if (complete(warp, meeting))
        end_meeting(warp, meeting);
    else
        wait(AT_WARP, place);
    return warp.result[lane];
}

static Bits meet(Operation operation, unsigned mask, Bits value, int source, Place place) {
    Warp& warp = warps[current->number / LANES];
    unsigned lane = current->number % LANES;
    if (!(mask >> lane & 1))
        fail("mask without its caller", place, "lane %u calls a %s with the mask 0x%08x, in which it is not", lane,
             name_of(operation), mask);
    Meeting& meeting = meeting_for(warp, operation, mask, place);
    warp.value[lane] = value;
    warp.source[lane] = source;
    return join(warp, meeting, place);
}

void syncwarp(unsigned mask, Place place) { meet(SYNCWARP, mask, 0, 0, place); }
Bits shuffle(unsigned mask, Bits value, int source, Place place) { return meet(SHUFFLE, mask, value, source, place); }
unsigned vote(unsigned mask, Bits value, Place place) { return unsigned(meet(VOTE, mask, value, 0, place)); }
unsigned match(unsigned mask, Bits value, Place place) { return unsigned(meet(MATCH, mask, value, 0, place)); }

unsigned active_mask(Place place) {
    Warp& warp = warps[current->number / LANES];
    for (unsigned i = 0; i < warp.meeting_count; ++i) {
        Meeting& meeting = warp.meetings[i];
        if (meeting.operation == ACTIVE && same_place(place, meeting.place))
            return unsigned(join(warp, meeting, place));
    }
    return unsigned(join(warp, new_meeting(warp, ACTIVE, ~0u, place), place));
}

// No lane of the warp can run: those that wait at an __activemask() have seen who else comes, and go on.
static bool end_active(Warp& warp) {
    for (unsigned i = 0; i < warp.meeting_count; ++i) {
        if (warp.meetings[i].operation != ACTIVE) continue;
        end_meeting(warp, warp.meetings[i]);
        return true;
    }
    return false;
}

// The current thread has returned: lanes that wait for it wait no longer.
static void leave_warp(Fiber& fiber) {
    Warp& warp = warps[fiber.number / LANES];
    unsigned bit = 1u << fiber.number % LANES;
    warp.alive &= ~bit;
    warp.ready &= ~bit;
    for (unsigned i = 0; i < warp.meeting_count;) {
        if (complete(warp, warp.meetings[i]))
            end_meeting(warp, warp.meetings[i]);
        else
            ++i;
    }
}

}  // namespace emulator
