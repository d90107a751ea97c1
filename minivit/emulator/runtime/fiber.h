// Switch from one fiber to another: save the registers that a function must preserve, change the stack, load theirs.
#pragma once
#include "system.h"

extern "C" void emulator_switch(void** save_stack_pointer, void* load_stack_pointer);

#define EMULATOR_SWITCH EMULATOR_SYMBOL("emulator_switch")
#if defined(__APPLE__)
#define EMULATOR_HIDDEN ".p2align 2\n.private_extern " EMULATOR_SWITCH "\n"
#else
#define EMULATOR_HIDDEN ".type " EMULATOR_SWITCH ", %function\n.hidden " EMULATOR_SWITCH "\n"
#endif
#define EMULATOR_SWITCH_HEAD ".text\n" EMULATOR_HIDDEN ".globl " EMULATOR_SWITCH "\n" EMULATOR_SWITCH ":"

#if defined(__x86_64__)
asm(EMULATOR_SWITCH_HEAD R"(
    pushq %rbp
    pushq %rbx
    pushq %r12
    pushq %r13
    pushq %r14
    pushq %r15
    movq %rsp, (%rdi)
    movq %rsi, %rsp
    popq %r15
    popq %r14
    popq %r13
    popq %r12
    popq %rbx
    popq %rbp
    ret
)");

// A stack that emulator_switch can load: it "returns" into `start`.
inline void* new_stack_pointer(char* top, void (*start)()) {
    void** at = reinterpret_cast<void**>(top);
    *--at = nullptr;  // where `start` would return to; it never does. Keeps the alignment that the ABI wants.
    *--at = reinterpret_cast<void*>(start);
    for (int saved = 0; saved < 6; ++saved) *--at = nullptr;
    return at;
}

#elif defined(__aarch64__)
asm(EMULATOR_SWITCH_HEAD R"(
    sub sp, sp, #160
    stp x19, x20, [sp, #0]
    stp x21, x22, [sp, #16]
    stp x23, x24, [sp, #32]
    stp x25, x26, [sp, #48]
    stp x27, x28, [sp, #64]
    stp x29, x30, [sp, #80]
    stp d8, d9, [sp, #96]
    stp d10, d11, [sp, #112]
    stp d12, d13, [sp, #128]
    stp d14, d15, [sp, #144]
    mov x9, sp
    str x9, [x0]
    mov sp, x1
    ldp x19, x20, [sp, #0]
    ldp x21, x22, [sp, #16]
    ldp x23, x24, [sp, #32]
    ldp x25, x26, [sp, #48]
    ldp x27, x28, [sp, #64]
    ldp x29, x30, [sp, #80]
    ldp d8, d9, [sp, #96]
    ldp d10, d11, [sp, #112]
    ldp d12, d13, [sp, #128]
    ldp d14, d15, [sp, #144]
    add sp, sp, #160
    ret
)");

inline void* new_stack_pointer(char* top, void (*start)()) {
    void** at = reinterpret_cast<void**>(top - 160);
    for (int saved = 0; saved < 20; ++saved) at[saved] = nullptr;
    at[11] = reinterpret_cast<void*>(start);  // x30, where `ret` goes
    return at;
}

#else
#error "the emulator runs on x86-64 and aarch64: fiber.h needs a switch for this processor"
#endif
