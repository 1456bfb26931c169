#include <zlib.h>

// The initialisers are macros, which Swift does not see.
static inline int permafrost_deflate_init(z_streamp stream, int level) {
    return deflateInit2(stream, level, Z_DEFLATED, -15, 8, Z_DEFAULT_STRATEGY);
}
static inline int permafrost_gzip_init(z_streamp stream, int level) {
    return deflateInit2(stream, level, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY);
}
static inline int permafrost_inflate_init(z_streamp stream) { return inflateInit2(stream, -15); }
static inline int permafrost_gunzip_init(z_streamp stream) { return inflateInit2(stream, 15 + 16); }
