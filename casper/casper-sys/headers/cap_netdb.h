/* cap_netdb(3) */
#include "types.h"

struct protoent *cap_getprotobyname(cap_channel_t *chan, const char *name);
