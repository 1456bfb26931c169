#include <isa-l/crc.h>
#include <isa-l/igzip_lib.h>

// A macro with a sum of others, which Swift does not see.
static const unsigned permafrost_isal_level_1_size = ISAL_DEF_LVL1_DEFAULT;
