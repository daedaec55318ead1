/* cap_sysctl(3) */
#include "types.h"

typedef struct cap_sysctl_limit cap_sysctl_limit_t;

int cap_sysctl(cap_channel_t *chan, const int *name, u_int namelen, void *oldp, size_t *oldlenp,
    const void *newp, size_t newlen);
int cap_sysctlbyname(cap_channel_t *chan, const char *name, void *oldp, size_t *oldlenp,
    const void *newp, size_t newlen);
int cap_sysctlnametomib(cap_channel_t *chan, const char *name, int *mibp, size_t *sizep);

cap_sysctl_limit_t *cap_sysctl_limit_init(cap_channel_t *chan);
cap_sysctl_limit_t *cap_sysctl_limit_name(cap_sysctl_limit_t *limit, const char *name, int flags);
cap_sysctl_limit_t *cap_sysctl_limit_mib(cap_sysctl_limit_t *limit, const int *mibp, u_int miblen,
    int flags);
int cap_sysctl_limit(cap_sysctl_limit_t *limit);
