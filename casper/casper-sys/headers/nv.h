/* nv(9), which libcasper needs and brings along. Its symbols have a prefix since FreeBSD 14. */
#include "types.h"

void FreeBSD_nvlist_destroy(nvlist_t *nvl);
const char *FreeBSD_nvlist_next(const nvlist_t *nvl, int *typep, void **cookiep);

_Bool FreeBSD_cnvlist_get_bool(const void *cookie);
uint64_t FreeBSD_cnvlist_get_number(const void *cookie);
const char *FreeBSD_cnvlist_get_string(const void *cookie);
const nvlist_t *FreeBSD_cnvlist_get_nvlist(const void *cookie);
const void *FreeBSD_cnvlist_get_binary(const void *cookie, size_t *sizep);
const uint64_t *FreeBSD_cnvlist_get_number_array(const void *cookie, size_t *nitemsp);
