#ifndef PERMAFROST_CSQLITE_SHIM_H
#define PERMAFROST_CSQLITE_SHIM_H

#include <sqlite3.h>

// SQLITE_TRANSIENT is a cast of -1 that Swift does not import: SQLite copies the bytes before the call returns.
static inline int permafrost_sqlite3_bind_text_copy(sqlite3_stmt *statement, int index, const char *text, int length) {
    return sqlite3_bind_text(statement, index, text, length, SQLITE_TRANSIENT);
}

static inline int permafrost_sqlite3_bind_blob_copy(sqlite3_stmt *statement, int index, const void *bytes, int length) {
    return length == 0 ? sqlite3_bind_zeroblob(statement, index, 0)
                       : sqlite3_bind_blob(statement, index, bytes, length, SQLITE_TRANSIENT);
}

// sqlite3_db_config is variadic, which Swift does not import.
static inline int permafrost_sqlite3_no_checkpoint_on_close(sqlite3 *connection) {
    return sqlite3_db_config(connection, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, (int *)0);
}

// Declared here because <fcntl.h> would make this module the owner of system types. https://man7.org/linux/man-pages/man2/fallocate.2.html
extern int fallocate(int descriptor, int mode, long offset, long length);

// Blocks for a part of a file, its size unchanged. Linux only, as the extension is.
static inline int permafrost_allocate(int descriptor, long offset, long length) {
    return fallocate(descriptor, 0x01 /* FALLOC_FL_KEEP_SIZE */, offset, length);
}

#endif
