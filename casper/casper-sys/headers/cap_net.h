/* cap_net(3), without its functions for hosts, which are deprecated. */
#include "types.h"

typedef struct cap_net_limit cap_net_limit_t;

int cap_bind(cap_channel_t *chan, int s, const struct sockaddr *addr, socklen_t addrlen);
int cap_connect(cap_channel_t *chan, int s, const struct sockaddr *name, socklen_t namelen);
int cap_getaddrinfo(cap_channel_t *chan, const char *hostname, const char *servname,
    const struct addrinfo *hints, struct addrinfo **res);
int cap_getnameinfo(cap_channel_t *chan, const struct sockaddr *sa, socklen_t salen, char *host,
    size_t hostlen, char *serv, size_t servlen, int flags);

cap_net_limit_t *cap_net_limit_init(cap_channel_t *chan, uint64_t mode);
int cap_net_limit(cap_net_limit_t *limit);
cap_net_limit_t *cap_net_limit_addr2name_family(cap_net_limit_t *limit, int *family, size_t size);
cap_net_limit_t *cap_net_limit_addr2name(cap_net_limit_t *limit, const struct sockaddr *sa,
    socklen_t salen);
cap_net_limit_t *cap_net_limit_name2addr_family(cap_net_limit_t *limit, int *family, size_t size);
cap_net_limit_t *cap_net_limit_name2addr(cap_net_limit_t *limit, const char *name,
    const char *serv);
cap_net_limit_t *cap_net_limit_connect(cap_net_limit_t *limit, const struct sockaddr *sa,
    socklen_t salen);
cap_net_limit_t *cap_net_limit_bind(cap_net_limit_t *limit, const struct sockaddr *sa,
    socklen_t salen);
