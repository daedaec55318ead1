/*
 * The types of the prototypes, as FreeBSD has them on its 64-bit systems. C11 lets a type be named
 * again where it is the same one, so that a difference from FreeBSD's own headers is an error when
 * check.c is compiled.
 */
#ifndef CASPER_SYS_TYPES_H
#define CASPER_SYS_TYPES_H

typedef __SIZE_TYPE__ size_t;
typedef unsigned long uint64_t;
typedef unsigned int u_int;
typedef unsigned int uid_t;
typedef unsigned int gid_t;
typedef unsigned short mode_t;
typedef unsigned int socklen_t;

struct addrinfo;
struct cap_rights;
struct group;
struct hostent;
struct passwd;
struct protoent;
struct sockaddr;
struct stat;

typedef struct cap_rights cap_rights_t;

/* nv(9) */
typedef struct nvlist nvlist_t;

/* libcasper(3) */
typedef struct cap_channel cap_channel_t;

#endif
