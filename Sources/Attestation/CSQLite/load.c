// Each function here is called for the one of the same name in the library, with the same types;
// it is hidden, so that the library's own calls stay in the library. Without the library no file
// can be opened; the other functions are called for an open file alone, or for none.
#pragma GCC visibility push(hidden)
#include "CSQLite.h"
#pragma GCC visibility pop

#include <dlfcn.h>
#include <stddef.h>

static void *find(const char *name) {
    void *handle = dlopen("libsqlite3.so.0", RTLD_NOW | RTLD_LOCAL);
    return handle ? dlsym(handle, name) : NULL;
}

// Calls the library's function, or returns something else when it is not there.
#define FORWARD(missing, name, ...)                           \
    static __typeof__(name) *real;                            \
    if (!real) real = (__typeof__(real))find(#name);          \
    return real ? real(__VA_ARGS__) : (missing)

int sqlite3_open_v2(const char *path, sqlite3 **file, int flags, const char *system) {
    FORWARD(SQLITE_CANTOPEN, sqlite3_open_v2, path, file, flags, system);
}

int sqlite3_close_v2(sqlite3 *file) { FORWARD(SQLITE_OK, sqlite3_close_v2, file); }

const char *sqlite3_errmsg(sqlite3 *file) {
    FORWARD("libsqlite3.so.0 cannot be loaded", sqlite3_errmsg, file);
}

int sqlite3_busy_timeout(sqlite3 *file, int milliseconds) {
    FORWARD(SQLITE_ERROR, sqlite3_busy_timeout, file, milliseconds);
}

int sqlite3_prepare_v2(
    sqlite3 *file, const char *text, int count, sqlite3_stmt **statement, const char **rest) {
    FORWARD(SQLITE_ERROR, sqlite3_prepare_v2, file, text, count, statement, rest);
}

int sqlite3_step(sqlite3_stmt *statement) { FORWARD(SQLITE_ERROR, sqlite3_step, statement); }

int sqlite3_finalize(sqlite3_stmt *statement) { FORWARD(SQLITE_OK, sqlite3_finalize, statement); }

int sqlite3_bind_blob(
    sqlite3_stmt *statement, int place, const void *bytes, int count, void (*release)(void *)) {
    FORWARD(SQLITE_ERROR, sqlite3_bind_blob, statement, place, bytes, count, release);
}

int sqlite3_bind_text(
    sqlite3_stmt *statement, int place, const char *text, int count, void (*release)(void *)) {
    FORWARD(SQLITE_ERROR, sqlite3_bind_text, statement, place, text, count, release);
}

int sqlite3_bind_int64(sqlite3_stmt *statement, int place, sqlite3_int64 number) {
    FORWARD(SQLITE_ERROR, sqlite3_bind_int64, statement, place, number);
}

int sqlite3_bind_null(sqlite3_stmt *statement, int place) {
    FORWARD(SQLITE_ERROR, sqlite3_bind_null, statement, place);
}

int sqlite3_column_count(sqlite3_stmt *statement) {
    FORWARD(0, sqlite3_column_count, statement);
}

int sqlite3_column_type(sqlite3_stmt *statement, int place) {
    FORWARD(SQLITE_NULL, sqlite3_column_type, statement, place);
}

sqlite3_int64 sqlite3_column_int64(sqlite3_stmt *statement, int place) {
    FORWARD(0, sqlite3_column_int64, statement, place);
}

int sqlite3_column_bytes(sqlite3_stmt *statement, int place) {
    FORWARD(0, sqlite3_column_bytes, statement, place);
}

const void *sqlite3_column_blob(sqlite3_stmt *statement, int place) {
    FORWARD(NULL, sqlite3_column_blob, statement, place);
}
