// What the processor or the clock stops: an address that nobody owns, a stack that is full, a loop without an end.
// The handler runs on a stack of its own, writes the finding down and leaves the kernel for good. This is done only in
// a process of its own, which is not used again afterwards.
#include <csignal>
#include <cstdint>
#include <sys/time.h>
#include <unistd.h>

#include "check.h"
#include "system.h"

namespace emulator {
namespace {

constexpr int WATCHED[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGPROF};
char alarm_stack[65536];

void on_signal(int signal, siginfo_t* info, void* context) {
    if (!current) _exit(128 + signal);
    if (signal == SIGPROF && running_again()) {  // the launch itself had come to its end
        again_no_more();
        stop_launch();
    }
    const char* address = static_cast<const char*>(info->si_addr);
    bool at_stack = address < current->stack + 4096 && address >= current->stack - 65536;
    bool full = at_stack && (signal == SIGSEGV || signal == SIGBUS);  // macOS says the latter
    Finding finding = here(signal == SIGPROF ? "endless loop" : full ? "stack overflow" : "crash", {"", 0});
    finding.site = site_of(interrupted_at(context) + 1);  // sites are return addresses: one behind
    finding.earlier_site = last_site;
    finding.offset = signal;
    add_finding(finding);
    stop_launch();
}

// Of computing: what passes by while others compute, or while the machine sleeps, does not count.
void limit_time(unsigned seconds) {
    const itimerval limit{{0, 0}, {long(seconds), 0}};
    setitimer(ITIMER_PROF, &limit, nullptr);
}

}  // namespace

void watch_signals(unsigned seconds) {
    stack_t stack{};
    stack.ss_sp = alarm_stack;
    stack.ss_size = sizeof alarm_stack;
    sigaltstack(&stack, nullptr);
    struct sigaction action{};
    action.sa_sigaction = on_signal;
    action.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER;
    for (int signal : WATCHED) sigaction(signal, &action, nullptr);
    limit_time(seconds);
}

void unwatch_signals() {
    limit_time(0);
    for (int signal : WATCHED) std::signal(signal, SIG_DFL);
}

}  // namespace emulator
