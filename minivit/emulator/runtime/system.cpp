// See system.h.
#include "system.h"

#include <signal.h>
#include <string.h>

#include "runtime.h"

#if defined(__APPLE__)
#include <dlfcn.h>
#include <mach-o/loader.h>
#include <mach-o/nlist.h>
#else
#include <link.h>
#include <ucontext.h>
#endif

namespace emulator {

static const char in_this_library = 0;

#if defined(__APPLE__)

// The headers of a library lie at its beginning: commands, and those for segments list their sections.
template <typename Take>
static void each_command(const mach_header_64* header, Take take) {
    auto command = reinterpret_cast<const load_command*>(header + 1);
    for (unsigned i = 0; i < header->ncmds; ++i) {
        take(command);
        command = reinterpret_cast<const load_command*>(reinterpret_cast<const char*>(command) + command->cmdsize);
    }
}

static const mach_header_64* header_of_this_library() {
    Dl_info info;
    dladdr(&in_this_library, &info);
    return static_cast<const mach_header_64*>(info.dli_fbase);
}

Span this_library() {
    const mach_header_64* header = header_of_this_library();
    unsigned long end = 0;  // a library's addresses begin at 0
    each_command(header, [&](const load_command* command) {
        if (command->cmd != LC_SEGMENT_64) return;
        auto segment = reinterpret_cast<const segment_command_64*>(command);
        if (segment->vmaddr + segment->vmsize > end) end = segment->vmaddr + segment->vmsize;
    });
    return {const_cast<char*>(reinterpret_cast<const char*>(header)), end};
}

// Each thread has a copy of what lies between the first thread-local section and the end of the last. Where in it a
// variable is, its initial content's place says, which the linker keeps in the table of symbols.
Span thread_memory() {
    static unsigned long first, last, dynamic;
    if (!dynamic) {
        const mach_header_64* header = header_of_this_library();
        const char* link_edit = nullptr;  // so that link_edit + an offset in the file is where that lies now
        each_command(header, [&](const load_command* command) {
            auto base = reinterpret_cast<const char*>(header);
            if (command->cmd == LC_SEGMENT_64) {
                auto segment = reinterpret_cast<const segment_command_64*>(command);
                if (!strcmp(segment->segname, "__LINKEDIT")) link_edit = base + segment->vmaddr - segment->fileoff;
                auto section = reinterpret_cast<const section_64*>(segment + 1);
                for (unsigned i = 0; i < segment->nsects; ++i, ++section) {
                    unsigned kind = section->flags & SECTION_TYPE;
                    if (kind != S_THREAD_LOCAL_REGULAR && kind != S_THREAD_LOCAL_ZEROFILL) continue;
                    if (!first) first = section->addr;
                    last = section->addr + section->size;
                }
            } else if (command->cmd == LC_SYMTAB) {
                auto table = reinterpret_cast<const symtab_command*>(command);
                auto symbol = reinterpret_cast<const nlist_64*>(link_edit + table->symoff);
                for (unsigned i = 0; i < table->nsyms; ++i, ++symbol)
                    if (!strcmp(link_edit + table->stroff + symbol->n_un.n_strx, "_emulator_dynamic_shared$tlv$init"))
                        dynamic = symbol->n_value;
            }
        });
    }
    return {reinterpret_cast<char*>(emulator_dynamic_shared) - (dynamic - first), last - first};
}

#else

static int find_library(dl_phdr_info* info, size_t, void* found) {
    char *start = reinterpret_cast<char*>(info->dlpi_addr), *end = start;
    for (int i = 0; i < info->dlpi_phnum; ++i) {
        const auto& segment = info->dlpi_phdr[i];
        char* last = start + segment.p_vaddr + segment.p_memsz;
        if (segment.p_type == PT_LOAD && last > end) end = last;
    }
    Span library{start, static_cast<unsigned long>(end - start)};
    if (!library.has(&in_this_library)) return 0;
    *static_cast<Span*>(found) = library;
    return 1;
}
Span this_library() {
    Span found{};
    dl_iterate_phdr(find_library, &found);
    return found;
}

static int find_thread_memory(dl_phdr_info* info, size_t, void* found) {
    for (int i = 0; i < info->dlpi_phnum; ++i) {
        Span memory{static_cast<char*>(info->dlpi_tls_data), info->dlpi_phdr[i].p_memsz};
        if (info->dlpi_phdr[i].p_type != PT_TLS || !memory.has(emulator_dynamic_shared)) continue;
        *static_cast<Span*>(found) = memory;
        return 1;
    }
    return 0;
}
Span thread_memory() {
    Span found{};
    dl_iterate_phdr(find_thread_memory, &found);
    return found;
}

#endif

const char* interrupted_at(const void* context) {
    const auto& machine = static_cast<const ucontext_t*>(context)->uc_mcontext;
#if defined(__APPLE__) && defined(__x86_64__)
    return reinterpret_cast<const char*>(machine->__ss.__rip);
#elif defined(__APPLE__)
    return reinterpret_cast<const char*>(machine->__ss.__pc);
#elif defined(__x86_64__)
    return reinterpret_cast<const char*>(machine.gregs[REG_RIP]);
#else
    return reinterpret_cast<const char*>(machine.pc);
#endif
}

}  // namespace emulator
