// What a coverage-guided fuzzer asks of an instrumented program: which branches an input reached,
// and what to do when one traps or does not end. The counters are those of
// `-profile-generate -profile-coverage-mapping`; this file is C so that it is not counted itself.
#pragma once
#include <stddef.h>
#include <stdint.h>

/// Returns the number of counters; 0 when the program was built without them.
size_t coverage_count(void);

/// Watches over every input from now on: a trap, or more than `seconds` of processor time for one
/// input, writes the input to `path` and ends the program with status 1. Memory is limited too.
void coverage_guard(const char *path, unsigned seconds);

/// Begins an input: keeps a copy of its bytes and sets all counters to zero.
void coverage_begin(const uint8_t *bytes, size_t count);

/// Ends an input: adds the counters to the totals, and returns how many branches it took more often
/// than any input before: from none to once, twice, four times, eight times and so on.
size_t coverage_end(void);

/// Returns the sum of all counters of the input that ended last: how many branches it took.
uint64_t coverage_work(void);

/// Sets the counters to the totals, which the program then writes to LLVM_PROFILE_FILE as it ends.
void coverage_finish(void);
