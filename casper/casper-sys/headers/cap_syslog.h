/* cap_syslog(3), without what takes a va_list. */
#include "types.h"

void cap_syslog(cap_channel_t *chan, int pri, const char *fmt, ...);
void cap_openlog(cap_channel_t *chan, const char *ident, int logopt, int facility);
void cap_closelog(cap_channel_t *chan);
int cap_setlogmask(cap_channel_t *chan, int maskpri);
