/*
 * Compiled for FreeBSD, not linked: are the prototypes compatible with FreeBSD's own headers? Those
 * of libcasper are tried where they are to be had.
 */
#include <sys/types.h>
#include <sys/capsicum.h>
#include <sys/nv.h>
#include <sys/cnv.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <grp.h>
#include <netdb.h>
#include <pwd.h>
#include <stdarg.h>
#include <stdio.h>

#if __has_include(<libcasper.h>)
#define WITH_CASPER
#include <libcasper.h>
#include <casper/cap_dns.h>
#include <casper/cap_fileargs.h>
/* Releases differ in whether the numbers are const, which is no matter to a caller. */
#define cap_grp_limit_groups system_cap_grp_limit_groups
#include <casper/cap_grp.h>
#undef cap_grp_limit_groups
_Static_assert(_Generic(&system_cap_grp_limit_groups,
    int (*)(cap_channel_t *, const char *const *, size_t, const gid_t *, size_t): 1,
    int (*)(cap_channel_t *, const char *const *, size_t, gid_t *, size_t): 1,
    default: 0), "cap_grp_limit_groups");
#if __has_include(<casper/cap_netdb.h>)
#include <casper/cap_netdb.h>
#endif
#include <casper/cap_net.h>
#include <casper/cap_pwd.h>
#include <casper/cap_sysctl.h>
#include <casper/cap_syslog.h>
#endif

#include "nv.h"
#include "casper.h"
#include "cap_dns.h"
#include "cap_fileargs.h"
#include "cap_grp.h"
#include "cap_netdb.h"
#include "cap_pwd.h"
#include "cap_sysctl.h"
#include "cap_syslog.h"
#include "cap_net.h"

/* What the wrappers state in numbers of their own. */
_Static_assert(sizeof(struct stat) == 224, "struct stat");
_Static_assert(sizeof(cap_rights_t) == 2 * sizeof(uint64_t), "cap_rights_t");
_Static_assert(NV_TYPE_NULL == 1 && NV_TYPE_BOOL == 2 && NV_TYPE_NUMBER == 3, "types of nv(9)");
_Static_assert(NV_TYPE_STRING == 4 && NV_TYPE_NVLIST == 5 && NV_TYPE_BINARY == 7, "types of nv(9)");
_Static_assert(NV_TYPE_NUMBER_ARRAY == 9, "types of nv(9)");
_Static_assert(FD_SETSIZE == 1024, "FD_SETSIZE");
_Static_assert(HOST_NOT_FOUND == 1 && TRY_AGAIN == 2 && NO_RECOVERY == 3 && NO_DATA == 4, "h_errno");
_Static_assert(EAI_BADFLAGS == NO_RECOVERY && EAI_MEMORY == 6, "errors of getaddrinfo(3)");
