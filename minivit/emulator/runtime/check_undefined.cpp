// What C++ leaves undefined: an index beyond an array, also by way of a pointer to it, an int that grows too large, a
// shift by more bits than there are, a division by zero. The compiler puts a test before each (-fsanitize=bounds, ...)
// and calls these functions where it fails. The place comes with them.
#include <cstdio>

#include "check.h"

namespace {

// As the compiler lays them out.
struct Source {
    const char* file;
    unsigned line, column;
};
struct TypeName {
    unsigned short kind, bits;  // kind 0: integer; bits: 1 if signed, plus twice its width's logarithm; else the width
    char name[1];
    bool is_signed() const { return bits & 1; }
    unsigned width() const { return 1u << (bits >> 1); }
};
struct BoundsData {
    Source source;
    const TypeName *array, *index;
};
struct OverflowData {
    Source source;
    const TypeName* type;
};

struct ShiftData {
    Source source;
    const TypeName *left, *right;
};
struct ObjectData {
    Source source;
    const TypeName* type;
    unsigned char alignment, kind;  // kind: 0 reads, 1 writes, more in C++'s classes
};

long long number(const TypeName& type, unsigned long long value) {  // narrow numbers come as they are, in 64 bits
    if (!type.is_signed() || type.width() >= 64) return value;
    return (long long)(value << (64 - type.width())) >> (64 - type.width());
}

[[noreturn]] void report(const char* kind, const Source& source, const char* text) {
    static char kept[256];
    snprintf(kept, sizeof kept, "%s", text);
    emulator::Finding finding = emulator::here(kind, {source.file, int(source.line)});
    finding.text = kept;
    emulator::add_finding(finding);
    emulator::stop_launch();
}

[[noreturn]] void null_pointer(const ObjectData& data, unsigned long long pointer) {
    emulator::Finding finding = emulator::here("wild pointer", {data.source.file, int(data.source.line)});
    finding.offset = (long long)pointer;
    finding.size = (data.type->kind ? data.type->bits : data.type->width()) / 8;
    finding.act = data.kind == 1;
    emulator::add_finding(finding);
    emulator::stop_launch();
}

[[noreturn]] void overflow(const OverflowData& data, unsigned long long a, const char* sign, unsigned long long b) {
    char text[256];
    long long left = number(*data.type, a), right = number(*data.type, b);
    snprintf(text, sizeof text, "%lld %s %lld does not fit %s", left, sign, right, data.type->name);
    report("integer overflow", data.source, text);
}

}  // namespace

extern "C" {
void __ubsan_handle_out_of_bounds_abort(BoundsData* data, unsigned long long index) {
    char text[256];
    snprintf(text, sizeof text, "index %lld of an array %s", number(*data->index, index), data->array->name);
    report("array index", data->source, text);
}
void __ubsan_handle_add_overflow_abort(OverflowData* data, unsigned long long a, unsigned long long b) {
    overflow(*data, a, "+", b);
}
void __ubsan_handle_sub_overflow_abort(OverflowData* data, unsigned long long a, unsigned long long b) {
    overflow(*data, a, "-", b);
}
void __ubsan_handle_mul_overflow_abort(OverflowData* data, unsigned long long a, unsigned long long b) {
    overflow(*data, a, "*", b);
}
void __ubsan_handle_negate_overflow_abort(OverflowData* data, unsigned long long a) { overflow(*data, 0, "-", a); }
void __ubsan_handle_divrem_overflow_abort(OverflowData* data, unsigned long long a, unsigned long long b) {
    if (number(*data->type, b) != 0) overflow(*data, a, "/", b);
    char text[256];
    snprintf(text, sizeof text, "%lld is divided by 0", number(*data->type, a));
    report("division by zero", data->source, text);
}
void __ubsan_handle_shift_out_of_bounds_abort(ShiftData* data, unsigned long long a, unsigned long long b) {
    char text[256];
    snprintf(text, sizeof text, "%lld is shifted by %lld bits, and %s has %u", number(*data->left, a),
             number(*data->right, b), data->left->name, data->left->width());
    report("shift", data->source, text);
}
void __ubsan_handle_type_mismatch_v1_abort(ObjectData* data, unsigned long long pointer) {
    if (pointer < 65536) null_pointer(*data, pointer);  // which has no array that it would point into
    char text[256];
    snprintf(text, sizeof text, "%s %s beyond the end of the array that its pointer points into",
             data->kind == 1 ? "writes" : "reads", data->type->name);
    report("array index", data->source, text);
}
// Behind the arrays of a function lies a number that nobody may change (-fstack-protector-strong).
[[noreturn]] void __stack_chk_fail() {
    emulator::Finding finding = emulator::here("array index", {"", 0});
    finding.site = emulator::site_of(__builtin_return_address(0));
    finding.text = "has written beyond the end of one of its own arrays, by way of a pointer";
    if (!emulator::current) __builtin_trap();
    emulator::add_finding(finding);
    emulator::stop_launch();
}

// The same in a program whose host code goes on: there it is the host's own affair.
#define UNLESS_HOST(NAME, PARAMETERS, ARGUMENTS)                    \
    void __ubsan_handle_##NAME PARAMETERS {                               \
        if (emulator::current) __ubsan_handle_##NAME##_abort ARGUMENTS;   \
    }
UNLESS_HOST(out_of_bounds, (BoundsData* data, unsigned long long index), (data, index))
UNLESS_HOST(add_overflow, (OverflowData* d, unsigned long long a, unsigned long long b), (d, a, b))
UNLESS_HOST(sub_overflow, (OverflowData* d, unsigned long long a, unsigned long long b), (d, a, b))
UNLESS_HOST(mul_overflow, (OverflowData* d, unsigned long long a, unsigned long long b), (d, a, b))
UNLESS_HOST(negate_overflow, (OverflowData* d, unsigned long long a), (d, a))
UNLESS_HOST(shift_out_of_bounds, (ShiftData* d, unsigned long long a, unsigned long long b), (d, a, b))
UNLESS_HOST(type_mismatch_v1, (ObjectData* data, unsigned long long pointer), (data, pointer))
UNLESS_HOST(divrem_overflow, (OverflowData* d, unsigned long long a, unsigned long long b), (d, a, b))
}
