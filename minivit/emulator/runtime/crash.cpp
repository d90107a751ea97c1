// A kernel that touches memory which nobody owns, or divides by zero, would end the whole process. While a kernel runs,
// the signal that the processor sends ends the launch instead, with a message. kernel.check finds out which line it
// was. Ctrl-C ends it likewise, where Python would obey at once: a loop that has no end never comes back to Python; and
// so does the time, if it has a limit.
#include <pthread.h>
#include <signal.h>
#include <sys/time.h>

#include "runtime.h"

namespace emulator {

static constexpr int CRASHES[] = {SIGSEGV, SIGBUS, SIGFPE};
static struct sigaction before[sizeof CRASHES / sizeof *CRASHES];  // who was called before us
static stack_t stack_before;
static char handler_stack[64 * 1024];  // the thread's own may be the one that is full
static pthread_t launching;
static struct sigaction interrupt_before;
static bool interrupted;

static void on_crash(int signal, siginfo_t* info, void*) {
    if (!current || !pthread_equal(pthread_self(), launching)) {  // not the kernel: it happens again, without us
        for (unsigned i = 0; i < sizeof CRASHES / sizeof *CRASHES; ++i) sigaction(CRASHES[i], &before[i], nullptr);
        return;
    }
    if (signal == SIGFPE) fail("crash", {nullptr, 0}, "an integer was divided by zero");
    const char* address = static_cast<const char*>(info->si_addr);
    if (address < current->stack && address >= current->stack - STACK_GUARD)
        fail("crash", {nullptr, 0}, "the stack of this thread is full: too deep a recursion");
    fail("crash", {nullptr, 0},
         "touched memory that nobody owns, or 16 bytes at an address that is no multiple of 16: an index far out of "
         "bounds, a null pointer, a float4 at an odd place. kernel.check(...), or the option --check, tells the line.");
}

// On the stack of whatever it interrupts. In a kernel's thread that is the thread's own, and the launch can end from
// there; between two threads, in printf or in another thread of the process it goes to Python, which hears it later.
static void on_interrupt(int signal) {
    char here;
    bool in_kernel = current && !printing && pthread_equal(pthread_self(), launching) && &here >= current->stack &&
                     &here < current->stack + STACK_SIZE;
    if (!in_kernel) return interrupt_before.sa_handler(signal);
    interrupted = true;
    fail("interrupt", {nullptr, 0}, "interrupted");
}

// ---- the time: what the process itself computes, not what passes by ----

static double time_limit;  // seconds; 0: none
static struct sigaction time_before;
static itimerval timer_before;

static void on_time(int signal) {
    char here;
    if (!pthread_equal(pthread_self(), launching)) {
        pthread_kill(launching, signal);
        return;
    }
    bool in_kernel = current && !printing && &here >= current->stack && &here < current->stack + STACK_SIZE;
    if (in_kernel)  // else it comes again
        fail("endless loop", {nullptr, 0}, "still running after %g seconds: is there a loop without an end? seconds=... "
             "gives it more time; kernel.check(...), or the option --check, tells the line.", time_limit);
}

static void watch_time() {
    struct sigaction action {};
    action.sa_handler = on_time;
    action.sa_flags = SA_NODEFER | SA_RESTART;
    sigaction(SIGVTALRM, &action, &time_before);
    long seconds = long(time_limit);
    int micros = int((time_limit - seconds) * 1e6);
    const itimerval timer{{0, 20000}, {seconds, seconds || micros ? micros : 1}};
    setitimer(ITIMER_VIRTUAL, &timer, &timer_before);
}

static void unwatch_time() {
    setitimer(ITIMER_VIRTUAL, &timer_before, nullptr);
    sigaction(SIGVTALRM, &time_before, nullptr);
}

static void watch_for_interrupts() {
    struct sigaction action {};
    action.sa_handler = on_interrupt;
    action.sa_flags = SA_NODEFER;
    sigaction(SIGINT, &action, &interrupt_before);
}

static void watch_for_crashes() {
    launching = pthread_self();
    stack_t stack{};
    stack.ss_sp = handler_stack;
    stack.ss_size = sizeof handler_stack;
    sigaltstack(&stack, &stack_before);
    struct sigaction action {};
    action.sa_sigaction = on_crash;
    action.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER;
    for (unsigned i = 0; i < sizeof CRASHES / sizeof *CRASHES; ++i) sigaction(CRASHES[i], &action, &before[i]);
}

static void unwatch_crashes() {
    for (unsigned i = 0; i < sizeof CRASHES / sizeof *CRASHES; ++i) sigaction(CRASHES[i], &before[i], nullptr);
    sigaltstack(&stack_before, nullptr);
}

}  // namespace emulator
