/* cap_dns(3) */
#include "types.h"

int cap_getaddrinfo(cap_channel_t *chan, const char *hostname, const char *servname,
    const struct addrinfo *hints, struct addrinfo **res);
int cap_getnameinfo(cap_channel_t *chan, const struct sockaddr *sa, socklen_t salen, char *host,
    size_t hostlen, char *serv, size_t servlen, int flags);

struct hostent *cap_gethostbyname2(cap_channel_t *chan, const char *name, int af);
struct hostent *cap_gethostbyaddr(cap_channel_t *chan, const void *addr, socklen_t len, int af);

int cap_dns_type_limit(cap_channel_t *chan, const char *const *types, size_t ntypes);
int cap_dns_family_limit(cap_channel_t *chan, const int *families, size_t nfamilies);
