/* libcasper(3) */
#include "types.h"

cap_channel_t *cap_init(void);
cap_channel_t *cap_service_open(const cap_channel_t *chan, const char *name);
int cap_service_limit(const cap_channel_t *chan, const char *const *names, size_t nnames);

cap_channel_t *cap_wrap(int sock, int flags);
int cap_unwrap(cap_channel_t *chan, int *flags);
cap_channel_t *cap_clone(const cap_channel_t *chan);
void cap_close(cap_channel_t *chan);
int cap_sock(const cap_channel_t *chan);
int cap_channel_flags(const cap_channel_t *chan);

int cap_limit_get(const cap_channel_t *chan, nvlist_t **limitsp);
