/* SQLite of libsqlite3-dev (Debian), as Swift sees it. The library is loaded when a file is opened:
 * most of what a program does needs no such file. */
#pragma once
#include <sqlite3.h>

/* SQLITE_TRANSIENT is a cast, which Swift cannot import: SQLite copies what is bound here. */
static inline int csqlite_bind_blob(sqlite3_stmt *s, int place, const void *bytes, int count) {
    return sqlite3_bind_blob(s, place, count ? bytes : "", count, SQLITE_TRANSIENT);
}
static inline int csqlite_bind_text(sqlite3_stmt *s, int place, const char *text, int count) {
    return sqlite3_bind_text(s, place, count ? text : "", count, SQLITE_TRANSIENT);
}
