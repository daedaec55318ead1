/* cap_fileargs(3), without what hands out a FILE. */
#include "types.h"

typedef struct fileargs fileargs_t;

fileargs_t *fileargs_cinit(cap_channel_t *cas, int argc, char *argv[], int flags, mode_t mode,
    cap_rights_t *rightsp, int operations);
int fileargs_open(fileargs_t *fa, const char *name);
int fileargs_lstat(fileargs_t *fa, const char *name, struct stat *sb);
char *fileargs_realpath(fileargs_t *fa, const char *pathname, char *reserved_path);
void fileargs_free(fileargs_t *fa);
fileargs_t *fileargs_wrap(cap_channel_t *chan, int fdflags);
cap_channel_t *fileargs_unwrap(fileargs_t *fa, int *fdflags);
